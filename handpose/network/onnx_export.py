"""The network as an ONNX graph without weights, so that ONNX Runtime can run a checkpoint where there is no torch.

The graph depends on the network's configuration alone. Its parameters are marked as data that lies outside of it, under
the names that they have in `model.safetensors`: a checkpoint holds its weights once, for torch and ONNX Runtime alike.
Where they lie is not said, so that ONNX Runtime opens no file; the engine gives them (see `graph_check`).
"""
from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

INPUTS, OUTPUTS = ("images", "landmarks", "given", "image"), ("joints", "spread", "rotations", "betas", "confidence")
OPSET = 17  # the first with LayerNormalization


class _Graph(nn.Module):
    """What the graph computes: see `export_graph`."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, landmarks: Tensor, given: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        estimate = self.network.predict(images.permute(0, 3, 1, 2).float(), landmarks, given, image)
        return tuple(getattr(estimate, name) for name in OUTPUTS)


def export_graph(network: nn.Module, input_size: int, config: str) -> bytes:
    """The serialised ONNX model of a HandNetwork in evaluation mode, without its weights.

    Inputs: `images` (N, S, S, 3) uint8 RGB; of M queries `landmarks` (M, 21, 6), `given` (M,) bool, whether these
    count, and `image` (M,) int64, which of the images each is about. Outputs, a row for each query, as in
    `hand_network.Estimate`: `joints`, `spread`, `rotations`, `betas`, `confidence`. So one pass over an image predicts
    both with landmarks and without. Crops of `input_size` pixels are what it is traced on; `config` is the network's
    configuration as JSON, which the metadata keep under that name.
    """
    # Other numbers than one, so that none is taken for a constant.
    examples = (torch.zeros(2, input_size, input_size, 3, dtype=torch.uint8), torch.zeros(3, 21, 6),
                torch.tensor([True, False, True]), torch.tensor([0, 0, 1]))
    rows = {name: {0: "hands"} for name in (*INPUTS, *OUTPUTS)} | {"images": {0: "images", 1: "size", 2: "size"}}
    with torch.no_grad(), _unfused_transformer(), warnings.catch_warnings(), io.BytesIO() as file:
        warnings.simplefilter("ignore")
        torch.onnx.export(_Graph(network), examples, file, dynamo=False, opset_version=OPSET, input_names=[*INPUTS],
                          output_names=[*OUTPUTS], dynamic_axes=rows,
                          # Parameters stay as they are: folding and fusing is left to the runtime.
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        model = without_weights(file.getvalue(), "network.")
    model.metadata_props.add(key="config", value=config)
    return model.SerializeToString()


def without_weights(exported: bytes, prefix: str) -> onnx.ModelProto:
    """The model that torch exported, its weights left out and named as in torch, where `prefix` stood before."""
    model = onnx.load_from_string(exported)
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(prefix) for name in node.input]
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix(prefix)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
    model.producer_version = ""  # torch's: releases that export alike write the same bytes
    return model


@contextmanager
def _unfused_transformer() -> Iterator[None]:
    """Has torch's transformer layers compute step by step: their fused kernel is no operator of ONNX."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
