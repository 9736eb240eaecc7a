"""Training pictures as the trunks see them, computed once, for the trunks do not learn.

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
from .detector_network import Trunks
from .pictures import PictureMaker
from .targets import targets

SHARD = 32  # pictures
FEATURES = ("palm_8", "palm_16", "image_8", "image_16", "image_32")  # of which trunk, of which stride


class SeenPictures:
    """Features and targets of `count` pictures, in shards."""

    def __init__(self, folder: Path, make: PictureMaker, trunks: Trunks, count: int, seed: int = 0,
                 threads: int = 2):
        folder.mkdir(parents=True, exist_ok=True)
        session = open_session(graph_of(trunks, FEATURES), weights_of(trunks), threads)  # much faster than torch
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
        columns = {f"features{number}": grid.astype(np.float16) for number, grid in enumerate(features)}
        columns |= {f"targets{level}": np.stack([grids[level] for grids in wanted]).astype(np.float16)
                    for level in range(2)}
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **columns)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Features of both trunks and targets of both grids, a shard a batch, in random order, for ever."""
        while True:
            for number in rng.permutation(len(self.paths)):
                with np.load(self.paths[number]) as shard:
                    features, wanted = ([torch.from_numpy(shard[f"{name}{number}"]).float() for number in range(count)]
                                        for name, count in (("features", len(FEATURES)), ("targets", 2)))
                yield tuple(grid.contiguous(memory_format=torch.channels_last) for grid in features), tuple(wanted)
