"""ImageNet weights find their places in the backbone."""
from urllib.error import URLError

import pytest
import torch

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
