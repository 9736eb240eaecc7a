"""Batch normalisation in training: over the whole batch of all processes, or by statistics that stay as they are.

torch's own SyncBatchNorm refuses tensors that are not on a GPU ("expected input tensor to be on GPU", 2.14); with the
one here two processes on CPUs train as one does (`tests/test_run.py`).
"""
from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn import functional as collective

from handpose.network.resnet import normed_convolutions


class SyncBatchNorm(nn.BatchNorm2d):
    """As nn.BatchNorm2d over the images (B, C, H, W) of all processes together, of which each has as many."""

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and distributed.is_initialized()):
            return super().forward(x)
        world = distributed.get_world_size()
        wide = x.float()
        mean = collective.all_reduce(wide.mean((0, 2, 3))) / world
        centred = wide - mean[:, None, None]
        variance = collective.all_reduce(centred.square().mean((0, 2, 3))) / world
        with torch.no_grad():
            count = x.numel() / x.shape[1] * world
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronise(network: nn.Module) -> nn.Module:
    """The network with its batch norms replaced, their parameters and statistics kept."""
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            norm = SyncBatchNorm(child.num_features, child.eps, child.momentum)
            norm.load_state_dict(child.state_dict())
            setattr(network, name, norm)
        else:
            synchronise(child)
    return network


class FoldedConv(nn.Conv2d):
    """A convolution that does the work of the batch norm behind it, too, by statistics that stay as they are.

    Scale and shift of the norm are learned as before. That each activation is read and written twice less counts where
    memory is what training waits for.
    """
    norm: tuple[nn.BatchNorm2d]  # not as a module, for it is another one's part

    def forward(self, x: Tensor) -> Tensor:
        norm, = self.norm
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        return self._conv_forward(x, self.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale)


class FoldedNorm(nn.BatchNorm2d):
    """What is left of a batch norm behind a `FoldedConv`: its parameters."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def keep_statistics(network: nn.Module) -> nn.Module:
    """The network with those of its batch norms that would learn statistics folded into the convolutions before them.

    It answers as in evaluation, its weights have the same names, and what is frozen stays as it is.
    """
    for module, first, second in normed_convolutions(network):
        conv, norm = getattr(module, first), getattr(module, second)
        if norm.training:
            setattr(module, second, _like(norm, FoldedNorm))
            setattr(module, first, _like(conv, FoldedConv))
            getattr(module, first).norm = (getattr(module, second),)
    return network


def _like(module: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """The same module, parameters and all, of another kind."""
    other = kind.__new__(kind)
    other.__dict__.update(module.__dict__)
    return other
