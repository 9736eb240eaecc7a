"""What one photo showed the network, kept for its visitor: options work on it without a new look."""
from __future__ import annotations

import io
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from handpose import Camera, Hand, HandEstimator, load_photo
from handpose.crop import Crop
from handpose.estimator import MIN_SCORE
from handpose.lens import guess_lens
from handpose.network.engine import Answer

LARGEST_SHOWN = 1600  # pixels; more is not seen on the page
MOST_HANDS = 10
AUTOMATIC, FOV, FOCAL = "Automatic", "Field of view", "Focal length"
LENS_LIMITS = {FOV: (1, 179, "The field of view", "degrees"), FOCAL: (1, 1e6, "The focal length", "pixels")}


@dataclass(frozen=True)
class Options:
    """Which hands are told of, and the camera they stand before."""
    lens: str = AUTOMATIC
    lens_value: float | None = None  # degrees across the longer side, or pixels of the photo
    min_score: float = MIN_SCORE
    most_hands: int = MOST_HANDS
    left_hands: bool = True

    @classmethod
    def of(cls, lens: Any, lens_value: Any, min_score: Any, most_hands: Any, left_hands: Any = True) -> Options:
        """Options of what came over the network. Raises ValueError, saying what is wrong."""
        if lens in (FOV, FOCAL) and lens_value is not None:
            low, high, what, unit = LENS_LIMITS[lens]
            number(what, lens_value, low, high, f" {unit}")
        else:
            lens, lens_value = AUTOMATIC, None
        return cls(lens, lens_value, number("The least confidence (min_score)", min_score, 0, 1),
                   int(number("The number of hands (most_hands)", most_hands, 1, 1000)), left_hands is not False)

    def camera_arguments(self) -> dict[str, float]:
        """What `Camera.of_photo` is told of the lens."""
        name = {FOV: "fov_deg", FOCAL: "focal_px"}.get(self.lens)
        return {name: self.lens_value} if name and self.lens_value is not None else {}


@dataclass(frozen=True, eq=False)
class Look:
    """Immutable, and small: the photo itself is kept only as the JPEG that the page shows."""
    key: str  # names this look on the visitor's page
    name: str  # of the photo's file
    width: int  # pixels of the upright photo
    height: int
    focal_35mm: float | None
    guessed: Camera  # where nobody tells the lens
    mirrored: bool  # whether the photo was turned back left-right first; everything is about the turned one
    jpeg: bytes
    seen: tuple[tuple[float, Crop, Answer], ...]

    def __deepcopy__(self, memo: dict) -> Look:
        return self

    @property
    def stem(self) -> str:
        """What files made from this photo are called, before their suffixes."""
        return re.sub(r"[^\w .()-]", "_", Path(self.name).stem).strip(" .")[:80] or "photo"

    @property
    def shown(self) -> np.ndarray:
        """The photo as the page shows it, (h, w, 3) uint8."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg)))


@dataclass(frozen=True, eq=False)
class Result:
    """The hands of a look under a visitor's options."""
    look: Look
    options: Options
    camera: Camera
    hands: list[Hand]


def number(what: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """The value, if it is a number within limits. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{what} must be between {low:g} and {high:g}{unit}, not {str(value)[:40]}.")
    return value


def look_at(estimator: HandEstimator, path: str, name: str | None = None, mirrored: bool = False,
            key: str | None = None) -> Look:
    """Reads a photo and has the network look at it. Raises PhotoError."""
    photo = load_photo(path, name)
    rgb = np.ascontiguousarray(photo.rgb[:, ::-1]) if mirrored else photo.rgb
    found = estimator.find(rgb)
    seen = tuple((landmarks.presence, crop, answer) for landmarks, (crop, answer)
                 in zip(found, estimator.look([rgb] * len(found), found), strict=True))
    return Look(key or secrets.token_urlsafe(6), name or Path(path).name, photo.width, photo.height, photo.focal_35mm,
                guess_lens(Camera.of_photo(photo.width, photo.height), found), mirrored, _jpeg(rgb), seen)


def hands_of(estimator: HandEstimator, look: Look, options: Options) -> Result:
    """The hands under these options, surest first. Raises ValueError for a camera that cannot be."""
    camera = Camera.of_photo(look.width, look.height, focal_35mm=look.focal_35mm, **options.camera_arguments())
    if camera.source == "default":
        camera = look.guessed
    hands = [estimator.to_hand(camera, crop, presence, answer) for presence, crop, answer in look.seen]
    chosen = [hand for hand in sorted(hands, key=lambda hand: -hand.score)
              if hand.score >= options.min_score and (options.left_hands or hand.side == "right")]
    return Result(look, options, camera, chosen[:options.most_hands])


def best_score(look: Look) -> float:
    """The highest score of the hands that were seen, 0 without any."""
    return max((presence * answer.confidence for presence, _, answer in look.seen), default=0.0)


def _jpeg(rgb: np.ndarray) -> bytes:
    scale = LARGEST_SHOWN / max(rgb.shape)
    if scale < 1:
        size = [max(1, round(length * scale)) for length in rgb.shape[1::-1]]
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
