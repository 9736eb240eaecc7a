"""The camera of a photo: a pinhole, behind a lens that may distort.

Frames and pixels follow OpenCV: x right, y down, z away from the camera, metres; pixel centres at integers.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .crop import halved
from .distortion import distort, undistort

DEFAULT_FOV_DEG = 55.0  # across the longer side: between a phone's main camera (about 65) and a webcam (about 50)
SQUARE = 1e-3  # by which a pixel's height may differ from its width without being noticed in a hand
LONGEST_PIXEL = 10.0  # times as high as wide, or as wide as high
LONGEST_FOCAL = 1000.0  # times the image's longer side: no telescope has more
SHORTEST_FOCAL = 1e-3  # likewise: 179.9 degrees across
FARTHEST_CENTRE = 10.0  # times the image's longer side, of the principal point from its upper left corner
SAME_PIXEL = 0.1  # pixels by which a distortion that is undone and done again may miss
MOST_SHRUNK = 2.0  # by which the picture's middle may get smaller so that its corners stay in view
OUTLINE_POINTS = 33  # of one side of an image
LARGEST_PLAIN = 4096  # pixels of the longer side of a picture without distortion; enough for hands a fortieth as large
DIAGONAL_35MM = float(np.hypot(36.0, 24.0))  # mm; "35-mm equivalent" compares diagonals (CIPA DCG-001)


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics in pixels of the whole upright image.

    `source` says where the focal length came from: "user", "exif" or "default". `distortion` are OpenCV's coefficients
    (k1, k2, p1, p2) or (k1, k2, p1, p2, k3), none where the lens has none. Raises ValueError for numbers that no camera
    has.
    """
    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "user"
    distortion: tuple[float, ...] = ()

    def __post_init__(self):
        coefficients = tuple(map(float, self.distortion))
        if len(coefficients) not in (0, 4, 5) or not np.isfinite(coefficients).all():
            raise ValueError("A lens's distortion is OpenCV's k1, k2, p1, p2 and perhaps k3, not "
                             f"{', '.join(f'{value:g}' for value in coefficients):.60}.")
        object.__setattr__(self, "distortion", (*coefficients, 0.0)[:5] if any(coefficients) else ())
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

    def check_fits(self, width: int, height: int) -> None:
        """Raises ValueError if no camera that took an image of these pixels is like this one."""
        longest = max(width, height)
        if (max(self.fx, self.fy) > LONGEST_FOCAL * longest or min(self.fx, self.fy) < SHORTEST_FOCAL * longest
                or max(abs(self.cx), abs(self.cy)) > FARTHEST_CENTRE * longest):
            raise ValueError(f"The camera (fx={self.fx:g}, fy={self.fy:g}, cx={self.cx:g}, cy={self.cy:g}) is not that "
                             f"of an image of {width} x {height} pixels: give it in pixels of this image.")
        outline = _outline(width, height)
        if self.distortion and not np.abs(self.pixels(self.rays(outline)) - outline).max() < SAME_PIXEL:  # nor NaN
            raise ValueError(f"The distortion {', '.join(f'{value:g}' for value in self.distortion)} folds an image of "
                             f"{width} x {height} pixels over itself: give k1, k2, p1, p2, k3 and the camera that they "
                             "were found with, in pixels of this image.")

    @property
    def has_square_pixels(self) -> bool:
        """Whether a pixel is as high as it is wide, to a thousandth."""
        return abs(self.fx / self.fy - 1) < SQUARE

    @property
    def is_plain(self) -> bool:
        """Whether its pixels are square and its lens does not distort: networks know no other cameras."""
        return self.has_square_pixels and not self.distortion

    def plain(self, rgb: np.ndarray) -> tuple[np.ndarray, Camera]:
        """The image (H, W, 3) uint8 that it took as a plain camera in its place would have taken it, and that camera.

        Resampled in height so that pixels are square or, where the lens distorts, undistorted to an image of the same
        size, in which all of it is seen unless the corners would make the rest too small. Large ones are shrunk.
        """
        if not self.distortion:
            size = np.array(rgb.shape[1::-1]) * [1, self.fx / self.fy]
            columns, rows = np.maximum(np.round(size * min(1, LARGEST_PLAIN / size.max())), 1).astype(int).tolist()
            sx, sy = columns / rgb.shape[1], rows / rgb.shape[0]
            interpolation = cv2.INTER_AREA if min(sx, sy) < 1 else cv2.INTER_CUBIC
            return cv2.resize(rgb, (columns, rows), interpolation=interpolation), self.resized(sx, sy)
        rgb, divisor = halved(rgb, LARGEST_PLAIN)
        taken = self.resized(1 / divisor, 1 / divisor)
        last = np.array(rgb.shape[1::-1]) - 1
        rays = taken.rays(_outline(*rgb.shape[1::-1]))
        low, high = rays.min(0), rays.max(0)
        focal = float(np.clip((last / (high - low)).min(), taken.fx / MOST_SHRUNK, taken.fx))
        plain = Camera(focal, focal, *(last / 2 - focal * (low + high) / 2).tolist(), self.source)
        return cv2.undistort(rgb, taken.matrix, np.array(self.distortion), None, plain.matrix), plain

    @property
    def matrix(self) -> np.ndarray:
        """K, (3, 3), which does not tell of the distortion."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of points (..., 3) in the camera frame, metres."""
        return self.pixels(points[..., :2] / points[..., 2:])

    def pixels(self, rays: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of rays (..., 2) = (x / z, y / z)."""
        if self.distortion:
            rays = distort(rays, self.distortion)
        return rays * [self.fx, self.fy] + [self.cx, self.cy]

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Rays (..., 2) = (x / z, y / z) through pixels (..., 2) of the image, where the distortion can be undone."""
        points = (pixels - np.array([self.cx, self.cy])) / [self.fx, self.fy]
        return undistort(points, self.distortion) if self.distortion else points

    def bent(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) at the same depths that this camera sees, without its distortion, where it sees `points`.

        What draws triangles knows no distortion; of small ones, it is enough to move the corners.
        """
        if not self.distortion:
            return points
        depth = points[..., 2:]
        return np.concatenate([distort(points[..., :2] / depth, self.distortion) * depth, depth], -1)

    def resized(self, sx: float, sy: float) -> Camera:
        """The camera of the same picture, `sx` times as wide and `sy` times as high in pixels."""
        # Pixel p of the picture stands at (p + .5) * s - .5 of the resized one.
        return replace(self, fx=self.fx * sx, fy=self.fy * sy, cx=(self.cx + 0.5) * sx - 0.5,
                       cy=(self.cy + 0.5) * sy - 0.5)

    def narrowed(self, factor: float) -> Camera:
        """The same camera with `factor` times the focal length."""
        return replace(self, fx=self.fx * factor, fy=self.fy * factor)

    def ray(self, pixel: np.ndarray) -> np.ndarray:
        """Unit vector (3,) from the camera through a pixel (2,)."""
        ray = np.append(self.rays(np.asarray(pixel, float)), 1.0)
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
    if focal_px is not None or fov_deg is not None:
        return Camera.of_photo(width, height, focal_px=focal_px, fov_deg=fov_deg)
    if camera is not None:
        camera.check_fits(width, height)
    return camera


def _outline(width: int, height: int) -> np.ndarray:
    """Pixels (N, 2) along the border of an image."""
    along = np.linspace(0, 1, OUTLINE_POINTS)
    edges = [np.stack(edge, 1) for edge in ((along, 0 * along), (along, 0 * along + 1), (0 * along, along),
                                            (0 * along + 1, along))]
    return np.concatenate(edges) * [width - 1, height - 1]
