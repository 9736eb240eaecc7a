"""What the network says of hands in an image: crops are cut out, shown to it, and looked at again."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .crop import Crop, upright_box
from .detection.find_hands import SAME_HAND_IOU
from .detection.hand_detector import HAND_SCALE
from .detection.landmarks import Landmarks, region_of
from .detection.region import HandRegion, box_iou
from .network.engine import Engine, Prediction
from .prediction import HandPrediction

CROP_SCALE = 1.4  # the crop's side over that of the joints' upright box
STILL_SURE = 0.5  # of the first look's sureness, from which on a second one counts
LEAST_SURENESS = 0.25  # of 37 photos, right hands had a sureness of .41 and more, wrong ones .18 and less
# Regions in which the landmark model is not sure of a hand are given it anew as the network frames them, if its first
# look and its second one are so sure. Chosen with an eye on the 43 photos of the recall set and on
# tests/photos.
GLANCED_SURENESS, AIMED_SURENESS = 0.01, 0.1
# Of the longer side of the joints' box: where the network sees the joints so far from where the landmark model does, it
# is 1/e times as sure of the hand.
AGREED = 0.1


@dataclass(frozen=True, eq=False)
class CropPredictor:
    """The network and the size of the crops that it is shown. Serves several threads.

    It is a `find_hands.Witness`. Images are (H, W, 3) uint8 RGB.
    """
    engine: Engine
    crop_size: int  # px

    # ---- of hands whose place is known

    def predict_hands(self, rgb: np.ndarray, found: Sequence[Landmarks], use_landmarks: bool = True
                      ) -> list[HandPrediction]:
        """What the network says of each hand that was found in an image, from the image alone where there is no
        depth."""
        crops = [self.crop_of(landmarks) for landmarks in found]
        hands: dict[int, HandPrediction] = {}
        for with_points in (True, False):
            rows = [row for row, one in enumerate(found) if (use_landmarks and one.has_depth) == with_points]
            points = [landmarks_in_crop(found[row], crops[row]) for row in rows] if with_points else None
            predictions = self.predict_crops(rgb, [crops[row] for row in rows], points)
            seen = [HandPrediction(crops[row], found[row].presence, prediction)
                    for row, prediction in zip(rows, predictions, strict=True)]
            hands |= zip(rows, seen if with_points else self.look_again(rgb, seen), strict=True)
        return [hands[row] for row in range(len(found))]

    def predict_regions(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[HandPrediction]:
        """What the network says of the hands in a detector's regions of an image, from it alone, each hand once and
        none that it hardly knows as one. It is shown each as one of either side, and what it is surer of counts."""
        pairs = self._of_either_side(rgb, regions)
        hands = self.look_again(rgb, [hand for pair in pairs for hand in pair])
        surest = [max(pair, key=lambda hand: hand.sureness) for pair in zip(hands[::2], hands[1::2], strict=True)]
        found: list[HandPrediction] = []
        for hand in sorted(surest, key=lambda hand: -hand.sureness):
            others = np.array([other.box for other in found]).reshape(-1, 2, 2)
            if hand.sureness >= LEAST_SURENESS and (box_iou(hand.box, others) < SAME_HAND_IOU).all():
                found.append(hand)
        return found

    # ---- as a witness of what is a hand

    def aim(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[HandRegion]:
        """Where the network, from an image alone, sees the hands that a detector found, of those that it knows as
        hands: it tells better which way they point. They keep the detector's scores."""
        hands = [max(pair, key=lambda hand: hand.sureness) for pair in self._of_either_side(rgb, regions)]
        hands = self.look_again(rgb, [hand for hand in hands if hand.sureness >= GLANCED_SURENESS])
        return [region_of(hand.joints_2d, hand.presence) for hand in hands if hand.sureness >= AIMED_SURENESS]

    def alone(self, rgb: np.ndarray, regions: Sequence[HandRegion]) -> list[Landmarks]:
        """The hands in a detector's regions of which the network is sure from the image alone, without depth."""
        return [Landmarks.of_joints(hand.joints_2d, hand.side, hand.presence)
                for hand in self.predict_regions(rgb, regions)]

    def sureness_of(self, rgb: np.ndarray, hand: Landmarks) -> float:
        """How sure the network is, from an image alone, of a hand that the landmark model sees: that there is one, and
        that its joints are there."""
        crop = self.crop_of(hand)
        own = HandPrediction(crop, hand.presence, *self.predict_crops(rgb, [crop]))
        apart = np.linalg.norm(own.joints_2d - hand.points[:, :2], axis=1).mean() / np.ptp(hand.box, axis=0).max()
        return float(own.sureness * np.exp(-apart / AGREED))

    # ---- looks

    def _of_either_side(self, rgb: np.ndarray, regions: Sequence[HandRegion]
                        ) -> list[tuple[HandPrediction, HandPrediction]]:
        """What the network says of each region from the image alone, shown as a right and as a left hand; `presence` is
        the region's score."""
        crops = [Crop.around(region.center, CROP_SCALE / HAND_SCALE * region.side, region.angle, self.crop_size,
                             mirrored) for region in regions for mirrored in (False, True)]
        hands = [HandPrediction(crop, regions[row // 2].score, prediction)
                 for row, (crop, prediction) in enumerate(zip(crops, self.predict_crops(rgb, crops), strict=True))]
        return list(zip(hands[::2], hands[1::2], strict=True))

    def look_again(self, rgb: np.ndarray, hands: list[HandPrediction]) -> list[HandPrediction]:
        """The hands, those looked at once more, from the image alone, whose joints give another crop than they were
        seen in. The second look counts, unless the network is much less sure of it."""
        framed = [self.crop_about(hand.joints_2d, hand.crop.mirrored) for hand in hands]
        moved = [row for row, (hand, crop) in enumerate(zip(hands, framed, strict=True)) if hand.crop.is_off(crop)]
        looked = self.predict_crops(rgb, [framed[row] for row in moved])
        again = {row: HandPrediction(framed[row], hands[row].presence, prediction)
                 for row, prediction in zip(moved, looked, strict=True)}
        return [again[row] if row in again and again[row].sureness > STILL_SURE * hand.sureness else hand
                for row, hand in enumerate(hands)]

    def crop_of(self, landmarks: Landmarks) -> Crop:
        """The upright crop around a hand that shows it to the network as a right one."""
        return self.crop_about(landmarks.points[:, :2], landmarks.right < 0.5)

    def crop_about(self, joints_2d: np.ndarray, mirrored: bool) -> Crop:
        """The upright crop around joints (21, 2) pixels."""
        center, extent, angle = upright_box(joints_2d)
        return Crop.around(center, CROP_SCALE * extent.max(), angle, self.crop_size, mirrored)

    def predict_crops(self, rgb: np.ndarray, crops: list[Crop], landmarks: list[np.ndarray] | None = None
                      ) -> list[Prediction]:
        """What the network says of each crop of an image, given `landmarks_in_crop` or not."""
        if not crops:
            return []
        return self.engine(np.stack([crop.warp(rgb) for crop in crops]),
                           None if landmarks is None else np.stack(landmarks))


def landmarks_in_crop(landmarks: Landmarks, crop: Crop) -> np.ndarray:
    """The network's landmark values (21, 6): u, v, depth in crop units; world points, crop's frame, decimetres."""
    half = crop.size / 2
    uv = (crop.to_crop(landmarks.points[:, :2]) + 0.5) / half - 1
    depth = landmarks.points[:, 2:] * crop.scale / half
    world = (landmarks.world - landmarks.world[:1]) @ crop.rotation
    return np.hstack([uv, depth, world * 10])
