"""The engine: ONNX Runtime against PyTorch, files that are missing or damaged, and life without torch."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from handpose import HandEstimator, load_photo
from handpose.network.checkpoint import CHECKPOINT, CONFIG, GRAPH, WEIGHTS, NetworkConfig
from handpose.network.engine import OnnxEngine, Prediction, TorchEngine, load_engine
from handpose.network.hand_network import HandNetwork, network_graph
from handpose.network.write_graph import write_graph

DATA = Path(__file__).parent / "data"
TINY = NetworkConfig(backbone="resnet18", input_size=64, token_width=48, token_layers=1, pyramid_channels=32)


@pytest.fixture(scope="module")
def engines():
    return load_engine(), TorchEngine(HandNetwork.from_pretrained())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("checkpoint")
    HandNetwork(TINY).save(place)
    return place


def far(found: list[Prediction], expected: list[Prediction]) -> float:
    """The largest difference of any number."""
    assert len(found) == len(expected)
    return max(np.abs(np.asarray(a) - np.asarray(b)).max() for one, other in zip(found, expected, strict=True)
               for a, b in zip(one, other, strict=True) if a is not None)


@pytest.mark.parametrize("count, size", [(1, 128), (2, 96), (5, 128), (1, 96)])
@pytest.mark.parametrize("told", [True, False])
def test_onnx_runtime_says_what_torch_says(engines, count, size, told):
    photo = np.asarray(Image.fromarray(load_photo(DATA / "hand_right.jpg").rgb).resize((size, size)))
    crops = np.stack([np.roll(photo, 9 * row, (0, 1)) for row in range(count)])
    landmarks = np.random.default_rng(count).normal(size=(count, 21, 6)) * 0.4 if told else None
    assert isinstance(engines[0], OnnxEngine)
    found, expected = (engine(crops, landmarks) for engine in engines)
    assert far(found, expected) < 2e-5
    for answer in found:
        assert [np.shape(part) for part in answer[:5]] == [(21, 3), (21,), (16, 3, 3), (10,), ()]
    if told:  # in metres
        assert np.allclose([answer.world for answer in found], landmarks[..., 3:] / 10)
    else:
        assert all(answer.world is None for answer in found)


def test_no_crop_no_answer(engines):
    for engine in engines:
        assert engine(np.zeros((0, 128, 128, 3), np.uint8)) == []
        assert engine(np.zeros((0, 128, 128, 3), np.uint8), np.zeros((0, 21, 6))) == []


def test_a_photos_hand_is_the_same_by_either(engines):
    photo = load_photo(DATA / "hand_right.jpg").rgb
    estimator = HandEstimator.load()
    hands = []
    for estimator.engine in engines:
        hands += estimator(photo).hands
    onnx, eager = hands
    assert np.abs(onnx.vertices - eager.vertices).max() < 1e-5 and abs(onnx.score - eager.score) < 1e-6


def test_answers_do_not_depend_on_the_rest_of_the_batch(engines):
    crops = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    landmarks = np.random.default_rng(1).normal(size=(3, 21, 6)) * 0.3
    together, alone = engines[0](crops, landmarks), engines[0](crops[2:], landmarks[2:])
    assert far(together[2:], alone) < 2e-5


def test_a_twofold_answer_lies_between_those_with_and_without(engines):
    """Of the network itself, asked in the two ways: by weights, and rotations by the chordal mean."""
    photo = np.asarray(Image.fromarray(load_photo(DATA / "hand_right.jpg").rgb).resize((128, 128)))
    crops = np.stack([photo, photo[:, ::-1]])
    landmarks = np.random.default_rng(4).normal(size=(2, 21, 6)) * 0.3
    network = HandNetwork.from_pretrained()
    with torch.no_grad():
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
        told, alone = network(images, torch.from_numpy(landmarks).float()), network(images)
    for row, answer in enumerate(engines[0](crops, landmarks)):
        assert np.allclose(answer.joints, told.joints[row].numpy(), atol=2e-5)
        assert np.allclose(answer.betas, (.65 * told.betas + .35 * alone.betas)[row].numpy(), atol=2e-5)
        mean = (.65 * told.rotations + .35 * alone.rotations)[row].numpy()
        # the nearest rotation R to M is the one for which R^T M is symmetric, with no negative sum of two eigenvalues
        product = answer.rotations.transpose(0, 2, 1) @ mean
        assert np.allclose(product, product.transpose(0, 2, 1), atol=2e-5)
        assert (np.sort(np.linalg.eigvalsh(product), 1)[:, :2].sum(1) > 0).all()


def test_the_shipped_graph_is_the_shipped_networks():
    assert (CHECKPOINT / GRAPH).read_bytes() == network_graph(HandNetwork.from_pretrained().config)


def test_the_graph_holds_no_weights_and_making_it_leaves_chance_alone(folder):
    assert (folder / GRAPH).stat().st_size < 300_000
    network_graph.cache_clear()
    torch.manual_seed(5)
    network_graph(TINY)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3)) and torch.backends.mha.get_fastpath_enabled()


def test_a_saved_network_runs_without_further_ado(folder):
    crops = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    assert isinstance(load_engine(folder), OnnxEngine)
    assert far(load_engine(folder)(crops), TorchEngine(HandNetwork.from_pretrained(folder))(crops)) < 1e-4


def test_without_a_graph_torch_runs_and_one_can_be_written(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "older")
    (tmp_path / "older" / GRAPH).unlink()
    assert isinstance(load_engine(tmp_path / "older"), TorchEngine)
    write_graph(tmp_path / "older")
    assert isinstance(load_engine(tmp_path / "older"), OnnxEngine)
    assert sorted(path.name for path in (tmp_path / "older").iterdir()) == [CONFIG, WEIGHTS, GRAPH]


def test_files_that_do_not_belong_together_name_the_remedy(folder, tmp_path):
    def message(name: str, content: bytes) -> str:
        shutil.copytree(folder, tmp_path / "net", dirs_exist_ok=True)
        (tmp_path / "net" / name).write_bytes(content)
        with pytest.raises(ValueError, match="do not belong together or are damaged .*; restore") as caught:
            load_engine(tmp_path / "net")
        text = str(caught.value)
        assert "\n" not in text and len(text) < 500 and text.endswith(".")
        return text

    graph, weights = (folder / GRAPH).read_bytes(), (folder / WEIGHTS).read_bytes()
    config = json.loads((folder / CONFIG).read_text())
    for broken in (graph[:-500], b"", b"not a graph", (CHECKPOINT / GRAPH).read_bytes()):
        message(GRAPH, broken)
    for broken in (weights[:-100], b"", b"no weights", (CHECKPOINT / WEIGHTS).read_bytes()):
        message(WEIGHTS, broken)
    assert "made for" in message(CONFIG, json.dumps(config | {"hand_model": "mano"}).encode())
    message(CONFIG, json.dumps(config | {"eyes": 2}).encode())


WITHOUT_TORCH = """
import sys
class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "torchvision", "roma", "lightning", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}")
sys.meta_path.insert(0, Missing())
"""


def python(code: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", WITHOUT_TORCH + code, *map(str, arguments)], text=True,
                          capture_output=True, cwd=CHECKPOINT.parent, env=os.environ | {"PYTHONPATH": "."})


def test_the_command_runs_where_there_is_no_torch(tmp_path):
    run = python("from handpose.command.cli import main; sys.exit(main(sys.argv[1:]))", "predict",
                 DATA / "hand_right.jpg", "--out", tmp_path, "--npz", "--smplx")
    assert run.returncode == 0, run.stderr
    assert len(json.loads((tmp_path / "hand_right.json").read_text())["hands"]) == 1


def test_the_page_starts_where_there_is_no_torch():
    run = python("import handpose, handpose.tracker, handpose.clips.track_clip, handpose.hand_model.shape, app; "
                 "print(app.__name__)")
    assert run.returncode == 0, run.stderr


def test_without_torch_and_graph_the_error_names_both(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "older")
    (tmp_path / "older" / GRAPH).unlink()
    run = python("from handpose import HandEstimator; HandEstimator.load(sys.argv[1])", tmp_path / "older")
    said = run.stderr.strip().splitlines()[-1]
    assert said.startswith("FileNotFoundError: There is no network.onnx in ") and "handpose[train]" in said
