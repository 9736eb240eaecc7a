"""The hand in an image by the network alone: for checkpoints and pictures that detector and landmark model do not know.

A network may know hands that are upright, of one side and of one size in their crop. So it is shown the image turned
and mirrored, and of what it sees in these crops, what it is surest of is looked at again, in the square about the
joints that it saw, fingers up. Where it is then not sure, it is shown parts of the image in the same way.
"""
from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from handpose.crop import Crop, upright_box
from handpose.crop_predictor import CROP_SCALE
from handpose.estimator import HandEstimator
from handpose.prediction import HandPrediction

SURENESS = attrgetter("sureness")
TURNS = np.radians([0, 90, 180, 270])
SURE = 0.5  # from which on a hand need not be looked for in smaller parts: of 37 photos, right ones had .41 and more at
# the end, all but one, and wrong ones .18 and less
KEPT = 6  # crops that are looked at again
SMALLEST_CROP, LARGEST_CROP = 0.05, 1.2  # of the image's longer side, of the further crops
AT_ONCE = 64  # crops
PARTS = (1.0, 0.6, 0.36)  # of the image's longer side


def hand_in_image(estimator: HandEstimator, rgb: np.ndarray, passes: int = 3, sides: Sequence[str] = ("right", "left"),
                  parts: Sequence[float] = PARTS) -> HandPrediction:
    """What the network says of the hand in an image (H, W, 3) uint8 RGB that it is surest of, whatever it is.

    The first pass is over squares of a size in `parts`, which overlap by half; in each the hand may be of any of
    `sides` and point anywhere. The score is the network's own confidence; its presence is taken for granted.
    """
    longer, size, best = max(rgb.shape[:2]), estimator.crop_size, []
    for part in parts:
        best.append(surest(estimator, rgb, [
            Crop.around(center, part * longer, angle, size, mirrored=hand == "left")
            for center in centers(rgb.shape[1], rgb.shape[0], part * longer) for angle in TURNS for hand in sides],
            passes))
        if best[-1].sureness >= SURE:
            break
    return max(best, key=SURENESS)


def surest(estimator: HandEstimator, rgb: np.ndarray, crops: list[Crop], passes: int) -> HandPrediction:
    """What the network is surest of in some crops of an image; after the first pass in those that frame it better."""
    hands = looked_at(estimator, rgb, crops)
    for _ in range(passes - 1):
        hands = looked_at(estimator, rgb, [closer(hand, max(rgb.shape[:2]), estimator.crop_size)
                                           for hand in sorted(hands, key=SURENESS, reverse=True)[:KEPT]])
    return max(hands, key=SURENESS)


def centers(width: int, height: int, side: float) -> list[np.ndarray]:
    """The middles (2,), in pixels, of the squares of this side that cover an image in steps of half of it."""
    along = [np.linspace(min(side, length) / 2, length - min(side, length) / 2,
                         1 + int(np.ceil(2 * max(length - side, 0) / side))) for length in (width, height)]
    return [np.array([u, v]) - 0.5 for v in along[1] for u in along[0]]


def looked_at(estimator: HandEstimator, rgb: np.ndarray, crops: list[Crop]) -> list[HandPrediction]:
    """What the network says of each crop of an image, from the image alone."""
    predictions = (estimator.predictor.predict_crops(rgb, crops[start:start + AT_ONCE])
                   for start in range(0, len(crops), AT_ONCE))
    return [HandPrediction(crop, 1.0, prediction)
            for crop, prediction in zip(crops, (one for batch in predictions for one in batch), strict=True)]


def closer(hand: HandPrediction, longer: float, size: int) -> Crop:
    """The upright crop about the joints that the network saw, as training shows hands."""
    center, extent, angle = upright_box(hand.joints_2d)
    side = np.clip(CROP_SCALE * extent.max(), SMALLEST_CROP * longer, LARGEST_CROP * longer)
    return Crop.around(center, side, angle, size, mirrored=hand.crop.mirrored)
