"""The page with another network: what is told of it, and that one which does not fit never opens a page."""
import runpy
import shutil
import sys
from types import SimpleNamespace

import gradio as gr
import numpy as np
import onnx
import pytest
import torch
from mano_files import mano_arrays, write_mano_npz

from benchmarks.running_page import ROOT
from handpose import HandEstimator, load_photo
from handpose.network.checkpoint import GRAPH
from handpose.network.hand_network import HandNetwork, NetworkConfig
from page.analysis import Options, analyse, result_of
from page.content.snippet import snippet
from page.layout import build_page
from page.network import Network
from page.tabs.about import about_tab

PHOTO = ROOT / "tests" / "data" / "hand_right.jpg"
TINY = dict(backbone="resnet18", input_size=64, token_width=48, token_layers=1, pyramid_channels=32, lifter_width=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained network of the open hand, in runs/mine."""
    folder = tmp_path_factory.mktemp("networks") / "runs" / "mine"
    torch.manual_seed(0)
    HandNetwork(NetworkConfig(**TINY)).save(folder)
    return folder


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for variable in ("HANDPOSE_CHECKPOINT", "HANDPOSE_MANO"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def loaded(folder):
    return Network(str(folder)).load()


def texts(page) -> str:
    return "\n".join(str(component["props"].get("value")) for component in page.config["components"])


def test_the_command_line_goes_before_the_variable(folder, monkeypatch):
    assert Network.told([]) == Network()
    monkeypatch.setenv("HANDPOSE_CHECKPOINT", str(folder))
    assert Network.told([]) == Network(str(folder))
    assert Network.told(["--checkpoint", "elsewhere", "--hand-model", "x"]) == Network("elsewhere", "x")
    with pytest.raises(SystemExit):
        Network.told(["--share"])


def test_the_page_tells_of_another_network_and_not_the_numbers_of_the_one_that_ships(folder, loaded):
    assert loaded.crop_size == 64
    page = build_page(loaded, "mine")
    assert "another network than the one that comes with it, `mine`" in texts(page) and "PA-MPJPE" not in texts(page)
    with gr.Blocks() as own:
        about_tab()
    assert "PA-MPJPE" in texts(own) and "another network" not in texts(own)


def test_the_snippet_gives_the_told_networks_hands(folder, loaded, tmp_path, monkeypatch):
    result = result_of(loaded, analyse(loaded, str(PHOTO)), Options(min_score=0))
    program = snippet(result, "mine")
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTO, tmp_path)
    shutil.copytree(folder, tmp_path / "mine")
    monkeypatch.setattr(HandEstimator.place, "__defaults__", (None, 0.0))  # an untrained network is not sure
    names = {}
    exec(program, names)
    assert result.hands and np.allclose(names["hands"][0].joints_3d, result.hands[0].joints_3d, atol=1e-6)


@pytest.mark.parametrize("told, name", [(None, None), ("runs/mine", "mine"), ("runs/mine/", "mine"),
                                        ("owner/name", "owner/name"), ("../elsewhere", "elsewhere")])
def test_what_visitors_are_told_of_a_network(folder, monkeypatch, told, name):
    monkeypatch.chdir(folder.parent.parent)
    assert Network(told).name == name


def broken_graph(folder):
    """Answers of another size than hands have."""
    model = onnx.load(folder / GRAPH, load_external_data=False)
    for node in model.graph.node:
        for number, output in enumerate(node.output):
            if output == "betas":
                node.output[number] = "whole"
    model.graph.initializer.extend([onnx.numpy_helper.from_array(np.array(values), name) for name, values in (
        ("from", [0]), ("to", [7]), ("axis", [1]))])
    model.graph.node.append(onnx.helper.make_node("Slice", ["whole", "from", "to", "axis"], ["betas"]))
    del next(output for output in model.graph.output if output.name == "betas").type.tensor_type.shape.dim[1:]
    (folder / GRAPH).write_bytes(model.SerializeToString())


@pytest.mark.parametrize("spoil, words", [
    (lambda folder: (folder / "model.safetensors").unlink(), "No checkpoint file"),
    (lambda folder: (folder / "config.json").write_text("{"), "do not belong together"),
    (broken_graph, "gives no hands"),
])
def test_a_network_that_does_not_fit_is_refused_in_a_sentence(folder, tmp_path, spoil, words):
    copy = shutil.copytree(folder, tmp_path / "net")
    spoil(copy)
    with pytest.raises((OSError, ValueError)) as caught:
        Network(str(copy)).load()
    assert words in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_hand_model_that_does_not_fit_is_refused(folder, tmp_path):
    write_mano_npz(tmp_path / "MANO_RIGHT.npz", mano_arrays())
    with pytest.raises(ValueError, match="answers for the hand model 'open', not 'mano'"):
        Network(str(folder), str(tmp_path / "MANO_RIGHT.npz")).load()
    HandNetwork(NetworkConfig(**TINY, hand_model="mano")).save(tmp_path / "mano")
    with pytest.raises(FileNotFoundError, match="There is no MANO_RIGHT.pkl"):
        Network(str(tmp_path / "mano"), str(tmp_path / "none")).load()
    fitting = Network.told(["--checkpoint", str(tmp_path / "mano"), "--hand-model", str(tmp_path)]).load()
    assert len(fitting(load_photo(PHOTO), boxes=[(150, 100, 400, 420)]).hands[0].vertices) == 778


def test_the_program_passes_on_what_it_is_told_and_opens_no_page_without_a_network(loaded, tmp_path, monkeypatch):
    served = []
    start = SimpleNamespace(make_page=lambda *network: network, serve=served.append)
    monkeypatch.setitem(sys.modules, "page.start", start)  # the real one is for a process of its own
    monkeypatch.setattr(Network, "load", lambda network: loaded)
    monkeypatch.setattr(sys, "argv", ["app.py", "--checkpoint", "/some/runs/mine"])
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    assert served == [(loaded, "mine")]
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "page.start", start)
    missing = str(tmp_path / "none" / "here")
    monkeypatch.setattr(sys, "argv", ["app.py", "--checkpoint", missing])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
    assert f"There is no checkpoint folder {missing};" in str(stopped.value) and len(served) == 1
