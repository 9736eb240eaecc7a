"""The network: its shapes and invariants, files on disk, the translation it needs, and the published ResNet sizes."""
import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from handpose.network.hand_network import CHECKPOINT, HandNetwork, NetworkConfig
from handpose.network.resnet import BACKBONES, make_backbone
from handpose.placement import solve_translation


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return HandNetwork(NetworkConfig(backbone="resnet18", input_size=64, token_width=48, token_layers=1)).eval()


@pytest.fixture(scope="module")
def inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 3, 64, 64, generator=generator) * 255, torch.randn(3, 21, 6, generator=generator) * 0.3


@pytest.mark.parametrize("name, parameters", [("resnet18", 11_689_512), ("resnet34", 21_797_672),
                                              ("resnet50", 25_557_032), ("resnet101", 44_549_160)])
def test_backbones_have_the_published_sizes(name, parameters):
    backbone = make_backbone(name)
    head = backbone.channels[-1] * 1000 + 1000  # the classifier that published counts include
    assert sum(p.numel() for p in backbone.parameters()) + head == parameters


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_strides(name):
    features = make_backbone(name).eval()(torch.zeros(1, 3, 64, 64))
    assert [f.shape[2] for f in features] == [16, 8, 4, 2]


def test_a_size_that_the_pyramid_cannot_halve_is_named():
    for sizes in ({"input_size": 112}, {"live_size": 100}, {"input_size": 0}):
        with pytest.raises(ValueError, match="multiple of 32"):
            HandNetwork(NetworkConfig(backbone="resnet18", **sizes))


def test_answers_are_hands(network, inputs):
    with torch.no_grad():
        estimate = network(*inputs)
    squared = estimate.rotations @ estimate.rotations.transpose(2, 3)
    assert torch.allclose(squared, torch.eye(3).expand(3, 16, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(estimate.rotations), torch.ones(3, 16), atol=1e-5)
    assert torch.allclose(estimate.heatmaps.sum((2, 3)), torch.ones(3, 21), atol=1e-5)
    assert (estimate.image_joints[..., :2].abs() <= 1).all() and (estimate.spread > 0).all()


def test_withheld_landmarks_do_not_matter_and_given_ones_do(network, inputs):
    images, landmarks = inputs
    given = torch.tensor([True, False, True])
    with torch.no_grad():
        mixed, without, everywhere = network(images, landmarks, given), network(images), network(images, landmarks)
        other = network(images, landmarks + 1, given)
    for name in ("joints", "rotations", "betas", "confidence"):
        assert torch.allclose(getattr(mixed, name)[1], getattr(without, name)[1], atol=1e-5)
        assert torch.allclose(getattr(mixed, name)[::2], getattr(everywhere, name)[::2], atol=1e-5)
        assert torch.allclose(getattr(mixed, name)[1], getattr(other, name)[1], atol=1e-5)
        assert not torch.allclose(getattr(mixed, name)[0], getattr(other, name)[0], atol=1e-4)
    assert torch.allclose(mixed.image_joints, without.image_joints, atol=1e-5)  # the heatmaps see the image alone


def test_a_heatmap_peak_is_read_where_it_stands(network):
    class Peak(torch.nn.Module):
        def forward(self, features):
            logits = torch.full((1, 21, 8, 8), -50.0)
            logits[:, :, 2, 5] = 50
            return logits
    heat = network.heat
    network.heat = Peak()
    try:
        _, joints, peak = network._read_heatmaps(torch.zeros(1, 128, 8, 8))
    finally:
        network.heat = heat
    # the middle of column 5, row 2 of 8 over [-1, 1]
    middle = torch.tensor([(5.5 / 8) * 2 - 1, (2.5 / 8) * 2 - 1])
    assert torch.allclose(joints[0, :, :2], middle.expand(21, 2), atol=1e-5)
    assert torch.allclose(peak, torch.ones(1, 21))


def test_saved_weights_come_back_in_half_precision(network, inputs, tmp_path):
    network.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors", "network.onnx"]
    size = sum(t.numel() for t in network.state_dict().values())
    assert (tmp_path / "model.safetensors").stat().st_size < 2.1 * size + 100_000
    again = HandNetwork.from_pretrained(tmp_path)
    assert again.config == network.config and not again.training
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    with torch.no_grad():
        a, b = network(*inputs), again(*inputs)
    assert (a.joints - b.joints).abs().max() < 0.02


def test_saved_files_may_be_read_by_whom_any_new_file_may(network, tmp_path):
    (tmp_path / "new").write_bytes(b"")
    network.save(tmp_path / "net")
    assert {file.stat().st_mode for file in (tmp_path / "net").iterdir()} == {(tmp_path / "new").stat().st_mode}


def test_broken_checkpoints_name_the_remedy(network, tmp_path):
    def message(kind, path=tmp_path, **options):
        with pytest.raises(kind) as caught:
            HandNetwork.from_pretrained(path, **options)
        text = str(caught.value)
        assert "\n" not in text and len(text) < 500 and text.endswith(".")
        return text

    assert "train.run" in message(FileNotFoundError, tmp_path / "none")
    assert "config.json" in message(FileNotFoundError)
    network.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for wrong in ({"backbone": "resnet34"}, {"backbone": "resnet7"}, {"eyes": 3}, {"token_width": 96}):
        (tmp_path / "config.json").write_text(json.dumps(config | wrong))
        assert "do not belong together" in message(ValueError)
    (tmp_path / "config.json").write_text(json.dumps(config)[:-9])
    assert "damaged" in message(ValueError)
    (tmp_path / "config.json").write_text(json.dumps(config))
    whole = (tmp_path / "model.safetensors").read_bytes()
    for damaged in (whole[:-100], b"\x80\x04not tensors, not even a pickle that anyone would load", b""):
        (tmp_path / "model.safetensors").write_bytes(damaged)
        assert "damaged" in message(ValueError)
    (tmp_path / "model.safetensors").unlink()
    assert "model.safetensors" in message(FileNotFoundError)


def test_a_missing_weight_is_an_error_unless_asked_for(network, tmp_path):
    network.save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["depth.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="depth.bias"):
        HandNetwork.from_pretrained(tmp_path)
    again = HandNetwork.from_pretrained(tmp_path, strict=False)
    assert torch.allclose(again.depth.weight, network.depth.weight, atol=1e-3)


def test_the_hubs_own_way_of_saving_and_its_model_card(network, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    network.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    network.save_pretrained(tmp_path / "new")
    card = ModelCard.load(tmp_path / "new" / "README.md").data
    assert card.license == "apache-2.0" and card.library_name == "handpose"
    for folder in (tmp_path, tmp_path / "new"):
        again = HandNetwork.from_pretrained(folder)
        assert again.config == network.config
        assert torch.allclose(again.heat.weight, network.heat.weight, atol=1e-3)


def test_the_shipped_folder_is_a_hub_repository_as_it_is():
    card = ModelCard.load(CHECKPOINT / "README.md").data
    assert card.license == "apache-2.0" and card.pipeline_tag == "keypoint-detection"
    assert card.library_name == "handpose" and "mano" in card.tags
    assert HandNetwork.from_pretrained(str(CHECKPOINT)).config == HandNetwork.from_pretrained().config


@pytest.fixture()
def no_network(monkeypatch):
    """Counts attempts to resolve or reach another machine; each fails."""
    attempts = []

    def refuse(*arguments, **options):
        attempts.append(arguments)
        raise OSError("no network in this test")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return attempts


def test_folders_come_first_and_only_an_id_asks_the_hub(network, tmp_path, monkeypatch, no_network):
    monkeypatch.chdir(tmp_path)
    network.save(tmp_path / "owner" / "name")
    assert HandNetwork.from_pretrained("owner/name").config == network.config
    for path in ("owner/other", "name", "a/b/c", "./a/b", "/nowhere/here", tmp_path / "gone", "../x"):
        with pytest.raises(FileNotFoundError, match="There is no checkpoint folder .*train.run"):
            HandNetwork.from_pretrained(path)
    assert not no_network
    with pytest.raises(FileNotFoundError, match="the Hub's someone/else cannot be had") as caught:
        HandNetwork.from_pretrained("someone/else", cache_dir=tmp_path / "cache")
    assert no_network and "\n" not in str(caught.value)


def test_offline_an_unknown_id_is_one_sentence(tmp_path):
    code = "from handpose.network.hand_network import HandNetwork; HandNetwork.from_pretrained('someone/else')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKPOINT.parent,
                         env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)})
    said = run.stderr.strip().splitlines()[-1]
    assert said.startswith("FileNotFoundError: There is no folder someone/else") and "check the name" in said


def test_an_id_is_read_from_the_hubs_cache(network, tmp_path, monkeypatch, no_network):
    """A repository as the Hub's cache keeps it: a revision's snapshot, and `main` pointing at it."""
    repository, revision = tmp_path / "models--someone--else", "0" * 40
    network.save(repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    again = HandNetwork.from_pretrained("someone/else", cache_dir=tmp_path, local_files_only=True)
    assert again.config == network.config and not no_network


def test_translation_is_found_exactly_and_by_least_squares():
    rng = np.random.default_rng(0)
    joints = torch.tensor(rng.normal(size=(4, 21, 3)) * 0.06)
    true = torch.tensor(np.column_stack([rng.normal(size=(4, 2)) * 0.2, rng.uniform(0.3, 2, 4)]))
    seen = joints + true[:, None]
    rays, weights = seen[..., :2] / seen[..., 2:], torch.tensor(rng.uniform(0.1, 1, (4, 21)))
    assert torch.allclose(solve_translation(joints, rays, weights), true, atol=1e-4)
    in_numpy = solve_translation(joints.numpy(), rays.numpy(), weights.numpy())
    assert np.abs(in_numpy - solve_translation(joints, rays, weights).numpy()).max() < 1e-9

    noisy = rays + torch.tensor(rng.normal(size=rays.shape) * 0.01)
    found = solve_translation(joints, noisy, weights)[0].numpy()
    rows, right = [], []
    for (x, y, z), (u, v), w in zip(joints[0].numpy(), noisy[0].numpy(), weights[0].numpy(), strict=True):
        rows += [np.sqrt(w) * np.array([1, 0, -u]), np.sqrt(w) * np.array([0, 1, -v])]
        right += [np.sqrt(w) * (u * z - x), np.sqrt(w) * (v * z - y)]
    assert np.allclose(found, np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0], atol=1e-4)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50-half"])
def test_a_frozen_part_computes_the_same_without_its_batch_norms(backbone):
    torch.manual_seed(0)
    network = make_backbone(backbone)
    images = torch.randn(3, 3, 64, 64)
    network(images)  # gives the batch norms statistics
    expected, weights = network.eval()(images), {key: value.clone() for key, value in network.state_dict().items()}
    network.freeze(2)
    network.layer3.train()
    frozen = network(images)
    for ours, theirs in zip(frozen[:2], expected[:2], strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4 * theirs.abs().max().item())
        assert not ours.requires_grad
    frozen[3].mean().backward()
    assert {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None} == {"layer3", "layer4"}
    assert network.state_dict().keys() == weights.keys()
    frozen_part = [key for key in weights if key.split(".")[0] in ("conv1", "bn1", "layer1", "layer2")]
    assert all(torch.equal(network.state_dict()[key], weights[key]) for key in frozen_part)
    network.load_state_dict({key: value * 2 if key == "conv1.weight" else value for key, value in weights.items()})
    network.train().eval()  # what was folded of other weights is forgotten
    assert not torch.allclose(network(images)[0], expected[0], atol=1e-2)
