"""Batch norms that keep their statistics: a network that answers and learns as in evaluation, by the same names."""
import copy

import pytest
import torch
from torch import nn

from handpose.network.hand_network import HandNetwork, NetworkConfig
from train.learning.batch_norm import FoldedConv, keep_statistics

TINY = NetworkConfig("resnet18", 64, token_width=12, token_layers=1, pyramid_channels=16, lifter_width=32,
                     lifter_blocks=1)


@pytest.fixture(params=[None, 1], ids=["nothing frozen", "a stage frozen"])
def networks(request):
    """One with statistics of its own, as it is in evaluation, and a copy of it that trains and keeps them."""
    torch.manual_seed(0)
    network = HandNetwork(TINY)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.running_mean, -1, 1), (module.running_var, 0.5, 2),
                                      (module.weight.data, 0.5, 1.5), (module.bias.data, -1, 1)):
                values.uniform_(low, high)
    kept = copy.deepcopy(network).train()
    network.eval()
    for one in (network, kept):
        if request.param:
            one.backbone.freeze(request.param)
    return network, keep_statistics(kept)


def test_it_answers_and_learns_as_in_evaluation(networks):
    images = torch.rand(3, 3, 64, 64) * 255
    answers = [network(images) for network in networks]
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*answers, strict=True))
    for estimate in answers:
        (estimate.joints.square().sum() + estimate.rotations[..., 0, :].sum()).backward()
    whole, kept = (dict(network.named_parameters()) for network in networks)
    assert list(whole) == list(kept)
    for name, parameter in whole.items():
        mine = kept[name].grad
        assert (parameter.grad is None) == (mine is None), name
        if mine is not None:
            most = float(mine.abs().max())
            assert torch.allclose(parameter.grad, mine, rtol=1e-3, atol=1e-3 * most + 1e-5), name


def test_its_statistics_stay_and_its_weights_have_their_names(networks):
    whole, kept = networks
    assert any(isinstance(module, FoldedConv) for module in kept.modules())
    assert not any(type(module) is nn.BatchNorm2d and module.training for module in kept.modules())
    kept(torch.rand(2, 3, 64, 64) * 255)
    before, after = whole.state_dict(), kept.state_dict()
    assert list(before) == list(after) and all(torch.equal(before[name], after[name]) for name in before)


def test_a_copy_has_norms_of_its_own(networks):
    """As the trial of bfloat16 makes one, which must not change the network that is trained."""
    _, kept = networks
    other = copy.deepcopy(kept)
    norms = [{id(module.norm[0]) for module in network.modules() if isinstance(module, FoldedConv)}
             for network in (kept, other)]
    assert norms[0] and not norms[0] & norms[1]
    assert norms[1] <= {id(module) for module in other.modules()}
