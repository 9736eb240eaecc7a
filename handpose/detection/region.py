"""Where a hand is in an image: the oriented square that a detector gives, and the box that somebody draws."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np

from ..crop import Crop

OUTLINE_POINTS = 9  # of one side of a box
LARGEST_BOX = 4.0  # times the image's longer side
SAME_HAND = 0.2  # regions whose centres are closer than this share of their side show the same hand
SAME_PLACE, SAME_SIZE = 0.3, 0.5  # what is nearer, as a share of the side, and in the side's logarithm is one hand


@dataclass(frozen=True)
class HandRegion:
    """A square that holds one hand: `center` (2,) and `side` in image pixels.

    `angle` (radians): direction of the hand's up (wrist to middle knuckle) turned clockwise from the image's up.
    `score`: 0..1, how sure the detector is.
    """
    center: np.ndarray
    side: float
    angle: float
    score: float = 1.0

    def crop(self, size: int, mirrored: bool = False) -> Crop:
        """The region as a crop of `size` pixels, the hand upright in it."""
        return Crop.around(self.center, self.side, self.angle, size, mirrored)


@dataclass(frozen=True)
class HandBox:
    """A hand that somebody points at: an upright box in image pixels and, where it is known, the anatomical side."""
    u0: float
    v0: float
    u1: float
    v1: float
    side: str | None = None  # "left", "right" or None

    def __post_init__(self):
        """Raises ValueError for a box without area, with numbers that are none, or of another side."""
        corners = self.u0, self.v0, self.u1, self.v1
        if not (all(isinstance(corner, Real) for corner in corners) and np.isfinite(np.array(corners, float)).all()
                and self.u0 < self.u1 and self.v0 < self.v1):
            raise ValueError("A hand's box is (left, top, right, bottom) in pixels, left < right and top < bottom, "
                             f"not ({', '.join(f'{corner!s:.12}' for corner in corners)}).")
        if self.side not in (None, "left", "right"):
            raise ValueError(f'A hand\'s side is "left", "right" or None where it is not known, not {self.side!r:.40}.')

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> HandBox:
        """The box around where `move` takes the pixels (N, 2) of its outline."""
        u, v = np.linspace(self.u0, self.u1, OUTLINE_POINTS), np.linspace(self.v0, self.v1, OUTLINE_POINTS)
        outline = np.concatenate([np.stack(np.broadcast_arrays(*edge), 1) for edge in (
            (u, self.v0), (u, self.v1), (self.u0, v), (self.u1, v))])
        moved = move(outline)
        return HandBox(*moved.min(0).tolist(), *moved.max(0).tolist(), self.side)

    def check_inside(self, width: int, height: int) -> None:
        """Raises ValueError for a box that does not touch an image of these pixels, or is many times as large."""
        outside = self.u1 <= 0 or self.v1 <= 0 or self.u0 >= width or self.v0 >= height
        if outside or max(self.u1 - self.u0, self.v1 - self.v0) > LARGEST_BOX * max(width, height):
            raise ValueError(f"The box ({self.u0:g}, {self.v0:g}, {self.u1:g}, {self.v1:g}) is not around a hand of an "
                             f"image of {width} x {height} pixels: give it in pixels of the upright image.")

    @classmethod
    def of(cls, box: HandBox | Sequence[float]) -> HandBox:
        """A box as it is, or of its four corners' numbers (u0, v0, u1, v1). Raises ValueError."""
        if isinstance(box, cls):
            return box
        try:
            u0, v0, u1, v1 = map(float, box)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError("A hand's box is four numbers (left, top, right, bottom), not "
                             f"{' '.join(repr(box).split()):.60}.") from error
        return cls(u0, v0, u1, v1)


class Detector(Protocol):
    """Anything that says where the hands in an image are."""

    def __call__(self, rgb: np.ndarray, thorough: bool = False, several: bool = False) -> list[HandRegion]:
        """Regions of the hands in an RGB image (H, W, 3) uint8, most certain first.

        `thorough` asks for small and hard ones as well, at the price of time; `several` for more than one region where
        more than one hand may lie, or one of which it is not clear how.
        """


def is_near(region: HandRegion, other: HandRegion, place: float = SAME_PLACE) -> bool:
    """Whether two regions show the same hand, by their places and sizes."""
    apart = np.linalg.norm(region.center - other.center) / max(region.side, other.side)
    return bool(apart < place and abs(np.log(region.side / other.side)) < SAME_SIZE)


def distinct(regions: list[HandRegion]) -> list[HandRegion]:
    """The regions, best first, each hand once."""
    kept: list[HandRegion] = []
    for region in sorted(regions, key=lambda region: -region.score):
        if all(np.linalg.norm(region.center - other.center) > SAME_HAND * max(region.side, other.side)
               for other in kept):
            kept.append(region)
    return kept


def box_iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union (K,) of a box (2, 2), its two corners, with boxes (K, 2, 2)."""
    overlap = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    intersection = np.clip(overlap, 0, None).prod(-1)
    union = np.prod(box[1] - box[0]) + np.prod(boxes[:, 1] - boxes[:, 0], axis=-1) - intersection
    return intersection / np.maximum(union, 1e-9)


def box_covered(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The share of a box (2, 2), its two corners, that each of boxes (K, 2, 2) covers, (K,)."""
    overlap = np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0])
    return np.clip(overlap, 0, None).prod(-1) / max(np.prod(box[1] - box[0]), 1e-9)


def merged(regions: list[HandRegion], place: float = SAME_PLACE) -> list[HandRegion]:
    """One region for each group that shows the same hand: their mean weighted by score, with the best one's score.

    `place` is how near their centres are to each other, as a share of the larger side."""
    regions = sorted(regions, key=lambda region: -region.score)
    centers, sides, angles, scores = (np.array([getattr(region, name) for region in regions])
                                      for name in ("center", "side", "angle", "score"))
    turns, sizes = np.stack([np.cos(angles), np.sin(angles)], -1), np.log(sides)
    left, kept = np.ones(len(regions), bool), []
    for best in range(len(regions)):
        if not left[best]:
            continue
        apart = np.linalg.norm(centers - centers[best], axis=-1) / np.maximum(sides, sides[best])
        same = np.flatnonzero(left & (apart < place) & (abs(sizes - sizes[best]) < SAME_SIZE))
        weights = scores[same] / scores[same].sum()
        cosine, sine = weights @ turns[same]
        kept.append(HandRegion(weights @ centers[same], float(np.exp(weights @ sizes[same])),
                               float(np.arctan2(sine, cosine)), float(scores[best])))
        left[same] = False
    return kept
