"""What the finder should say of a picture: the hands in it, and which cells speak of them."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handpose.detection.hand_detector import BASE_SIDES, STRIDES

SIDES = ((0.0, 90.0), (62.0, 1e9))  # px, regions that each grid is for; those of the overlap are for both
HAND_RADIUS, DOUBT_RADIUS = 0.13, 0.28  # shares of the region's side around its centre: cells that say so, that may
LEAST_RADIUS = 0.71  # cells, so that any centre has one
SMALLEST = 14.0  # px, a region below it is nobody's to find, and nobody's error


@dataclass(frozen=True)
class PictureHands:
    """The hands of a picture, N of them, in its pixels.

    `center` (N, 2) and `side` (N,) of their regions; `angle` (N,) radians as in HandRegion, NaN where nobody knows;
    `right` (N,) 1 or 0, NaN where nobody knows. `doubtful` (K, 4): boxes in which nothing is to be learned.
    """
    center: np.ndarray
    side: np.ndarray
    angle: np.ndarray
    right: np.ndarray
    doubtful: np.ndarray


def targets(hands: PictureHands, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """For each grid (8, h, w) float32: the values of DetectorNetwork, the score's being 1, 0 or NaN (not to be
    learned), the others' NaN wherever there is nothing to learn; and last each cell's weight, 1 for a hand's together.
    """
    return tuple(_grid_targets(hands, height, width, level) for level in range(len(STRIDES)))


def _grid_targets(hands: PictureHands, height: int, width: int, level: int) -> np.ndarray:
    stride, (least, most) = STRIDES[level], SIDES[level]
    rows, columns = height // stride, width // stride
    u, v = np.meshgrid((np.arange(columns) + 0.5) * stride - 0.5, (np.arange(rows) + 0.5) * stride - 0.5)
    out = np.full((8, rows, columns), np.nan, np.float32)
    out[0], out[7] = 0, 1
    for u0, v0, u1, v1 in hands.doubtful:
        out[0][(u >= u0) & (u <= u1) & (v >= v0) & (v <= v1)] = np.nan
    distance = np.array([np.hypot(u - center[0], v - center[1]) for center in hands.center]).reshape(-1, rows, columns)
    for row in range(len(hands.side)):  # first all doubt, so that it takes nothing from another hand
        out[0][distance[row] < max(DOUBT_RADIUS * hands.side[row], 1.5 * stride)] = np.nan
    nearest = distance / np.maximum(hands.side, 1)[:, None, None]
    for row, (center, side, angle, right) in enumerate(zip(hands.center, hands.side, hands.angle, hands.right,
                                                           strict=True)):
        if side < SMALLEST or not least <= side < most:
            continue
        mine = distance[row] < max(HAND_RADIUS * side, LEAST_RADIUS * stride)
        mine &= nearest.argmin(0) == row
        if not mine.any():
            continue
        out[:, mine] = np.array([[1, 0, 0, np.log(side / BASE_SIDES[level]), np.sin(angle), -np.cos(angle), right,
                                  1 / mine.sum()]], np.float32).T
        out[1, mine], out[2, mine] = (center[0] - u[mine]) / stride, (center[1] - v[mine]) / stride
    return out
