"""What a visitor corrects in a photo's hands: adds one, takes one away, swaps its side. The photo's analysis before and
after are two: going back is to show the former again.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from handpose import HandEstimator, Photo
from handpose.crop import Crop
from handpose.detection.region import HandBox
from handpose.prediction import HandPrediction

from .analysis import MOST_HANDS, Analysis, new_key
from .server.cores import CORES, PHOTO

SMALLEST_BOX = 12.0  # pixels of the shown photo
TAPPED = (0.15, 0.3, 0.5)  # of the photo's longer side: boxes that are tried around a point, of which the surest counts
OTHER = {"left": "right", "right": "left"}


def with_hand_in(estimator: HandEstimator, analysis: Analysis, box: tuple[float, float, float, float]) -> Analysis:
    """With the hand that is in a box (u0, v0, u1, v1), in shares 0..1 of the photo's width and height.

    Raises ValueError for a box that is too small, and where there are enough hands.
    """
    rgb = _checked_room(analysis)
    u0, v0, u1, v1 = np.array(box) * np.tile(rgb.shape[1::-1], 2)
    if min(u1 - u0, v1 - v0) < SMALLEST_BOX:
        raise ValueError("The box is too small for a hand: draw it from fingertips to wrist.")
    return _with(analysis, _predict(estimator, analysis, rgb, [HandBox(u0, v0, u1, v1)])[0])


def with_hand_at(estimator: HandEstimator, analysis: Analysis, point: tuple[float, float]) -> Analysis:
    """With the hand around a point (u, v), in shares 0..1 of the photo's width and height. Raises ValueError."""
    rgb = _checked_room(analysis)
    center = np.array(point) * rgb.shape[1::-1]
    boxes = [HandBox(*(center - half), *(center + half)) for half in np.array(TAPPED) / 2 * max(rgb.shape)]
    return _with(analysis, max(_predict(estimator, analysis, rgb, boxes), key=lambda hand: hand.score))


def without(analysis: Analysis, hand: HandPrediction) -> Analysis:
    """Without one of its hands."""
    hands = tuple(one for one in analysis.prediction.hands if one is not hand)
    return replace(analysis, key=new_key(analysis.key), prediction=replace(analysis.prediction, hands=hands),
                   told=tuple(one for one in analysis.told if one is not hand))


def with_other_side(estimator: HandEstimator, analysis: Analysis, hand: HandPrediction) -> Analysis:
    """With one of its hands taken for one of the other side."""
    rgb = analysis.shown
    points = (hand.joints_2d + 0.5) * (rgb.shape[1] / analysis.width) - 0.5
    box = HandBox(*points.min(0), *points.max(0), side=OTHER[hand.side])
    swapped, = _predict(estimator, analysis, rgb, [box])
    hands = tuple(swapped if one is hand else one for one in analysis.prediction.hands)
    told = tuple(swapped if one is hand else one for one in analysis.told)
    return replace(analysis, key=new_key(analysis.key), prediction=replace(analysis.prediction, hands=hands),
                   told=told if hand in analysis.told else (*told, swapped))


def _checked_room(analysis: Analysis) -> np.ndarray:
    """The shown photo. Raises ValueError where there are enough hands."""
    if len(analysis.prediction.hands) >= MOST_HANDS:
        raise ValueError(f"A photo may have {MOST_HANDS} hands: take one away first.")
    return analysis.shown


def _predict(estimator: HandEstimator, analysis: Analysis, rgb: np.ndarray, boxes: list[HandBox]
             ) -> list[HandPrediction]:
    """What the networks say of boxes in the shown photo, in pixels of the whole one."""
    with CORES.work(PHOTO):
        hands = estimator.predict(Photo(rgb), boxes).hands
    scale = rgb.shape[1] / analysis.width
    return [replace(hand, crop=_of_whole_photo(hand.crop, scale)) for hand in hands]


def _of_whole_photo(crop: Crop, scale: float) -> Crop:
    """The crop of a picture that is `scale` times as large, as that of the picture itself."""
    # Pixel p stands at (p + .5) * scale - .5 of the other picture.
    linear = crop.matrix[:, :2] * scale
    return Crop(np.column_stack([linear, crop.matrix[:, 2] + crop.matrix[:, :2] @ np.full(2, (scale - 1) / 2)]),
                crop.size)


def _with(analysis: Analysis, hand: HandPrediction) -> Analysis:
    prediction = replace(analysis.prediction, hands=(*analysis.prediction.hands, hand))
    return replace(analysis, key=new_key(analysis.key), prediction=prediction, told=(*analysis.told, hand))
