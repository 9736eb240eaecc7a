"""Where a hand's 21 joints are in a photo: MediaPipe's hand-landmark model on the region that a detector found.

The network is that of Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020; the model file and its
licence are in assets/mediapipe.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..crop import upright_box
from .region import HandBox, HandRegion
from .tflite import MEDIAPIPE, TfliteModel

INPUT_SIZE = 224  # px, side of the landmark model's input
Z_SCALE = 0.4  # the model's z is this many times too small against its x and y (MediaPipe's `normalize_z`)
REGION_JOINTS = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # all that move little when fingers bend
REGION_SCALE, REGION_SHIFT = 2.0, 0.1  # from those joints' box to hand: times its size, this share of it towards up

MIN_PRESENCE = 0.5  # of what the landmark model alone takes for a hand; training and benchmarks ask for it
# A hand is reported where detector and landmark model together are so sure: the sum of both scores' logits. Chosen with
# an eye on the 43 photos of the recall set, where less finds no hand more and, in grey, false ones, and on
# tests/photos, where less finds a hand that is none.
MIN_EVIDENCE = 1.75
# One pass is enough where it is sure of the hand and of its side, in a region that the landmarks then confirm.
SURE_PRESENCE, SURE_SIDE = 0.9, 0.8
TURNS = np.radians([-35, 35])  # that are tried where the first pass is not sure
TURNED_PRESENCE = 0.2  # of the first pass, from which on they are
LEAST_PRESENCE = 0.1  # of the surest pass, below which no further one would find a hand
CONFIRMED_TURN, CONFIRMED_SHIFT, CONFIRMED_SCALE = 0.25, 0.1, 0.1  # radians; of the side; of its logarithm
BOX_SCALE = 1.5  # from the larger side of a hand's box to the region that the landmark model is given
BOX_ANGLES = np.radians([0, 90, 180, 270])  # that are tried, for a box does not tell where the fingers point


@dataclass(frozen=True)
class Landmarks:
    """The 21 joints of one hand (order of `skeleton.JOINT_NAMES`) as the landmark model sees them.

    `points` (21, 3): u, v in image pixels, and z in image pixels relative to the wrist, away from the camera.
    `world` (21, 3): metres around the hand's middle, axes of the image (x right, y down, z away).
    `presence`: 0..1, that there is a hand at all. `right`: 0..1, that it is anatomically a right one, if the image is
    not mirrored.
    """
    points: np.ndarray
    world: np.ndarray
    presence: float
    right: float

    @classmethod
    def of_joints(cls, joints: np.ndarray, side: str, presence: float = 1.0) -> Landmarks:
        """The hand as if the landmark model had seen these joints (21, 2) of this side, without depth or metres."""
        return cls(np.column_stack([joints, np.zeros(21)]), np.zeros((21, 3)), presence, float(side == "right"))

    @property
    def has_depth(self) -> bool:
        """Whether depth and metres are known: the landmark model saw the hand, not the network alone."""
        return bool(self.world.any())

    @property
    def side(self) -> str:
        return "right" if self.right >= 0.5 else "left"

    @property
    def box(self) -> np.ndarray:
        """Upper left and lower right corner of the joints, (2, 2) image pixels."""
        return np.stack([self.points[:, :2].min(0), self.points[:, :2].max(0)])

    @property
    def region(self) -> HandRegion:
        """The square around this hand, as MediaPipe's tracking derives it from landmarks."""
        return region_of(self.points[:, :2], self.presence)


class LandmarkModel:
    """MediaPipe's hand-landmark model."""

    def __init__(self, model: TfliteModel):
        self._model = model

    @classmethod
    def load(cls, path: str | Path = MEDIAPIPE / "hand_landmarks_detector.tflite", threads: int = 2) -> LandmarkModel:
        return cls(TfliteModel(path, threads))

    def __call__(self, rgb: np.ndarray, region: HandRegion, mirrored: bool = False) -> Landmarks:
        """Landmarks of the hand in a region of an RGB image (H, W, 3) uint8.

        `mirrored` shows the model the region flipped left-right; the answer is about the image as it is all the same.
        """
        crop = region.crop(INPUT_SIZE, mirrored)
        output = self._model(crop.warp(rgb))
        points = output["Identity"].astype(float).reshape(21, 3)
        # The network counts from the edge of the first pixel, a crop from its centre.
        uv = crop.to_image(points[:, :2] - 0.5)
        z = points[:, 2:] / Z_SCALE / crop.scale
        world = output["Identity_3"].astype(float).reshape(21, 3) @ crop.rotation.T
        right = float(output["Identity_2"][0])
        return Landmarks(np.hstack([uv, z]), world, float(output["Identity_1"][0]), 1 - right if mirrored else right)


def region_of(joints: np.ndarray, score: float = 1.0) -> HandRegion:
    """The square around a hand whose 21 joints (21, 2) are known in image pixels."""
    center, extent, angle = upright_box(joints, REGION_JOINTS)
    shift = REGION_SHIFT * extent[1] * np.array([np.sin(angle), -np.cos(angle)])
    return HandRegion(center + shift, float(REGION_SCALE * extent.max()), angle, score)


def is_hand(hand: Landmarks, region: HandRegion) -> bool:
    """Whether what the landmark model says of a detector's region convinces."""
    return hand.presence >= LEAST_PRESENCE and evidence(hand, region) >= MIN_EVIDENCE


def evidence(hand: Landmarks, region: HandRegion) -> float:
    """What speaks for a hand: what one of two witnesses doubts, the other must be sure of. The logits of both scores
    add up, as in naive Bayes, for the witnesses do not know of each other."""
    scores = np.clip([hand.presence, region.score], 1e-6, 1 - 1e-6)
    return float(np.log(scores / (1 - scores)).sum())


def landmarks_in_box(rgb: np.ndarray, box: HandBox, model: LandmarkModel) -> Landmarks:
    """Landmarks of the hand that somebody points at: the surest over the directions in which its fingers may point."""
    center = np.array([box.u0 + box.u1, box.v0 + box.v1]) / 2
    side = BOX_SCALE * max(box.u1 - box.u0, box.v1 - box.v0)
    first = max((model(rgb, HandRegion(center, side, angle)) for angle in BOX_ANGLES),
                key=lambda landmarks: landmarks.presence)
    hand = confirmed_landmarks(rgb, first.region, model)
    return hand if box.side is None else replace(hand, right=float(box.side == "right"))


def confirmed_landmarks(rgb: np.ndarray, region: HandRegion, model: LandmarkModel) -> Landmarks:
    """Landmarks of the hand in a detector's region, in one pass where that is sure and well framed, else in several.

    The detector may be wrong about where the fingers point: where the first pass is not sure, but something speaks for
    a hand, the region is tried in other turns. Further passes are over the region that the surest one's landmarks give,
    which then frames the hand better, over its mirror image, and over the region that comes of those, as long as they
    convince. `presence` is the lowest of these, `right` the mean: what is no hand seldom passes for one many times.
    """
    best = model(rgb, region)
    if best.presence >= TURNED_PRESENCE:
        for turn in TURNS:
            if best.presence >= SURE_PRESENCE:
                break
            other = model(rgb, replace(region, angle=region.angle + turn))
            best = max(best, other, key=lambda landmarks: landmarks.presence)
    sure = best.presence >= SURE_PRESENCE and max(best.right, 1 - best.right) >= SURE_SIDE
    if best.presence < LEAST_PRESENCE or sure and confirms(best.region, region):
        return best
    passes = [model(rgb, best.region)]
    for frame, mirror in ((best.region, True), (passes[0].region, False)):
        if not is_hand(passes[-1], region):
            break
        passes.append(model(rgb, frame, mirror))
    return replace(passes[-1] if len(passes) == 3 else passes[0], presence=min(one.presence for one in passes),
                   right=float(np.mean([one.right for one in passes])))


def confirms(region: HandRegion, other: HandRegion) -> bool:
    """Whether a region shows a hand as another one does, so that a pass over it would tell nothing new."""
    turn = (region.angle - other.angle + np.pi) % (2 * np.pi) - np.pi
    shift = np.linalg.norm(region.center - other.center) / region.side
    return bool(abs(turn) < CONFIRMED_TURN and shift < CONFIRMED_SHIFT
                and abs(np.log(region.side / other.side)) < CONFIRMED_SCALE)
