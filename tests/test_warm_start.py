"""ImageNet weights find their places in the backbone."""
import zipfile
from urllib.error import URLError

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from handpose.network.hand_network import HandNetwork, NetworkConfig
from train.learning.warm_start import warm_start

TINY = dict(token_width=48, token_layers=1, pyramid_channels=16, lifter_width=32)


@pytest.fixture
def weights(tmp_path):
    """A file as torchvision saves a ResNet-18: these names, with a classifier."""
    torch.manual_seed(1)
    state = HandNetwork(NetworkConfig(backbone="resnet18", **TINY)).backbone.state_dict()
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "resnet18.pth")
    return tmp_path / "resnet18.pth"


def test_a_torchvision_file_fills_the_backbone(weights):
    network = HandNetwork(NetworkConfig(backbone="resnet18", **TINY))
    warm_start(network, str(weights), torch.zeros(1, 3, 64, 64))
    theirs = torch.load(weights, weights_only=True)
    for name, value in network.backbone.state_dict().items():
        assert torch.equal(value, theirs[name]), name


def test_another_backbones_file_is_refused(weights):
    with pytest.raises(ValueError, match="resnet34"):
        warm_start(HandNetwork(NetworkConfig(backbone="resnet34", **TINY)), str(weights), torch.zeros(1, 3, 64, 64))


def test_offline_imagenets_weights_are_one_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise URLError("no network in this test")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    for backbone, said in (("resnet18", "a resnet18 cannot be downloaded .*no network"),
                           ("resnet50-half", "no ImageNet weights of a resnet50-half")):
        with pytest.raises((FileNotFoundError, ValueError), match=said) as caught:
            warm_start(HandNetwork(NetworkConfig(backbone=backbone, **TINY)), "imagenet", torch.zeros(1, 3, 64, 64))
        assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match="nowhere.pth"):
        warm_start(HandNetwork(NetworkConfig(backbone="resnet18", **TINY)), "nowhere.pth", torch.zeros(1, 3, 64, 64))


def test_names_are_torchvisions():
    """Of its published ResNets: how many tensors, and some of their names and shapes."""
    for name, tensors in (("resnet18", 122 - 2), ("resnet34", 218 - 2), ("resnet50", 320 - 2), ("resnet101", 626 - 2)):
        state = HandNetwork(NetworkConfig(backbone=name, **TINY)).backbone.state_dict()
        assert len(state) == tensors, name
        assert state["layer4.1.conv2.weight"].shape == (512, 512, 3, 3)
        assert "layer2.0.downsample.1.running_var" in state


def refused(source) -> str:
    """The sentence with which a ResNet of its kind refuses a file."""
    backbone = "resnet18" if source.suffix == ".pth" else "resnet50-half"
    with pytest.raises(ValueError) as caught:
        warm_start(HandNetwork(NetworkConfig(backbone=backbone, **TINY)), str(source), torch.zeros(1, 3, 64, 64))
    text = str(caught.value)
    assert source.name in text and "\n" not in text and text.endswith(".") and len(text) < 500
    return text


class Touch:
    """Unpickles as a call that makes a file."""
    def __reduce__(self):
        import os
        return os.system, ("touch made",)


@pytest.mark.parametrize("make", [lambda file: file.write_bytes(b""), lambda file: file.write_bytes(b"no weights"),
                                  lambda file: torch.save({"conv1.weight": Touch()}, file),
                                  lambda file: torch.save([1, 2], file), lambda file: torch.save({1: 2}, file),
                                  lambda file: torch.save({"conv1.weight": "x"}, file),
                                  lambda file: torch.save(torch.zeros(3), file),
                                  lambda file: file.open("wb").truncate(1 << 40)])
def test_a_state_of_something_else_is_refused_and_nothing_runs(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "weights.pth")
    refused(tmp_path / "weights.pth")
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pth"]


def convolution(place: str | None = None, shape=(64, 3, 7, 7)) -> bytes:
    kernel = numpy_helper.from_array(np.zeros(shape, np.float32), "kernel")
    if place:
        kernel.ClearField("raw_data")
        kernel.data_location = onnx.TensorProto.EXTERNAL
        kernel.external_data.add(key="location", value=place)
    bias = numpy_helper.from_array(np.zeros(64, np.float32), "bias")
    node = helper.make_node("Conv", ["images", "kernel", "bias"], ["features"])
    return helper.make_model(helper.make_graph([node] * 53, "network", [], [], [kernel, bias])).SerializeToString()


def packed(file, content: bytes, name: str = "model.onnx") -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(name, content)


def test_a_graph_of_something_else_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "network.onnx"
    for content, words in ((b"", "0 bytes"), (b"no graph", "damaged"), (convolution("../secret"), "names other files"),
                           (convolution("/etc/passwd"), "names other files"), (convolution(shape=(3,)), "other shapes"),
                           (convolution().replace(b"kernel", b"colour"), "other shapes")):
        file.write_bytes(content)
        assert words in refused(file)
        packed(tmp_path / "network.whl", content)
        refused(tmp_path / "network.whl")
    packed(tmp_path / "network.whl", b"", "model.txt")
    assert "holds no .onnx" in refused(tmp_path / "network.whl")
    (tmp_path / "network.whl").write_bytes(b"PK")
    assert "damaged" in refused(tmp_path / "network.whl")
    from train.learning import warm_start as module
    monkeypatch.setattr(module, "MOST_BYTES", 10 ** 5)
    packed(tmp_path / "network.whl", bytes(10 ** 6))
    assert "reasonable size" in refused(tmp_path / "network.whl")
