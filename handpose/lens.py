"""Which lens a photo was taken with, where neither its file nor its visitor tells."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .camera import Camera
from .hand_model.model import HandModel
from .prediction import HandPrediction

USUAL_DISTANCE = 0.5  # metres from a camera to a hand that fills much of its picture: an arm's length or less
MOST_NARROWED = 2.5  # times the usual focal length


def guess_lens(camera: Camera, metres_a_pixel: Sequence[float]) -> Camera:
    """The camera, narrowed where its hands, each of which spans so many metres with a pixel, would be too near for a
    picture that was not cut out of a larger one.

    A picture that a hand fills was either taken from very near with a usual lens or, far more often, from a usual
    distance and then cropped, which narrows its field of view. With both logarithms, of focal length and of distance,
    equally uncertain about their usual values and the hand's size in the picture given, the likeliest pair lies half
    way (maximum a posteriori): f = f0 sqrt(0.5 m / d), if f0 puts the nearest hand at d. A lens that is known stays,
    and so does that of a picture whose hands are farther off: a small hand says nothing of its lens.
    """
    if camera.source != "default" or not metres_a_pixel:
        return camera
    distance = camera.fx * min(metres_a_pixel)
    return camera.narrowed(float(np.clip(np.sqrt(USUAL_DISTANCE / distance), 1, MOST_NARROWED)))


def metres_a_pixel(hand: HandPrediction, skeleton: HandModel) -> float:
    """By the spread of the hand's joints in metres and in pixels, over both axes of its crop, as a camera that is far
    away sees them. `skeleton` is the hand model's `joints_only()`."""
    posed = skeleton.pose(hand.prediction.rotations[None], hand.prediction.betas[None], np.zeros((1, 3), np.float32))
    metres, pixels = (np.linalg.norm(points - points.mean(0))
                      for points in (skeleton.data_joints(posed)[0, :, :2], hand.joints_2d))
    return float(metres / max(pixels, 1e-6))
