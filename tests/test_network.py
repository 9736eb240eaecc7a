"""The network: its shapes and invariants, files on disk, the translation it needs, and the published ResNet sizes."""
import json

import numpy as np
import pytest
import torch

from handpose.network import HandNetwork, NetworkConfig
from handpose.placement import solve_translation
from handpose.resnet import LAYOUTS, ResNet


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
    backbone = ResNet(name)
    head = backbone.channels[-1] * 1000 + 1000  # the classifier that published counts include
    assert sum(p.numel() for p in backbone.parameters()) + head == parameters


@pytest.mark.parametrize("name", LAYOUTS)
def test_backbone_strides(name):
    features = ResNet(name).eval()(torch.zeros(1, 3, 64, 64))
    assert [f.shape[2] for f in features] == [16, 8, 4, 2]


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
    network.save(tmp_path / "net")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.json", "net.safetensors"]
    size = sum(t.numel() for t in network.state_dict().values())
    assert (tmp_path / "net.safetensors").stat().st_size < 2.1 * size + 100_000
    again = HandNetwork.load(tmp_path / "net")
    assert again.config == network.config and not again.training
    with torch.no_grad():
        a, b = network(*inputs), again(*inputs)
    assert (a.joints - b.joints).abs().max() < 0.02


def test_broken_checkpoints_name_the_remedy(network, tmp_path):
    with pytest.raises(FileNotFoundError, match="train.run"):
        HandNetwork.load(tmp_path / "none")
    network.save(tmp_path / "net")
    config = json.loads((tmp_path / "net.json").read_text())
    (tmp_path / "net.json").write_text(json.dumps({**config, "backbone": "resnet34"}))
    with pytest.raises(ValueError, match="do not belong together"):
        HandNetwork.load(tmp_path / "net")
    (tmp_path / "net.json").write_text(json.dumps(config))
    (tmp_path / "net.safetensors").write_bytes(b"\x80\x04not tensors, not even a pickle that anyone would load")
    with pytest.raises(ValueError, match="damaged"):
        HandNetwork.load(tmp_path / "net")


def test_translation_is_found_exactly_and_by_least_squares():
    rng = np.random.default_rng(0)
    joints = torch.tensor(rng.normal(size=(4, 21, 3)) * 0.06)
    true = torch.tensor(np.column_stack([rng.normal(size=(4, 2)) * 0.2, rng.uniform(0.3, 2, 4)]))
    seen = joints + true[:, None]
    rays, weights = seen[..., :2] / seen[..., 2:], torch.tensor(rng.uniform(0.1, 1, (4, 21)))
    assert torch.allclose(solve_translation(joints, rays, weights), true, atol=1e-4)

    noisy = rays + torch.tensor(rng.normal(size=rays.shape) * 0.01)
    found = solve_translation(joints, noisy, weights)[0].numpy()
    rows, right = [], []
    for (x, y, z), (u, v), w in zip(joints[0].numpy(), noisy[0].numpy(), weights[0].numpy(), strict=True):
        rows += [np.sqrt(w) * np.array([1, 0, -u]), np.sqrt(w) * np.array([0, 1, -v])]
        right += [np.sqrt(w) * (u * z - x), np.sqrt(w) * (v * z - y)]
    assert np.allclose(found, np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0], atol=1e-4)
