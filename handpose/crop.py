"""The square crops that networks are given of a hand: where they lie in the image, and their pixels.

Pixel centres lie at integers, as OpenCV has them.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

OFF_SHIFT, OFF_TURN, OFF_SCALE = 0.05, 0.2, 0.12  # of the side; radians; of the side's logarithm


@dataclass(frozen=True)
class Crop:
    """A square crop of an image: rotated, scaled, perhaps mirrored. `matrix` (2, 3): image pixels to crop pixels."""
    matrix: np.ndarray
    size: int

    @classmethod
    def around(cls, center: np.ndarray, side: float, angle: float, size: int, mirrored: bool = False) -> Crop:
        """The crop whose middle is `center` (2,), whose sides are `side` long, in image pixels.

        `angle` (radians): direction of the crop's up, turned clockwise from the image's up. `mirrored` flips the crop
        left-right after that, so that a left hand looks like a right one.
        """
        c, s = np.cos(angle), np.sin(angle)
        linear = np.array([[c, s], [-s, c]]) * (size / side)
        if mirrored:
            linear[0] *= -1
        middle = (size - 1) / 2
        return cls(np.column_stack([linear, middle - linear @ np.asarray(center, float)]), size)

    @property
    def mirrored(self) -> bool:
        return bool(np.linalg.det(self.matrix[:, :2]) < 0)

    @property
    def scale(self) -> float:
        """Crop pixels per image pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    @property
    def center(self) -> np.ndarray:
        """The image pixel (2,) in the crop's middle."""
        return self.to_image(np.full(2, (self.size - 1) / 2))

    def warp(self, rgb: np.ndarray) -> np.ndarray:
        """The crop's pixels, (size, size, 3) uint8; black outside the image."""
        if self.scale >= 0.5:
            return cv2.warpAffine(rgb, self.matrix, (self.size, self.size))
        # Shrink first, for bilinear sampling alone would alias; and only the part of the image that the crop sees.
        # By halves, for which OpenCV is many times as fast, on a grid that stays where the crop moves.
        halvings, end = int(np.ceil(-np.log2(2 * self.scale))), self.size
        factor = 2**halvings
        corners = self.to_image(np.array([[-1, -1], [end, -1], [end, end], [-1, end]], float))
        u0, v0 = np.floor(corners.min(0) / factor).astype(int).clip(0) * factor
        u1, v1 = np.ceil(corners.max(0)).astype(int).clip(0) + 1
        height, width = (length // factor for length in rgb[v0:v1 + factor, u0:u1 + factor].shape[:2])
        if not (height and width):
            return np.zeros((self.size, self.size, 3), np.uint8)
        small = rgb[v0:v0 + height * factor, u0:u0 + width * factor]
        for left in reversed(range(halvings)):
            small = cv2.resize(small, (width << left, height << left), interpolation=cv2.INTER_AREA)
        # Pixel p of the shrunk part stands over the part's pixel (p + .5) * factor - .5; the part begins at (u0, v0).
        offset = self.matrix[:, 2] + self.matrix[:, :2] @ [u0 + (factor - 1) / 2, v0 + (factor - 1) / 2]
        return cv2.warpAffine(small, np.column_stack([self.matrix[:, :2] * factor, offset]), (self.size, self.size))

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Crop pixels (..., 2) of image pixels (..., 2)."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Image pixels (..., 2) of crop pixels (..., 2)."""
        return (points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T

    def is_off(self, other: Crop) -> bool:
        """Whether another crop of the same hand shows it so differently that a network should look at that one, too."""
        apart = np.linalg.norm(other.to_crop(self.center) - (other.size - 1) / 2)
        turn = np.arccos(np.clip(((self.rotation.T @ other.rotation).trace() - 1) / 2, -1, 1))
        return bool(apart > OFF_SHIFT * other.size or turn > OFF_TURN
                    or abs(np.log(self.scale / self.size * other.size / other.scale)) > OFF_SCALE)

    @property
    def rotation(self) -> np.ndarray:
        """Turns crop-frame directions (x right, y down, z away) into the image's, (3, 3); a reflection if mirrored."""
        turn = np.eye(3)
        turn[:2, :2] = np.linalg.inv(self.matrix[:, :2]) * self.scale
        return turn


def halved(rgb: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """An image (H, W, 3) uint8 halved until its longer side has at most `most` pixels, and by what it was divided.

    A last odd row or column is lost each time. Pixel p of it stands over the image's pixel (p + .5) * divisor - .5.
    """
    divisor = 1
    while max(rgb.shape[:2]) > most:
        height, width = (max(1, length // 2) for length in rgb.shape[:2])
        rgb = cv2.resize(rgb[:height * 2, :width * 2], (width, height), interpolation=cv2.INTER_AREA)
        divisor *= 2
    return rgb, divisor


def upright_box(joints_2d: np.ndarray, of: Sequence[int] = range(21)) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre (2,), extent (2,) across and along the hand, and angle (radians) of the box around a hand, fingers up.

    `joints_2d` (21, 2) pixels. Up is the direction from the wrist to the knuckles; `angle` turns the image's up onto
    it, as in `Crop.around`. `of` names the joints that the box holds.
    """
    up = (joints_2d[5] + joints_2d[13]) / 4 + joints_2d[9] / 2 - joints_2d[0]
    angle = float(np.arctan2(up[0], -up[1]))
    upright = Crop.around(np.zeros(2), 1.0, angle, 1)  # turns the hand upright and keeps its size
    turned = upright.to_crop(joints_2d[list(of)])
    low, high = turned.min(0), turned.max(0)
    return upright.to_image((low + high) / 2), high - low, angle
