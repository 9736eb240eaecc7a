"""A hand bent to taste: curled or opened, its fingers spread, its shape changed, from the pose that was found."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from .hand import Hand
from .hand_model.model import HandModel, mirror_rotvec
from .hand_model.skeleton import FINGER_FLEXION_AXIS, MANO_JOINT_NAMES, THUMB_FLEXION_AXIS

# Degrees that a fist bends the three joints of a finger, from the palm outwards.
FIST, FIST_THUMB = (80.0, 100.0, 65.0), (15.0, 40.0, 60.0)
# Degrees that a wholly spread finger turns aside in the palm's plane, towards the thumb.
ASIDE = {"thumb": 18.0, "index": 14.0, "middle": 3.0, "ring": -9.0, "little": -20.0}
PALM_AXIS = np.array([0.0, 1.0, 0.0])  # out of the back of a right hand at rest; about it fingers spread
LARGEST_SHAPE = 2.5  # standard deviations of the hand model's first beta


def bent(hand: Hand, model: HandModel, curl: float = 0.0, spread: float = 0.0, shape: float = 0.0) -> Hand:
    """The hand in another pose, its wrist where it was; `model` is that of its side and scale.

    Each of the three lies in -1..1, and 0 leaves what was found. `curl` goes towards a fist or, below 0, towards the
    flat hand; `spread` sets the fingers apart or together; `shape` makes the hand larger or smaller. Pixels, box and
    score stay those of the hand that was found. Raises ValueError for other numbers.
    """
    if not all(-1 <= value <= 1 for value in (curl, spread, shape)):
        raise ValueError(f"curl, spread and shape must lie between -1 and 1, not {curl}, {spread}, {shape}.")
    left = hand.side == "left"
    pose = np.asarray(hand.hand_pose, float).reshape(15, 3)
    rotations = Rotation.from_rotvec(mirror_rotvec(pose) if left else pose)
    goal = _fist() if curl > 0 else Rotation.identity(15)
    rotations = Rotation.concatenate([Slerp([0, 1], Rotation.concatenate([one, other]))(abs(curl))
                                      for one, other in zip(rotations, goal, strict=True)])
    aside = [ASIDE[name[:-1]] if name.endswith("1") else 0.0 for name in MANO_JOINT_NAMES[1:]]
    rotations = Rotation.from_rotvec(np.radians(spread * np.array(aside))[:, None] * PALM_AXIS) * rotations
    pose = mirror_rotvec(rotations.as_rotvec()) if left else rotations.as_rotvec()
    betas = np.array(hand.betas, float)
    betas[0] += LARGEST_SHAPE * shape
    posed = model(*(np.asarray(part, np.float32)[None]
                    for part in (hand.global_orient, pose.ravel(), betas, np.zeros(3))))
    joints = model.data_joints(posed)[0].astype(float)
    transl = hand.joints_3d[0] - joints[0]
    return replace(hand, hand_pose=pose.ravel(), betas=betas, transl=transl, joints_3d=joints + transl,
                   vertices=posed.vertices[0] + transl)


def _fist() -> Rotation:
    """Of the 15 joints of a right hand's fingers, in MANO's order."""
    turns = []
    for name in MANO_JOINT_NAMES[1:]:
        thumb, place = name.startswith("thumb"), int(name[-1]) - 1
        axis = THUMB_FLEXION_AXIS / np.linalg.norm(THUMB_FLEXION_AXIS) if thumb else FINGER_FLEXION_AXIS
        turns.append(np.radians((FIST_THUMB if thumb else FIST)[place]) * axis)
    return Rotation.from_rotvec(turns)
