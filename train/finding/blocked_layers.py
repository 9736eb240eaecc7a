"""The detector's network of layers that ONNX Runtime computes in its blocked layout (channels in groups of a vector's
length), a third faster: it has no PReLU, no padding of its own and no widening there, and changes the layout for each.
"""
from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, the customary name

from .detector_network import Block, DetectorNetwork
from .layers import Halving


class Slopes(nn.Module):
    """PReLU (B, C, h, w) as a x + (1 - a) max(x, 0), each factor a convolution of one pixel."""

    def __init__(self, slopes: Tensor):
        super().__init__()
        count = len(slopes)
        self.all, self.positive = (nn.Conv2d(count, count, 1, groups=count, bias=False) for _ in range(2))
        with torch.no_grad():
            self.all.weight.copy_(slopes.reshape(-1, 1, 1, 1))
            self.positive.weight.copy_(1 - slopes.reshape(-1, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.all(x) + self.positive(F.relu(x))


class BlockedBlock(nn.Module):
    """A `Block` whose shortcut a convolution widens, with zeros."""

    def __init__(self, block: Block):
        super().__init__()
        self.depthwise, self.pointwise, self.activation = block.depthwise, block.pointwise, block.activation
        self.halving = block.halving
        if block.added:
            outputs, inputs = self.pointwise.weight.shape[:2]
            self.widening = nn.Conv2d(inputs, outputs, 1, bias=False)
            with torch.no_grad():
                self.widening.weight.copy_(torch.eye(outputs, inputs)[..., None, None])
        else:
            self.widening = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.widening(F.max_pool2d(x, 2) if self.halving else x)
        return self.activation(self.pointwise(self.depthwise(x)) + shortcut)


def blocked(network: DetectorNetwork) -> DetectorNetwork:
    """A copy that says the same."""
    network = copy.deepcopy(network)
    _replace(network)
    return network


def _replace(module: nn.Module) -> None:
    for name, child in module.named_children():
        _replace(child)
        if isinstance(child, nn.PReLU):
            setattr(module, name, Slopes(child.weight.detach()))
        elif isinstance(child, Halving):
            setattr(module, name, _padded_alike(child))
        elif isinstance(child, Block):
            setattr(module, name, BlockedBlock(child))


def _padded_alike(layer: Halving) -> nn.Conv2d:
    """A convolution with as much padding on both sides and a kernel one larger, whose first row and column are zero."""
    size = layer.kernel_size[0] + 1
    alike = nn.Conv2d(layer.in_channels, layer.out_channels, size, 2, size // 2 - 1, groups=layer.groups)
    with torch.no_grad():
        alike.weight.copy_(F.pad(layer.weight, (1, 0, 1, 0)))
        alike.bias.copy_(layer.bias)
    return alike
