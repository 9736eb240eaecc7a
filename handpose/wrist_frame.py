"""Where the wrist is and how it is turned, in the frames that robots and headsets have: poses as 4x4 matrices.

A pose holds the axes of a frame as columns and its origin, in the photo's camera frame (x right, y down, z away;
metres): `pose @ [*point, 1]` brings a point of the frame into the camera's, `np.linalg.inv(pose)` the other way. Axes
are right-handed, of left hands, too.

    wrist_pose     MANO's own. Right: x from the fingers to the wrist, y out of the back, z to the thumb. Left, as of
                   MANO_LEFT: x from the wrist to the fingers, y out of the back, z to the thumb
    operator_pose  that of dex-retargeting (Qin et al., AnyTeleop, 2023): x out of the palm, z from the wrist to the
                   middle knuckle, and y, which makes them right-handed: to the thumb of a right hand, away from that
                   of a left one
    openxr_poses   those of OpenXR's 26 joints: x to the right of a hand that lies on its palm, fingers ahead; y out of
                   the back; -z along the bone towards the tip

docs/robots.md shows them.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .hand_model.rotations import rotvec_to_rotmat
from .hand_model.skeleton import (
    FINGER_DIRECTION,
    FINGER_FLEXION_AXIS,
    MANO_JOINT_NAMES,
    MANO_PARENTS,
    MIRROR,
    THUMB_DIRECTION,
    THUMB_FLEXION_AXIS,
)
from .joint_orders import OPENXR, in_order

if TYPE_CHECKING:
    from .hand import Hand

# Which of MANO's joints turns each of OpenXR's: palm and metacarpals go with the wrist, a tip with its last bone.
_PARTS = {"metacarpal": 0, "proximal": 1, "intermediate": 2, "distal": 3, "tip": 3}
_THUMB_PARTS = {"metacarpal": 1, "proximal": 2, "distal": 3, "tip": 3}


def _turned_by(name: str) -> int:
    finger, _, bone = name.partition("_")
    part = _THUMB_PARTS[bone] if finger == "thumb" else _PARTS.get(bone, 0)
    return MANO_JOINT_NAMES.index(f"{finger}{part}" if part else "wrist")


_TURNED_BY = [_turned_by(name) for name in OPENXR]
_ENDS = [name.endswith("tip") for name in OPENXR]
# Of the flat right hand: out of the back of each joint's finger, which is away from where it bends.
_BACKS = np.array([np.cross(THUMB_DIRECTION, THUMB_FLEXION_AXIS) if name.startswith("thumb")
                   else np.cross(FINGER_DIRECTION, FINGER_FLEXION_AXIS) for name in OPENXR])


def wrist_pose(hand: Hand) -> np.ndarray:
    """The wrist's pose (4, 4) in MANO's axes; its origin is the first of the 21 joints, its turn `global_orient`."""
    return _pose(rotvec_to_rotmat(np.asarray(hand.global_orient, float)), hand.joints_3d[0])


def operator_pose(hand: Hand) -> np.ndarray:
    """The wrist's pose (4, 4) in dex-retargeting's axes, by its own definition: of wrist, index and middle knuckle.

    `(hand.joints_3d - hand.joints_3d[0]) @ operator_pose(hand)[:3, :3]` are the joints as its retargeting takes them.
    """
    wrist, index, middle = (np.asarray(hand.joints_3d[joint], float) for joint in (0, 5, 9))
    fingers = _unit(middle - wrist)
    palm = _unit(np.cross(index - wrist, fingers)) * (1 if hand.side == "right" else -1)
    return _pose(np.stack([palm, np.cross(fingers, palm), fingers], 1), wrist)


def openxr_poses(hand: Hand) -> np.ndarray:
    """The poses (26, 4, 4) of OpenXR's joints, in the order of `joint_orders.OPENXR`; places are `in_order`'s.

    -z points to the next joint of the finger, at a tip as at the joint before, at the palm along the middle finger's
    metacarpal, at the wrist to where that begins; y is the direction out of the finger's back that is perpendicular to
    it. For OpenXR's own axes (y up, -z ahead of the viewer) multiply by `np.diag([1, -1, -1, 1])` from the left.
    """
    joints = in_order(np.asarray(hand.joints_3d, float), "openxr")
    along = np.zeros_like(joints)
    along[:-1] = np.diff(joints, axis=0)
    along[_ENDS] = along[np.flatnonzero(_ENDS) - 1]
    palm, wrist = OPENXR.index("palm"), OPENXR.index("wrist")
    base, knuckle = OPENXR.index("middle_metacarpal"), OPENXR.index("middle_proximal")
    along[palm], along[wrist] = joints[knuckle] - joints[palm], joints[base] - joints[wrist]
    backs = _BACKS if hand.side == "right" else _BACKS * MIRROR
    back = (_turns(hand)[_TURNED_BY] @ backs[..., None])[..., 0]
    z = -_unit(along)
    y = _unit(back - (back * z).sum(1, keepdims=True) * z)
    return _pose(np.stack([np.cross(y, z), y, z], -1), joints)


def _turns(hand: Hand) -> np.ndarray:
    """Frames (16, 3, 3) of MANO's joints in the camera's: each turned by its own rotation and by all that carry it."""
    turns = rotvec_to_rotmat(np.concatenate([hand.global_orient, hand.hand_pose]).astype(float).reshape(16, 3))
    for joint, parent in enumerate(MANO_PARENTS):
        if parent >= 0:  # a joint comes after the one that carries it
            turns[joint] = turns[parent] @ turns[joint]
    return turns


def _pose(axes: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Poses (.., 4, 4) of axes (.., 3, 3), in columns, and origins (.., 3)."""
    pose = np.zeros((*axes.shape[:-2], 4, 4))
    pose[..., :3, :3], pose[..., :3, 3], pose[..., 3, 3] = axes, origin, 1
    return pose


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
