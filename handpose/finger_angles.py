"""How far each finger is bent: the signed flexion of its joints."""
from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from .hand import Hand
from .hand_model.model import mirror_rotvec
from .hand_model.skeleton import FINGER_FLEXION_AXIS, FINGERS, MANO_JOINT_NAMES, THUMB_FLEXION_AXIS


def finger_bends(hand: Hand) -> dict[str, float]:
    """Degrees by which each finger's tip is turned against the palm, of the thumb's against its metacarpal.

    The sum of `joint_flexions`: 0 of a flat hand, negative of a finger that is bent back.
    """
    flexions = joint_flexions(hand)
    return {finger: float((flexions[finger][1:] if finger == "thumb" else flexions[finger]).sum())
            for finger in FINGERS}


def joint_flexions(hand: Hand) -> dict[str, np.ndarray]:
    """Degrees (3,) in -180..180 that each finger's joints bend, from the palm outwards; hyperextension is negative.

    Flexion is the part of a joint's rotation in `hand_pose` that turns about the joint's flexion axis, the rest being a
    swing of that axis (swing-twist decomposition; Dobrowolski, Swing-twist decomposition in Clifford algebra, 2015):
    spreading a finger or rolling it about its bone does not change it. It is 0 in the flat rest pose, from which
    `hand_pose` counts, whatever the hand model; angles between the bones of the 3D joints are not, as no hand's
    skeleton is quite straight when the hand is flat, and they have no sign. A left hand's rotations are mirrored first.
    """
    pose = np.asarray(hand.hand_pose, float).reshape(15, 3)
    rotation = Rotation.from_rotvec(pose if hand.side == "right" else mirror_rotvec(pose))
    x, y, z, w = rotation.as_quat(canonical=True).T
    flexions = {}
    for finger in FINGERS:
        axis = THUMB_FLEXION_AXIS if finger == "thumb" else FINGER_FLEXION_AXIS
        about = np.stack([x, y, z], 1) @ (axis / np.linalg.norm(axis))
        first = MANO_JOINT_NAMES.index(f"{finger}1") - 1  # `hand_pose` goes without the wrist
        flexions[finger] = np.degrees(2 * np.arctan2(about, w))[first:first + 3]
    return flexions
