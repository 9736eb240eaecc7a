"""Training pictures as the trunk sees them, computed once, for the trunk does not learn.

One folder, a file for each shard; what is there is not computed again.
"""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from onnxruntime import InferenceSession
from torch import Tensor
from tqdm import tqdm

from handpose.network.onnx_session import open_session
from handpose.whole_file import whole_file

from .detector_graph import graph_of, weights_of
from .detector_network import PalmTrunk
from .pictures import PictureMaker
from .targets import targets

SHARD = 32  # pictures


class SeenPictures:
    """Features and targets of `count` pictures, in shards."""

    def __init__(self, folder: Path, make: PictureMaker, trunk: PalmTrunk, count: int, seed: int = 0,
                 threads: int = 2):
        folder.mkdir(parents=True, exist_ok=True)
        session = open_session(graph_of(trunk), weights_of(trunk), threads)  # several times as fast as torch
        self.paths = [folder / f"{seed}-{first:06d}.npz" for first in range(0, count, SHARD)]
        for number, path in enumerate(tqdm(self.paths, unit="shard")):
            if not path.is_file():
                self._compute(path, make, session, seed, number * SHARD)

    @staticmethod
    def _compute(path: Path, make: PictureMaker, session: InferenceSession, seed: int, first: int) -> None:
        pictures, wanted = [], []
        for index in range(first, first + SHARD):
            rgb, hands = make(seed, index)
            pictures.append(rgb)
            wanted.append(targets(hands, *rgb.shape[:2]))
        features = session.run(None, {"pictures": np.stack(pictures)})
        columns = {f"features{level}": features[level].astype(np.float16) for level in range(2)}
        columns |= {f"targets{level}": np.stack([grids[level] for grids in wanted]).astype(np.float16)
                    for level in range(2)}
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **columns)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Features and targets of both grids, a shard a batch, in random order, for ever."""
        while True:
            for number in rng.permutation(len(self.paths)):
                with np.load(self.paths[number]) as shard:
                    features, wanted = ([torch.from_numpy(shard[f"{name}{level}"]).float() for level in range(2)]
                                        for name in ("features", "targets"))
                yield tuple(grid.contiguous(memory_format=torch.channels_last) for grid in features), tuple(wanted)
