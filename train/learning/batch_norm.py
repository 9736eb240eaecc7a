"""Batch normalisation over the whole batch of all processes, on CPUs, too.

torch's own SyncBatchNorm refuses tensors that are not on a GPU ("expected input tensor to be on GPU", 2.14); with this
one two processes on CPUs train as one does (`tests/test_run.py`).
"""
from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn import functional as collective


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
