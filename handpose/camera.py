"""The pinhole camera of a photo.

Frames and pixels follow OpenCV: x right, y down, z away from the camera, metres; pixel centres at integers.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

DEFAULT_FOV_DEG = 55.0  # across the longer side: between a phone's main camera (about 65) and a webcam (about 50)
SQUARE = 1e-3  # by which a pixel's height may differ from its width without being noticed in a hand
LONGEST_PIXEL = 10.0  # times as high as wide, or as wide as high
LONGEST_FOCAL = 1000.0  # times the image's longer side: no telescope has more
DIAGONAL_35MM = float(np.hypot(36.0, 24.0))  # mm; "35-mm equivalent" compares diagonals (CIPA DCG-001)


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics in pixels of the whole upright image.

    `source` says where the focal length came from: "user", "exif" or "default". Raises ValueError for numbers that no
    camera has.
    """
    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "user"

    def __post_init__(self):
        if not (np.isfinite([self.fx, self.fy, self.cx, self.cy]).all() and min(self.fx, self.fy) > 0
                and 1 / LONGEST_PIXEL < self.fx / self.fy < LONGEST_PIXEL):
            raise ValueError("A camera must have positive focal lengths, alike to a factor of "
                             f"{LONGEST_PIXEL:g}, and a principal point, all in pixels, not fx={self.fx}, "
                             f"fy={self.fy}, cx={self.cx}, cy={self.cy}.")

    @classmethod
    def from_focal(cls, focal_px: float, width: int, height: int, source: str = "user") -> Camera:
        """Camera with square pixels and its principal point in the image's centre."""
        longest = LONGEST_FOCAL * max(width, height)
        if not 0 < focal_px <= longest:  # nor NaN
            raise ValueError(f"The focal length must lie between 0 and {longest:.0f} pixels, not {focal_px:g}.")
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
    def has_square_pixels(self) -> bool:
        """Whether a pixel is as high as it is wide, to a thousandth."""
        return abs(self.fx / self.fy - 1) < SQUARE

    def square_pixels(self, rgb: np.ndarray) -> tuple[np.ndarray, Camera]:
        """The image (H, W, 3) uint8 that it took, resampled in height so that pixels are square, and its camera."""
        height, width = rgb.shape[:2]
        rows = max(1, round(height * self.fx / self.fy))
        interpolation = cv2.INTER_AREA if rows < height else cv2.INTER_CUBIC
        return cv2.resize(rgb, (width, rows), interpolation=interpolation), self.resized(1.0, rows / height)

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


def told_camera(width: int, height: int, camera: Camera | None = None, focal_px: float | None = None,
                fov_deg: float | None = None) -> Camera | None:
    """The camera of a photo of these pixels that somebody tells, in one of three ways; None where nobody does.

    Raises ValueError for more than one, and for one that cannot be.
    """
    if sum(value is not None for value in (camera, focal_px, fov_deg)) > 1:
        raise ValueError("Give one of camera, focal_px and fov_deg, not several.")
    if focal_px is None and fov_deg is None:
        return camera
    return Camera.of_photo(width, height, focal_px=focal_px, fov_deg=fov_deg)
