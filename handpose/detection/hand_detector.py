"""Where the hands are: a network of our own over the whole photo, at its own aspect, which `train.run_detector` made.

The photo is looked at once, and once more twice as large for hands that are small in it. What the network says of each
cell of its two grids is in `train.finding.detector_network`.
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..crop import halved
from ..foreign_file import read_bytes
from ..network.checkpoint import CHECKPOINT, read_weights
from ..network.graph_check import MOST_BYTES
from ..network.onnx_session import open_session
from .region import HandRegion

WEIGHTS, GRAPH = "detector.safetensors", "detector.onnx"
STRIDES = (8, 16)  # px of the network's picture between the cells of its two grids
BASE_SIDES = (40.0, 140.0)  # px of the network's picture; sides are told relative to these
STEP = 32  # px; a picture's height and width are multiples of it
LOOKS = (256, 512)  # px, the longer side of the photo in each look
MOST_ENLARGED = 1.5  # times; a look that enlarges more shows nothing new
MIN_SCORE = 0.3
SAME_PLACE, SAME_SIZE = 0.3, 0.5  # what is nearer, as a share of the side, and in the side's logarithm is one hand
# From a hand's box to the square that the landmark model is given: times its longer side. Chosen on training photos so
# that it is in the median the one that the hand's landmarks then give.
HAND_SCALE = 1.25
MOST_REGIONS = 200  # more cells than that cannot all be hands


class HandDetector:
    """Hands found by the detector's network; a `region.Detector`. Serves several threads."""

    def __init__(self, graph: bytes, weights: dict[str, np.ndarray], threads: int | None = None):
        """Raises ValueError for a graph that cannot be run with these weights."""
        self._session = open_session(graph, weights, threads)

    @classmethod
    def load(cls, folder: str | Path = CHECKPOINT, threads: int | None = None) -> HandDetector:
        """Reads a folder with detector.safetensors and detector.onnx. Raises FileNotFoundError or ValueError."""
        folder = Path(folder)
        for name in (WEIGHTS, GRAPH):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"There is no {folder / name}: restore it with git, or make it anew with "
                                        "`python -m train.run_detector`.")
        try:
            return cls(read_bytes(folder / GRAPH, MOST_BYTES), read_weights(folder, WEIGHTS), threads)
        except ValueError as error:
            raise ValueError(f"{GRAPH} and {WEIGHTS} in {folder} do not belong together or are damaged ({error}); "
                             "restore both from the same training run.") from error

    def __call__(self, rgb: np.ndarray, thorough: bool = False) -> list[HandRegion]:
        """Regions of the hands in an RGB image (H, W, 3) uint8, most certain first, at the first of LOOKS, or at all
        of them that do not blow the image up much."""
        looks = [look for look in LOOKS[1:] if thorough and look <= MOST_ENLARGED * max(rgb.shape[:2])]
        small, divisor = halved(rgb, 2 * LOOKS[-1])
        found = [self._look(small, look) for look in (LOOKS[0], *looks)]
        return [HandRegion((one.center + 0.5) * divisor - 0.5, one.side * divisor, one.angle, one.score)
                for one in merged([region for regions in found for region in regions])]

    def _look(self, rgb: np.ndarray, look: int) -> list[HandRegion]:
        """What one pass sees in the image, `look` px long."""
        height, width = rgb.shape[:2]
        scale = look / max(height, width)
        rows, columns = (max(1, round(length * scale)) for length in (height, width))
        picture = np.zeros((-(-rows // STEP) * STEP, -(-columns // STEP) * STEP, 3), np.uint8)
        picture[:rows, :columns] = cv2.resize(rgb, (columns, rows),
                                              interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        grids = self._session.run(None, {"pictures": picture[None]})
        regions = [region for level, grid in enumerate(grids) for region in regions_of(grid[0], level)]
        by = np.array([width / columns, height / rows])
        return [replace(region, center=(region.center + 0.5) * by - 0.5, side=region.side / scale)
                for region in merged(regions)]


def regions_of(grid: np.ndarray, level: int) -> list[HandRegion]:
    """What the cells of one grid (7, h, w) say that score at least MIN_SCORE, in pixels of the network's picture."""
    scores = 1 / (1 + np.exp(-grid[0].astype(float)))
    rows, columns = np.nonzero(scores >= MIN_SCORE)
    kept = np.argsort(-scores[rows, columns])[:MOST_REGIONS]
    rows, columns = rows[kept], columns[kept]
    _, u, v, side, up_u, up_v, _ = grid[:, rows, columns].astype(float)
    centers = (np.stack([columns + u, rows + v], -1) + 0.5) * STRIDES[level] - 0.5
    sides = HAND_SCALE * BASE_SIDES[level] * np.exp(np.clip(side, -4, 4))
    angles = np.arctan2(up_u, -up_v)
    return [HandRegion(center, float(size), float(angle), float(score))
            for center, size, angle, score in zip(centers, sides, angles, scores[rows, columns], strict=True)]


def merged(regions: list[HandRegion]) -> list[HandRegion]:
    """One region for each group that shows the same hand: their mean weighted by score, with the best one's score."""
    left = sorted(regions, key=lambda region: -region.score)
    kept = []
    while left:
        same = [region for region in left if _same(left[0], region)]
        weights = np.array([region.score for region in same])
        turns = np.array([[np.cos(region.angle), np.sin(region.angle)] for region in same])
        cosine, sine = weights @ turns
        kept.append(HandRegion(np.average([region.center for region in same], axis=0, weights=weights),
                               float(np.exp(np.average(np.log([region.side for region in same]), weights=weights))),
                               float(np.arctan2(sine, cosine)), left[0].score))
        left = [region for region in left if not _same(left[0], region)]
    return kept


def _same(region: HandRegion, other: HandRegion) -> bool:
    apart = np.linalg.norm(region.center - other.center) / max(region.side, other.side)
    return bool(apart < SAME_PLACE and abs(np.log(region.side / other.side)) < SAME_SIZE)
