"""The network as an ONNX graph without weights, so that ONNX Runtime can run a checkpoint where there is no torch.

The graph depends on the network's configuration alone. Its parameters are marked as data that lies outside of it, under
the names that they have in `model.safetensors`: a checkpoint holds its weights once, for torch and ONNX Runtime alike.
Where they lie is not said, so that ONNX Runtime opens no file; the engine gives them (see `graph_check`).
"""
from __future__ import annotations

import io
import json
import sys
import warnings
from dataclasses import asdict
from functools import cache
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from ..whole_file import whole_file
from .checkpoint import GRAPH, NetworkConfig, find_checkpoint, read_config
from .hand_network import HandNetwork

INPUTS, OUTPUTS = ("images", "landmarks", "given", "image"), ("joints", "spread", "rotations", "betas", "confidence")
OPSET = 17  # the first with LayerNormalization


class _Answers(nn.Module):
    """What the graph computes: see `network_graph`."""

    def __init__(self, network: HandNetwork):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, landmarks: Tensor, given: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        estimate = self.network.answers(images.permute(0, 3, 1, 2).float(), landmarks, given, image)
        return tuple(getattr(estimate, name) for name in OUTPUTS)


@cache
def network_graph(config: NetworkConfig) -> bytes:
    """The serialised ONNX model of a network, without its weights.

    Inputs: `images` (N, S, S, 3) uint8 RGB; of M questions `landmarks` (M, 21, 6), `given` (M,) bool, whether these
    count, and `image` (M,) int64, which of the images each is about. Outputs, a row for each question, as in
    `network.Estimate`: `joints`, `spread`, `rotations`, `betas`, `confidence`. So one pass over an image answers both
    with landmarks and without. The metadata `config` is the configuration as JSON. Takes seconds.
    """
    with torch.random.fork_rng(devices=[]):
        asked = _Answers(HandNetwork(config).eval())
    # Other numbers than one, so that none is taken for a constant.
    examples = (torch.zeros(2, config.input_size, config.input_size, 3, dtype=torch.uint8), torch.zeros(3, 21, 6),
                torch.tensor([True, False, True]), torch.tensor([0, 0, 1]))
    rows = {name: {0: "hands"} for name in (*INPUTS, *OUTPUTS)} | {"images": {0: "images", 1: "size", 2: "size"}}
    with torch.no_grad(), warnings.catch_warnings(), io.BytesIO() as file:
        warnings.simplefilter("ignore")
        torch.onnx.export(asked, examples, file, dynamo=False, opset_version=OPSET, input_names=[*INPUTS],
                          output_names=[*OUTPUTS], dynamic_axes=rows,
                          # Parameters stay as they are: folding and fusing is left to the runtime.
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        model = onnx.load_from_string(file.getvalue())
    prefix = "network."
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(prefix) for name in node.input]
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix(prefix)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
    model.metadata_props.add(key="config", value=json.dumps(asdict(config)))
    return model.SerializeToString()


def write_graph(folder: Path) -> None:
    """Gives a checkpoint that has none its graph. Raises FileNotFoundError or ValueError naming the remedy."""
    graph = network_graph(read_config(find_checkpoint(folder)))
    with whole_file(folder / GRAPH) as temporary:
        temporary.write_bytes(graph)


if __name__ == "__main__":  # python -m handpose.network.onnx_export FOLDER
    write_graph(Path(sys.argv[1]))
