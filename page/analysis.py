"""What the networks say of a visitor's photo, kept so that options work on it without running them again."""
from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from handpose import Camera, HandBox, HandEstimator, HandModel, Result, load_photo
from handpose.camera import told_camera
from handpose.crop import halved
from handpose.estimator import MIN_SCORE
from handpose.file_names import safe_stem
from handpose.prediction import HandPrediction, PhotoPrediction

from .server.cores import CORES, DECODING, PHOTO

LARGEST_SHOWN = 1600  # pixels; more is not seen on the page
LARGEST_THUMB = 160
MOST_HANDS = 10
# Of events whose work is a photo: three at once, of which one address has two at most.
PHOTO_WORK = {"concurrency_id": "estimate", "concurrency_limit": 5}
AUTOMATIC, FOV, FOCAL = "Automatic", "Field of view", "Focal length"
LENS_LIMITS = {FOV: (1, 179, "The field of view", "degrees"), FOCAL: (1, 1e6, "The focal length", "pixels")}


@dataclass(frozen=True)
class Options:
    """Which hands are shown, and the camera that they are placed before."""
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
        """What an estimator is told of the lens."""
        name = {FOV: "fov_deg", FOCAL: "focal_px"}.get(self.lens)
        return {name: self.lens_value} if name and self.lens_value is not None else {}


@dataclass(frozen=True, eq=False)
class Analysis:
    """Immutable, and small: the photo itself is kept only as the JPEG that the page shows."""
    key: str  # names this photo on the visitor's page, and gives whoever knows it the photo: not to be guessed
    name: str  # of the photo's file
    mirrored: bool  # whether the photo was turned back left-right first; everything is about the turned one
    jpeg: bytes
    prediction: PhotoPrediction
    told: tuple[HandPrediction, ...] = ()  # those of its hands that the visitor pointed at: shown however unsure

    @property
    def width(self) -> int:
        """Pixels of the upright photo."""
        return self.prediction.width

    @property
    def height(self) -> int:
        return self.prediction.height

    @property
    def best_score(self) -> float:
        """The highest score of its hands, 0 without any."""
        return max((hand.score for hand in self.prediction.hands), default=0.0)

    def hands(self, options: Options) -> list[HandPrediction]:
        """Those that are shown under these options: surest first, and last what the visitor pointed at, as it came."""
        found = [hand for hand in self.prediction.hands if hand not in self.told and hand.score >= options.min_score]
        found = [*sorted(found, key=lambda hand: -hand.score), *self.told]
        return [hand for hand in found if options.left_hands or hand.side == "right"][:options.most_hands]

    @property
    def stem(self) -> str:
        """What files made from this photo are called, before their suffixes."""
        return safe_stem(self.name, "photo")

    @property
    def shown(self) -> np.ndarray:
        """The photo as the page shows it, (h, w, 3) uint8."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg)))

    @property
    def shown_size(self) -> tuple[int, int]:
        """Its width and height, pixels."""
        return Image.open(io.BytesIO(self.jpeg)).size  # of the header alone

    @cached_property
    def thumb(self) -> bytes:
        """A small JPEG of it."""
        image = Image.open(io.BytesIO(self.jpeg))
        image.draft("RGB", (LARGEST_THUMB, LARGEST_THUMB))  # decodes no more than that needs
        image.thumbnail((LARGEST_THUMB, LARGEST_THUMB))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=75)
        return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class ShownResult(Result):
    """The hands of a photo under a visitor's options."""
    analysis: Analysis
    options: Options
    hand_models: dict[str, HandModel]  # by side

    @property
    def fov_deg(self) -> float:
        """The camera's field of view across the longer side, degrees."""
        return float(np.degrees(2 * np.arctan(max(self.width, self.height) / 2 / self.camera.fx)))


def number(what: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """The value, if it is a number within limits. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{what} must be between {low:g} and {high:g}{unit}, not {str(value)[:40]}.")
    return value


def analyse(estimator: HandEstimator, source: str | bytes, name: str | None = None, mirrored: bool = False,
            key: str | None = None, camera: Camera | None = None, boxes: Sequence[HandBox] | None = None) -> Analysis:
    """Reads a photo, from its path or its file's bytes, and runs the networks; camera and boxes may be told.

    Raises PhotoError, and ValueError for what is told and cannot be of this photo.
    """
    with CORES.beside(DECODING):
        photo = load_photo(source, name)
    if mirrored:
        photo = photo.mirrored()
    told_camera(photo.width, photo.height, camera)
    with CORES.work(PHOTO):
        prediction = estimator.predict(photo, boxes, camera=camera)
        return Analysis(key or new_key(), name or Path(source).name, mirrored, _jpeg(photo.rgb), prediction,
                        prediction.hands if prediction.told else ())


def new_key(before: str | None = None) -> str:
    """A photo's key, or one of the same photo after a correction: it begins as that did, up to a dot."""
    return f"{before.partition('.')[0]}.{secrets.token_urlsafe(8)}" if before else secrets.token_urlsafe(16)


def result_of(estimator: HandEstimator, analysis: Analysis, options: Options) -> ShownResult:
    """The hands under these options, as `Analysis.hands` has them. Raises ValueError for a camera that cannot be."""
    camera = told_camera(analysis.width, analysis.height, **options.camera_arguments())
    chosen = replace(analysis.prediction, hands=tuple(analysis.hands(options)), told=True)
    result = estimator.place(chosen, camera)
    return ShownResult(analysis.width, analysis.height, result.camera, result.hands, analysis, options,
                       estimator.hand_models)


def _jpeg(rgb: np.ndarray) -> bytes:
    scale = LARGEST_SHOWN / max(rgb.shape)
    if scale < 1:
        size = [max(1, round(length * scale)) for length in rgb.shape[1::-1]]
        rgb = cv2.resize(halved(rgb, 4 * LARGEST_SHOWN)[0], size, interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
