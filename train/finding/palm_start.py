"""The trunk's weights to begin with: those of MediaPipe's palm detector (Apache-2.0), read from its file."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from handpose.detection.tflite import MEDIAPIPE

from .detector_network import PalmTrunk

LEARNED = {"CONV_2D", "DEPTHWISE_CONV_2D", "PRELU"}  # operators with weights


def palm_trunk(path: str | Path = MEDIAPIPE / "hand_detector.tflite") -> PalmTrunk:
    """The trunk with the palm detector's weights, whose operators come in the same order. Raises FileNotFoundError."""
    from ai_edge_litert.interpreter import Interpreter
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {path}: restore it with git or pass another path.")
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    halves = {operator["outputs"][0]: operator["inputs"][0] for operator in operators
              if operator["op_name"] == "DEQUANTIZE"}  # weights are kept as fp16
    trunk = PalmTrunk()
    modules = [module for module in trunk.modules() if isinstance(module, nn.Conv2d | nn.PReLU)]
    outputs = {detail["index"] for detail in interpreter.get_output_details()}
    learned = [operator for operator in operators if operator["op_name"] in LEARNED
               and not _is_head(operator, operators, outputs)]

    def constant(index: int) -> torch.Tensor:
        return torch.from_numpy(interpreter.get_tensor(int(halves.get(index, index))).astype(np.float32))

    with torch.no_grad():
        for module, operator in zip(modules, learned, strict=True):
            weight = constant(operator["inputs"][1])
            if isinstance(module, nn.PReLU):
                module.weight.copy_(weight.reshape(-1))
                continue
            # TFLite's layouts are (1, h, w, channels) where each channel is for itself, else (outputs, h, w, inputs).
            each = operator["op_name"] == "DEPTHWISE_CONV_2D"
            module.weight.copy_(weight.permute((3, 0, 1, 2) if each else (0, 3, 1, 2)))
            module.bias.copy_(constant(operator["inputs"][2]))
    return trunk.eval()


def _is_head(operator: dict, operators: list[dict], outputs: set[int]) -> bool:
    """Whether an operator's values go straight into the network's answers, reshaped and joined."""
    made = set(operator["outputs"].tolist())
    takers = [taker for taker in operators if made & set(taker["inputs"].tolist())]
    return bool(takers) and all(taker["op_name"] == "RESHAPE" for taker in takers)
