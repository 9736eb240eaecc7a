"""A hand over time, as what a skeleton needs: how its joints turn and where its wrist is. A photo's hand has one frame.

Over a clip, a tracker's shape wavers a little; bones do not. A hand's shape is the median over its frames, and it is
placed anew so that the hand of that shape falls onto the same pixels.
"""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from ..hand import Hand
from ..hand_model.model import HandModel
from ..placement import NEAREST, solve_translation

MOST_HANDS = 16  # of a clip, those in view longest: files stay small whatever a tracker makes of a clip

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class HandMotion:
    """One hand of fixed shape. It is seen in S of the clip's T frames, and not known in the others."""
    name: str  # "hand0_right" in a photo, "track1_right" in a clip
    side: str  # "left" or "right"
    model: HandModel  # of this side and scale
    betas: np.ndarray  # (10,)
    times_s: np.ndarray  # (T,) of all frames, rising
    seen: np.ndarray  # (T,) bool
    rotations: np.ndarray  # (S, 16, 4) quaternions x, y, z, w: each of MANO's joints against the one that carries it
    wrist: np.ndarray  # (S, 3) metres, camera frame: where the first joint is

    @property
    def seen_s(self) -> np.ndarray:
        """The times (S,) of the frames in which it is seen."""
        return self.times_s[self.seen]

    def matrices(self) -> np.ndarray:
        """`rotations` as matrices (S, 16, 3, 3)."""
        return Rotation.from_quat(self.rotations.reshape(-1, 4)).as_matrix().reshape(-1, 16, 3, 3)

    def at(self, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (N, 16, 4) and wrist (N, 3) at any times (N,): between two frames it moves evenly from the one to
        the other, before the first and after the last it rests."""
        keys = self.seen_s
        if len(keys) == 1:
            return np.repeat(self.rotations, len(times_s), 0), np.repeat(self.wrist, len(times_s), 0)
        times_s = np.clip(times_s, keys[0], keys[-1])
        turns = [Slerp(keys, Rotation.from_quat(joint))(times_s).as_quat() for joint in self.rotations.swapaxes(0, 1)]
        wrist = [np.interp(times_s, keys, axis) for axis in self.wrist.T]
        return continuous(np.stack(turns, 1)), np.stack(wrist, 1)


def motions_of_photo(hands: Sequence[Hand], hand_models: Mapping[str, HandModel]) -> list[HandMotion]:
    """A photo's hands, each with one frame at time 0. `hand_models` by side, as an estimator has them.

    Raises ValueError where a hand is another model's.
    """
    motions = []
    for number, hand in enumerate(hands):
        model = _model_of(hand.side, hand.hand_model, hand.scale, hand_models)
        rest = model.rest(np.asarray(hand.betas, np.float32)[None])[1][0, 0]
        motions.append(HandMotion(f"hand{number}_{hand.side}", hand.side, model, np.asarray(hand.betas, float),
                                  np.zeros(1), np.ones(1, bool),
                                  _quaternions(hand.global_orient[None], hand.hand_pose[None]),
                                  np.asarray(hand.transl, float)[None] + rest))
    return motions


def motions_of_clip(arrays: Mapping[str, np.ndarray], hand_models: Mapping[str, HandModel]) -> list[HandMotion]:
    """The hands of a clip's arrays (see `handpose.clips.arrays`), a motion for each track and side that it had.

    Of more than MOST_HANDS, those that are in view longest; a logged warning says so. Raises ValueError where the
    arrays are another model's.
    """
    track, side = arrays["track"], arrays["side"]
    hands = sorted({(int(number), str(name)) for number, name in zip(track[track > 0], side[track > 0], strict=True)})
    where = {hand: np.nonzero((track == hand[0]) & (side == hand[1])) for hand in hands}
    kept = set(sorted(hands, key=lambda hand: -len(where[hand][0]))[:MOST_HANDS])
    if len(hands) > MOST_HANDS:
        log.warning("%d hands of a clip are left out of what is rigged: the %d that are in view longest are in it.",
                    len(hands) - MOST_HANDS, MOST_HANDS)
    motions = []
    for number, name in (hand for hand in hands if hand in kept):
        at = where[number, name]
        model = _model_of(name, str(arrays["hand_model"]), float(np.median(arrays["scale"][at])), hand_models)
        orient, pose, shapes, joints = (arrays[key][at].astype(float)
                                        for key in ("global_orient", "hand_pose", "betas", "joints_3d"))
        betas, count = np.median(shapes, 0), len(joints)
        skeleton = model.joints_only()
        posed = skeleton(orient, pose, np.tile(betas, (count, 1)), np.zeros((count, 3)))
        transl = solve_translation(skeleton.data_joints(posed), joints[..., :2] / joints[..., 2:],
                                   np.ones((count, 21)), NEAREST)
        seen = np.zeros(len(arrays["times_s"]), bool)
        seen[at[0]] = True
        motions.append(HandMotion(f"track{number}_{name}", name, model, betas, arrays["times_s"].astype(float), seen,
                                  _quaternions(orient, pose), posed.pivots[:, 0] + transl))
    return motions


def continuous(quaternions: np.ndarray) -> np.ndarray:
    """The same rotations (T, ..., 4), each by that one of its two quaternions that is closer to the one before."""
    steps = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    signs = np.cumprod(np.concatenate([np.ones_like(quaternions[:1, ..., 0]), np.where(steps < 0, -1.0, 1.0)]), 0)
    return quaternions * signs[..., None]


def _quaternions(global_orient: np.ndarray, hand_pose: np.ndarray) -> np.ndarray:
    """(S, 16, 4) of axis-angle (S, 3) and (S, 45)."""
    rotvec = np.concatenate([global_orient, hand_pose], 1).reshape(-1, 3)
    return continuous(Rotation.from_rotvec(rotvec).as_quat().reshape(-1, 16, 4))


def _model_of(side: str, name: str, scale: float, hand_models: Mapping[str, HandModel]) -> HandModel:
    model = hand_models[side]
    if model.name != name:
        raise ValueError(f"These are hands of the model {name!r}, not {model.name!r}: give the hand models of the "
                         "estimator that found them.")
    return model if np.isclose(scale, model.scale) else model.scaled(scale / model.scale)
