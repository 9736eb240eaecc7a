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
from .region import SAME_PLACE, HandRegion, merged

WEIGHTS, GRAPH = "detector.safetensors", "detector.onnx"
STRIDES = (8, 16)  # px of the network's picture between the cells of its two grids
BASE_SIDES = (40.0, 140.0)  # px of the network's picture; sides are told relative to these
STEP = 32  # px; a picture's height and width are multiples of it
LOOKS = (256, 512)  # px, the longer side of the photo in each look
# What a first look is so sure of and which fills so much of the photo's longer side needs no second one, if all else
# that it finds, with some score, lies within so much of that. Chosen with an eye on the 43 photos of the recall set, of
# which no hand is lost by it.
SURE_SCORE, LARGE_SHARE, ELSE_SCORE, WITHIN = 0.7, 0.25, 0.4, 0.5
# Regions so far from each other, as a share of the side, may be of hands that touch, of which their mean would show
# neither. Chosen with an eye on the 43 photos of the recall set.
APART = 0.15
MOST_ENLARGED = 1.5  # times; a look that enlarges more shows nothing new
MIN_SCORE = 0.2  # less convinces nobody, however sure the landmark model is
# A picture without colours is looked at in the colours of skin, too, for hands are known by them: red, green and blue
# of a hand over its grey, the median of 598 training photos.
SKIN_COLOR = (1.17, 0.94, 0.81)
MOST_COLOR, COLORED = 12, 0.01  # levels between a grey pixel's channels; share of other pixels from which on it is not
# From a hand's box to the square that the landmark model is given: times its longer side. Chosen on training photos so
# that it is in the median the one that the hand's landmarks then give.
HAND_SCALE = 1.25
MOST_REGIONS = 2000  # more cells than that, several a hand, cannot all be hands


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

    def __call__(self, rgb: np.ndarray, thorough: bool = False, several: bool = False) -> list[HandRegion]:
        """Regions of the hands in an RGB image (H, W, 3) uint8, most certain first, at the first of LOOKS, or at all
        of them that do not blow the image up much, unless the first shows nothing but large hands, which have one
        region each. A grey image is looked at in the colours of skin, too."""
        small, divisor = halved(rgb, 2 * LOOKS[-1])
        pictures = [small] if is_colored(small) else [small, in_skin_color(small)]
        seen = [self._look(picture, LOOKS[0]) for picture in pictures]
        clear = all_large(_in_all(seen), max(small.shape[:2]))
        if thorough and not clear:
            looks = [look for look in LOOKS[1:] if look <= MOST_ENLARGED * max(rgb.shape[:2])]
            seen += [self._look(picture, look) for look in looks for picture in pictures]
        return [replace(one, center=(one.center + 0.5) * divisor - 0.5, side=one.side * divisor)
                for one in _in_all(seen, APART if several and not clear else SAME_PLACE)]

    def _look(self, rgb: np.ndarray, look: int) -> list[HandRegion]:
        """What the cells of one pass see in the image, `look` px long."""
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
                for region in regions]


def _in_all(seen: list[list[HandRegion]], place: float = SAME_PLACE) -> list[HandRegion]:
    """What several looks see, merged in each and over all."""
    return merged([region for cells in seen for region in merged(cells, place)], place)


def is_colored(rgb: np.ndarray) -> bool:
    """Whether an image (H, W, 3) uint8 is more than grey."""
    some = rgb[::4, ::4]  # are enough to tell
    return bool((some.max(-1) - some.min(-1) > MOST_COLOR).mean() > COLORED)


def in_skin_color(rgb: np.ndarray) -> np.ndarray:
    """A grey image (H, W, 3) uint8 in the colours of skin; what is bright is cut off."""
    return cv2.multiply(rgb, (*SKIN_COLOR, 1.0), dtype=cv2.CV_8U)


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


def hand_box(region: HandRegion) -> list[float]:
    """The upright box (u0, v0, u1, v1) in pixels that a region of this detector is made of."""
    half = region.side / HAND_SCALE / 2
    return [*(region.center - half).tolist(), *(region.center + half).tolist()]


def all_large(regions: list[HandRegion], length: int) -> bool:
    """Whether a look at an image that is `length` pixels long surely shows large hands and nothing beside them."""
    large = [region for region in regions if region.score >= SURE_SCORE and region.side >= LARGE_SHARE * length]
    return bool(large) and all(any(np.linalg.norm(region.center - hand.center) < WITHIN * hand.side for hand in large)
                               for region in regions if region.score >= ELSE_SCORE)
