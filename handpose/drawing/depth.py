"""How far away the hands are at each pixel of their photo, and which hand it is that is seen there."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..camera import Camera
from ..hand import Hand
from .rasterizer import rasterize

MOST_MILLIMETRES = np.iinfo(np.uint16).max  # 65.5 m; what is farther away is told as this far
STRIP_PIXELS = 1 << 17  # that are worked on at a time, for the rasterizer takes a hundred bytes for each


@dataclass(frozen=True, eq=False)
class DepthImage:
    """What is seen through the middle of each pixel of a photo of H x W."""
    depth: np.ndarray  # (H, W) float32, metres along the camera's optical axis; 0 where there is no hand
    hand: np.ndarray  # (H, W) int16, which of the hands it is, counted from 0; -1 where there is none

    @property
    def millimetres(self) -> np.ndarray:
        """The depth rounded to millimetres, (H, W) uint16; 0 where there is no hand."""
        image = np.empty(self.depth.shape, np.uint16)
        for rows in strips(*image.shape):
            image[rows] = np.clip(np.round(self.depth[rows] * 1000), 0, MOST_MILLIMETRES)
        return image

    def mask(self, number: int) -> np.ndarray:
        """(H, W) uint8: 255 where the hand of that number is seen, 0 elsewhere."""
        mask = (self.hand == number).view(np.uint8)
        return np.multiply(mask, 255, out=mask)


def draw_depth(hands: list[Hand], camera: Camera, width: int, height: int) -> DepthImage:
    """The depth of the hands as `camera` sees them in a photo of these pixels; the nearer of two hides the other.

    A pixel is what a ray through its middle meets first (see `rasterize`): edges are hard and nothing is mixed, so that
    each depth is that of a point on a mesh. Both sides of a surface are seen, as hands are open at the wrist. Takes
    little more memory than the answer.
    """
    image = DepthImage(np.zeros((height, width), np.float32), np.full((height, width), -1, np.int16))
    if not hands:
        return image
    owner = np.repeat(np.arange(len(hands), dtype=np.int16), [len(hand.faces) for hand in hands])
    starts = np.cumsum([0, *(len(hand.vertices) for hand in hands[:-1])])
    faces = np.concatenate([hand.faces + start for hand, start in zip(hands, starts, strict=True)])
    vertices = np.concatenate([hand.vertices for hand in hands]).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):  # in the camera's plane; the rasterizer leaves those out
        points = np.column_stack([camera.project(vertices), vertices[:, 2]])
    for rows in strips(height, width):
        seen = rasterize(points - [0, rows.start, 0], faces, width, rows.stop - rows.start)
        there = seen.face >= 0
        image.depth[rows][there] = seen.depth[there]
        image.hand[rows][there] = owner[seen.face[there]]
    return image


def strips(height: int, width: int) -> list[slice]:
    """The rows of an image, a strip of at most STRIP_PIXELS, or a row, each."""
    step = max(1, STRIP_PIXELS // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]
