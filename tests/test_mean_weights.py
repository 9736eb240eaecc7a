"""The mean of a run's first and last weights."""
import pytest
import torch

from handpose.network.hand_network import HandNetwork, NetworkConfig
from train.learning.mean_weights import mean_weights

TINY = NetworkConfig("resnet18", 64, token_width=12, token_layers=1, pyramid_channels=16, lifter_width=32,
                     lifter_blocks=1)


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate(("ended", "began")):
        torch.manual_seed(seed)
        HandNetwork(TINY).save(tmp_path / name)
    return tmp_path / "ended", tmp_path / "began"


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_each_weight_lies_between(folders, share):
    ended, began = (HandNetwork.from_pretrained(folder).state_dict() for folder in folders)
    mean = mean_weights(*folders, share).state_dict()
    assert mean.keys() == ended.keys()
    differ = 0
    for name, value in mean.items():
        if value.is_floating_point():
            assert torch.allclose(value, (1 - share) * ended[name] + share * began[name], atol=1e-6), name
            differ += not torch.equal(ended[name], began[name])
        else:
            assert torch.equal(value, ended[name])
    assert differ > 20


def test_networks_that_differ_have_no_mean(folders, tmp_path):
    HandNetwork(NetworkConfig(**{**vars(TINY), "lifter_width": 16})).save(tmp_path / "other")
    with pytest.raises(ValueError, match="start_share=0"):
        mean_weights(folders[0], tmp_path / "other", 0.5)
