"""What the networks say of a photo and of each hand in it, whatever the camera, in the photo's pixels."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Camera
from .crop import Crop
from .network.engine import Prediction

# Of the crop's half: with this much more expected error of its joints, a hand is 1/e times as sure.
HALF_SURE = 0.05


@dataclass(frozen=True, eq=False)
class HandPrediction:
    """What the networks say of one hand in a photo, whatever the camera."""
    crop: Crop
    presence: float  # 0..1, of the landmark model, or the detector's score where that saw no hand or was not asked
    prediction: Prediction

    @property
    def score(self) -> float:
        return self.presence * self.prediction.confidence

    @property
    def sureness(self) -> float:
        """How sure the network is that the crop shows a hand as it knows them, 0..1: by its confidence, and by the
        error that it expects of its own joints, which tells a hand that is upside down or mirrored where confidence
        does not."""
        return float(self.prediction.confidence * np.exp(-self.prediction.spread.mean() / HALF_SURE))

    @property
    def side(self) -> str:
        """Of the hand that the crop, which always shows a right one, was cut for."""
        return "left" if self.crop.mirrored else "right"

    @property
    def joints_2d(self) -> np.ndarray:
        """Where the network itself sees the joints, (21, 2) image pixels."""
        joints = self.prediction.joints[:, :2].astype(float)
        return self.crop.to_image(((joints + 1) * self.crop.size - 1) / 2)

    @property
    def box(self) -> np.ndarray:
        """Upper left and lower right corner of these joints, (2, 2) image pixels."""
        return np.stack([self.joints_2d.min(0), self.joints_2d.max(0)])

    @property
    def spread(self) -> np.ndarray:
        """How far off it expects them to be, (21,) image pixels."""
        return self.prediction.spread.astype(float) * self.crop.size / 2 / self.crop.scale


@dataclass(frozen=True, eq=False)
class PhotoPrediction:
    """What the networks say of a photo, and the camera to place its hands before where nobody tells another."""
    width: int  # pixels of the upright photo
    height: int
    camera: Camera  # plain: that which was told, else EXIF's, else a guess
    hands: tuple[HandPrediction, ...]
    told: bool = False  # whether somebody said where the hands are: all of them are then reported, in this order
    lens: Camera | None = None  # the told camera if it is not plain: `camera` then stands in its place, and results
    # are in its pixels
