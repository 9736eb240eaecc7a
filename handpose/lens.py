"""Which lens a photo was taken with, where neither its file nor its visitor tells."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .camera import Camera
from .detection.landmarks import Landmarks

USUAL_DISTANCE = 0.5  # metres from a camera to a hand that fills much of its picture: an arm's length or less
MOST_NARROWED = 2.5  # times the usual focal length


def guess_lens(camera: Camera, found: Sequence[Landmarks]) -> Camera:
    """The camera, narrowed where its hands would be too near for a picture that was not cut out of a larger one.

    A picture that a hand fills was either taken from very near with a usual lens or, far more often, from a usual
    distance and then cropped, which narrows its field of view. With both logarithms, of focal length and of distance,
    equally uncertain about their usual values and the hand's size in the picture given, the likeliest pair lies half
    way (maximum a posteriori): f = f0 sqrt(0.5 m / d), if f0 puts the nearest hand at d. A lens that is known stays,
    and so does that of a picture whose hands are farther off: a small hand says nothing of its lens, nor does one
    without depth.
    """
    seen = [landmarks for landmarks in found if landmarks.has_depth]
    if camera.source != "default" or not seen:
        return camera
    distance = camera.fx * min(map(_metres_a_pixel, seen))
    return camera.narrowed(float(np.clip(np.sqrt(USUAL_DISTANCE / distance), 1, MOST_NARROWED)))


def _metres_a_pixel(landmarks: Landmarks) -> float:
    """By the spread of the landmark model's points in metres and in pixels, over both axes of the image."""
    metres, pixels = (np.linalg.norm(points[:, :2] - points[:, :2].mean(0))
                      for points in (landmarks.world, landmarks.points))
    return float(metres / max(pixels, 1e-6))
