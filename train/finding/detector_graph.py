"""The finder's network, or a part of it, as an ONNX graph."""
from __future__ import annotations

import io
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handpose.network.onnx_export import OPSET, without_weights


class _Graph(nn.Module):
    """Takes pixels as they are."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        return self.network(pictures.permute(0, 3, 1, 2).float() / 255)


def graph_of(network: nn.Module, names: Sequence[str] = ("fine", "coarse")) -> bytes:
    """The graph of a network that takes `pictures` (B, H, W, 3) uint8 RGB, of any B and of H and W that are multiples
    of 32, and gives grids of these names: without weights, which it names as the network does
    (`handpose.network.graph_check`)."""
    axes = {"pictures": {0: "pictures", 1: "height", 2: "width"}}
    axes |= {name: {0: "pictures", 2: f"{name}_rows", 3: f"{name}_columns"} for name in names}
    with torch.no_grad(), warnings.catch_warnings(), io.BytesIO() as file:
        warnings.simplefilter("ignore")
        torch.onnx.export(_Graph(network.eval()), (torch.zeros(2, 64, 96, 3, dtype=torch.uint8),), file, dynamo=False,
                          opset_version=OPSET, input_names=["pictures"], output_names=list(names), dynamic_axes=axes,
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        return without_weights(file.getvalue(), "network.").SerializeToString()


def weights_of(network: nn.Module) -> dict:
    """The weights that a graph names, as arrays."""
    return {name: value.float().numpy() for name, value in network.state_dict().items()}
