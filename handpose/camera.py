"""The pinhole camera of a photo, and the crops cut from it.

Frames and pixels follow OpenCV: x right, y down, z away from the camera, metres; pixel centres at integers.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

DEFAULT_FOV_DEG = 55.0  # across the longer side: between a phone's main camera (about 65) and a webcam (about 50)
DIAGONAL_35MM = float(np.hypot(36.0, 24.0))  # mm; "35-mm equivalent" compares diagonals (CIPA DCG-001)


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics in pixels of the whole upright image.

    `source` says where the focal length came from: "user", "exif" or "default".
    """
    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "user"

    @classmethod
    def from_focal(cls, focal_px: float, width: int, height: int, source: str = "user") -> Camera:
        """Camera with square pixels and its principal point in the image's centre."""
        if not (np.isfinite(focal_px) and focal_px > 0):
            raise ValueError(f"The focal length must be a positive number of pixels, not {focal_px}.")
        return cls(float(focal_px), float(focal_px), (width - 1) / 2, (height - 1) / 2, source)

    @classmethod
    def from_fov(cls, fov_deg: float, width: int, height: int, source: str = "user") -> Camera:
        """Camera from its field of view across the image's longer side, in degrees."""
        if not 0 < fov_deg < 180:
            raise ValueError(f"The field of view must lie between 0 and 180 degrees, not {fov_deg}.")
        return cls.from_focal(max(width, height) / 2 / np.tan(np.radians(fov_deg) / 2), width, height, source)

    @classmethod
    def of_photo(cls, width: int, height: int, *, focal_px: float | None = None, fov_deg: float | None = None,
                 focal_35mm: float | None = None) -> Camera:
        """The best known camera: the user's focal length or field of view, else EXIF's, else the default."""
        if focal_px is not None:
            return cls.from_focal(focal_px, width, height, "user")
        if fov_deg is not None:
            return cls.from_fov(fov_deg, width, height, "user")
        if focal_35mm:
            return cls.from_focal(focal_35mm * np.hypot(width, height) / DIAGONAL_35MM, width, height, "exif")
        return cls.from_fov(DEFAULT_FOV_DEG, width, height, "default")

    @property
    def matrix(self) -> np.ndarray:
        """K, (3, 3)."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 3) in the camera frame, metres."""
        return points[..., :2] / points[..., 2:] * [self.fx, self.fy] + [self.cx, self.cy]

    def resized(self, sx: float, sy: float) -> Camera:
        """The camera of the same picture, `sx` times as wide and `sy` times as high in pixels."""
        # Pixel p of the picture stands at (p + .5) * s - .5 of the resized one.
        return Camera(self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5, self.source)

    def narrowed(self, factor: float) -> Camera:
        """The same camera with `factor` times the focal length."""
        return replace(self, fx=self.fx * factor, fy=self.fy * factor)

    def ray(self, pixel: np.ndarray) -> np.ndarray:
        """Unit vector (3,) from the camera through a pixel (2,)."""
        ray = np.array([(pixel[0] - self.cx) / self.fx, (pixel[1] - self.cy) / self.fy, 1.0])
        return ray / np.linalg.norm(ray)

    def rotation_to(self, pixel: np.ndarray) -> np.ndarray:
        """Smallest rotation (3, 3) that turns the optical axis onto the ray through a pixel.

        A crop away from the image's centre sees the hand as a camera turned by this rotation would; what a network
        says of the hand in the crop's frame, this turns into the photo's camera frame.
        """
        x, y, z = self.ray(pixel)
        # Rodrigues for the axis (0, 0, 1) x ray = (-y, x, 0), undefined only behind the camera.
        return np.array([[1 - x * x / (1 + z), -x * y / (1 + z), x],
                         [-x * y / (1 + z), 1 - y * y / (1 + z), y],
                         [-x, -y, z]])


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

    @property
    def rotation(self) -> np.ndarray:
        """Turns crop-frame directions (x right, y down, z away) into the image's, (3, 3); a reflection if mirrored."""
        turn = np.eye(3)
        turn[:2, :2] = np.linalg.inv(self.matrix[:, :2]) * self.scale
        return turn
