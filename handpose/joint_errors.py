"""How sure each joint is: how far off it is to be expected, and whether it is hidden.

The network tells a `spread`, how far off it expects its own joints to be in the image, which is too small by far. The
errors that are told follow from it, from the hand's score and from which joint it is: of joints said to be known to s,
two thirds lie within s. That holds of renders like those that it was fitted to (`python -m benchmarks.joint_errors`);
of photos more joints lie beyond (docs/accuracy.md).

    pixels       of `joints_2d`
    millimetres  of `joints_3d` about their mean: how well the hand's pose is known, not its distance, which rests on
                 the lens and on the hand's size
    hidden       by the hand's own mesh, by another hand, or since the network does not know where it is
"""
from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .hand_model.skeleton import JOINT_NAMES

if TYPE_CHECKING:
    from .hand import Hand

# Joints that behave alike: of the thumb each its own, of the fingers all knuckles, all middle joints, ..
KINDS = ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip", "mcp", "pip", "dip", "tip")
_KIND = np.array([KINDS.index(name if name in KINDS else name.split("_")[1]) for name in JOINT_NAMES])
# Metres of its own flesh that lie before a joint which is seen: with more, something is in the way. Chosen on 500
# poses of renders, so as to agree with whether the skin seen there is that of one of the joint's two bones (96 %).
FLESH = np.array([.060, .060, .025, .029, .026, .026, .025, .022, .021])[_KIND]
LOST = 0.15  # of the hand's box: a joint that is expected to be farther off is not seen
LEAST_SPREAD, LEAST_DOUBT = 0.002, 0.001  # of the box, and of the score: with less nothing is known better


class Calibration(NamedTuple):
    """log s = `joints` [kind] + `spread` * log(the network's spread over the box) + `doubt` * log(1 - score)."""
    joints: tuple[float, ...]  # by KINDS
    spread: float
    doubt: float

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """(.., 21) what two thirds of the errors of such joints do not exceed, of their `features` (.., 21, 11)."""
        return np.exp(seen @ [*self.joints, self.spread, self.doubt])


# Fitted by `python -m benchmarks.joint_errors --renders DIR --fit` to every second hand that the detector finds in the
# 1,000 test renders of train/recipes/longer_sides.yaml (train/README.md says how they are made), by quantile
# regression, and to the network that ships: another network's spreads need constants of their own.
PIXELS = Calibration((1.96, 1.81, 1.72, 1.69, 1.86, 1.72, 1.73, 1.70, 1.80), 1.14, 0.13)  # over the box
MILLIMETRES = Calibration((4.89, 4.74, 4.69, 4.89, 5.15, 4.29, 4.26, 4.49, 4.87), 0.32, 0.22)


class JointErrors(NamedTuple):
    """Of the 21 joints of a hand. Errors are NaN where no network told its spread."""
    joints_error_px: np.ndarray  # (21,) s of `joints_2d`
    joints_error_mm: np.ndarray  # (21,) s of `joints_3d` about their mean
    joints_hidden: np.ndarray  # (21,) bool

    def to_dict(self) -> dict:
        """As JSON-ready values; without those that are not known."""
        decimals = {"joints_error_px": 2, "joints_error_mm": 1}
        return {name: np.round(values, decimals[name]).tolist() if name in decimals else values.tolist()
                for name, values in self._asdict().items() if not np.isnan(values).any()}


def joint_errors(hands: list[Hand]) -> list[JointErrors]:
    """Of each of the hands of one photo or frame, which may hide each other."""
    answers = []
    for hand in hands:
        hidden = np.max([in_the_way(hand.joints_3d, other.vertices, other.faces) for other in hands], 0) > FLESH
        if hand.spread is None:
            answers.append(JointErrors(np.full(21, np.nan), np.full(21, np.nan), hidden))
            continue
        seen = features(hand)
        share = PIXELS(seen)
        answers.append(JointErrors(share * box_size(hand), MILLIMETRES(seen), hidden | (share > LOST)))
    return answers


def features(hand: Hand) -> np.ndarray:
    """(21, 11) what a `Calibration` weighs: a column for each kind, then the logarithms of spread and doubt."""
    spread = np.log(hand.spread / box_size(hand) + LEAST_SPREAD)
    doubt = np.full(21, np.log(max(1 - hand.score, LEAST_DOUBT)))
    return np.column_stack([np.eye(len(KINDS))[_KIND], spread, doubt])


def box_size(hand: Hand) -> float:
    """Pixels of the larger side of the joints' box."""
    return float(np.ptp(hand.joints_2d, axis=0).max())


def in_the_way(joints: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(21,) metres along the line of sight from the first surface that it meets to each joint (21, 3): of a mesh
    of vertices (V, 3), metres, camera frame, and faces (F, 3). Negative where there is none before the joint."""
    faces = faces[(vertices[faces, 2] > 0).all(1)]
    seen, rays = joints[:, :2] / joints[:, 2:], (vertices[:, :2] / vertices[:, 2:])[faces]  # (21, 2), (F, 3, 2)
    (left, top), (right, bottom) = rays.min(1).T[..., None], rays.max(1).T[..., None]
    u, v = seen.T
    face, joint = np.nonzero((left <= u) & (u <= right) & (top <= v) & (v <= bottom))  # in the triangle's box
    corners, inverse_depth = rays[face] - seen[joint][:, None], 1 / vertices[faces[face], 2]
    # Of a triangle about the origin, twice the area that each corner's opposite edge spans with it: its barycentric
    # coordinate in the image, where 1 / depth is linear, too.
    after, before = corners[:, [1, 2, 0]], corners[:, [2, 0, 1]]
    weights = after[..., 0] * before[..., 1] - after[..., 1] * before[..., 0]
    area = weights.sum(1)
    hit = ((weights >= 0).all(1) | (weights <= 0).all(1)) & (area != 0)
    near = np.zeros(len(joints))
    np.maximum.at(near, joint[hit], (weights * inverse_depth).sum(1)[hit] / area[hit])
    away = np.where(near > 0, joints[:, 2] - 1 / np.where(near > 0, near, 1), -1.0)
    return away * np.linalg.norm(joints, axis=1) / joints[:, 2]
