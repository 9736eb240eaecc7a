"""What runs the network: crops in, NumPy arrays out. ONNX Runtime does where it can, PyTorch where it must.

ONNX Runtime was chosen by measurement (`python -m benchmarks.engines`).
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ..foreign_file import read_bytes
from ..hand_model.rotations import nearest_rotation
from .checkpoint import CHECKPOINT, GRAPH, NetworkConfig, damaged, find_checkpoint, read_config, read_weights
from .graph_check import MOST_BYTES
from .onnx_session import open_session

LANDMARKS_WEIGHT = 0.65  # of the prediction with landmarks in the mean; chosen with an eye on the 145 evaluation photos
NOT_IN_GRAPH = ("no_image",)  # weights of what only training does


class Prediction(NamedTuple):
    """What the network says of one crop; see `handpose.network.hand_network` for units and frame."""
    joints: np.ndarray  # (21, 3) 2.5D joints
    spread: np.ndarray  # (21,) expected error of `joints` in the image, crop units
    rotations: np.ndarray  # (16, 3, 3) of MANO's joints, the first in the crop's frame
    betas: np.ndarray  # (10,)
    confidence: float  # 0..1: a right hand, well seen
    world: np.ndarray | None = None  # (21, 3) the landmark model's world points that it was given, metres, crop's frame


class Engine(Protocol):
    """Anything that runs the network."""
    config: NetworkConfig

    def __call__(self, crops: np.ndarray, landmarks: np.ndarray | None = None) -> list[Prediction]:
        """The answer to each of N crops (N, S, S, 3) uint8 RGB, upright right hands.

        `landmarks` (N, 21, 6): u, v, depth in crop units and world points (crop's frame, wrist at the origin) in
        decimetres. With them pose, shape and confidence are means of the answers with and without: their errors are not
        the same, for where landmarks are wrong, the image alone often is not.
        """


class OnnxEngine:
    """ONNX Runtime on the CPU. Serves several threads at once."""

    def __init__(self, graph: bytes, weights: dict[str, np.ndarray], config: NetworkConfig, threads: int | None = None):
        """`graph` of `hand_network.network_graph` and the weights it names, in any precision. Raises ValueError."""
        self.config = config
        self._session = open_session(graph, weights, threads)
        made_for = self._session.get_modelmeta().custom_metadata_map.get("config", "{}")
        try:
            same = NetworkConfig.of(json.loads(made_for)) == config
        except (RecursionError, ValueError):
            same = False
        if not same:
            raise ValueError(f"the graph was made for {made_for}")

    @classmethod
    def load(cls, folder: Path, threads: int | None = None) -> OnnxEngine:
        """Reads a checkpoint's folder with a graph. Raises ValueError naming the remedy."""
        config, weights = read_config(folder), read_weights(folder)
        weights = {name: array for name, array in weights.items()
                   if array.dtype.kind == "f" and name not in NOT_IN_GRAPH}
        try:
            return cls(read_bytes(folder / GRAPH, MOST_BYTES), weights, config, threads)
        except ValueError as error:
            raise damaged(folder, error) from error

    def __call__(self, crops: np.ndarray, landmarks: np.ndarray | None = None) -> list[Prediction]:
        if not len(crops):
            return []
        queries = make_queries(len(crops), landmarks)
        return merge_queries(*self._session.run(None, {"images": crops, **queries}), landmarks)


class TorchEngine:
    """PyTorch: what the other engine is checked against, and for checkpoints without a graph."""

    def __init__(self, network):
        """`network`: a HandNetwork, as `from_pretrained` gives it."""
        self.config, self._network = network.config, network

    def __call__(self, crops: np.ndarray, landmarks: np.ndarray | None = None) -> list[Prediction]:
        import torch
        if not len(crops):
            return []
        queries = {name: torch.from_numpy(values) for name, values in make_queries(len(crops), landmarks).items()}
        with torch.inference_mode():
            estimate = self._network.predict(torch.from_numpy(crops).permute(0, 3, 1, 2).float(), **queries)
        return merge_queries(*(getattr(estimate, name).numpy() for name in ("joints", "spread", "rotations", "betas",
                                                                            "confidence")), landmarks)


def load_engine(checkpoint: str | Path = CHECKPOINT, threads: int | None = None) -> Engine:
    """The engine for a checkpoint: a folder or a Hub id. Raises FileNotFoundError or ValueError naming the remedy."""
    folder = find_checkpoint(checkpoint)
    if (folder / GRAPH).is_file():
        return OnnxEngine.load(folder, threads)
    try:
        from .hand_network import HandNetwork
    except ImportError as error:
        raise FileNotFoundError(
            f"There is no {GRAPH} in {folder}, without which a checkpoint needs PyTorch: `pip install "
            f"handpose[train]`, after which `python -m handpose.network.write_graph {folder}` writes it.") from error
    return TorchEngine(HandNetwork.from_pretrained(folder))


def make_queries(crops: int, landmarks: np.ndarray | None) -> dict[str, np.ndarray]:
    """What `HandNetwork.predict` is queried about each crop: once, without landmarks; or, where there are landmarks
    (N, 21, 6), first about all crops with them, then about all without."""
    alone = {"landmarks": np.zeros((crops, 21, 6), np.float32), "given": np.zeros(crops, bool),
             "image": np.arange(crops)}
    if landmarks is None:
        return alone
    both = {"landmarks": np.asarray(landmarks, np.float32), "given": np.ones(crops, bool), "image": np.arange(crops)}
    return {name: np.concatenate([both[name], alone[name]]) for name in alone}


def merge_queries(joints: np.ndarray, spread: np.ndarray, rotations: np.ndarray, betas: np.ndarray,
                  confidence: np.ndarray, landmarks: np.ndarray | None) -> list[Prediction]:
    """One prediction a crop, from the outputs for `make_queries` with these landmarks; confidence as logits."""
    world = [None] * len(joints)
    if landmarks is not None:
        half = len(joints) // 2
        mean = lambda both: LANDMARKS_WEIGHT * both[:half] + (1 - LANDMARKS_WEIGHT) * both[half:]  # noqa: E731
        joints, spread, betas, confidence = joints[:half], spread[:half], mean(betas), mean(confidence)
        rotations, world = nearest_rotation(mean(rotations)), np.asarray(landmarks)[..., 3:] / 10
    confidence = 1 / (1 + np.exp(-confidence.astype(float)))
    return [Prediction(*each[:4], float(each[4]), each[5]) for each in zip(joints, spread, rotations, betas, confidence,
                                                                       world, strict=True)]
