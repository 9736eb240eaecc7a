"""How far the joints of the fingers are bent and spread, in degrees: flexion and abduction, both with a sign.

At each joint two angles turn the bone before it, prolonged, onto the bone after it, in the order that the International
Society of Biomechanics recommends (Wu et al., 2005, after Grood and Suntay, 1983): flexion about the axis across the
finger, then abduction out of the plane in which the finger bends. What is left is a roll about the bone, which is not
reported. So spreading or rolling a finger is not bending it, and abduction is defined however far the finger is bent.

    flexion, fingers     positive towards the palm; hyperextension is negative
    flexion, thumb       positive across the palm, towards the little finger
    abduction, MCP       positive away from the middle finger; of the middle finger itself towards the thumb
    abduction, thumb CMC positive away from the palm

Of an estimated hand the rotations are known (`joint_angles`). Clinical zero is then the flat hand, that is the hand
model's rest pose, from which `hand_pose` counts: all fingers straight in the palm's plane, a little apart, the thumb
beside the palm (docs/joint_angles.md shows it). Of a hand of which only the 21 joints are known (`angles_of_joints`),
zero is where bones go on straight, and how the thumb is rolled is not known. The wrist's would need the forearm.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .hand_model.model import mirror_rotvec
from .hand_model.rotations import rotvec_to_rotmat
from .hand_model.skeleton import (
    FINGER_DIRECTION,
    FINGER_FLEXION_AXIS,
    FINGERS,
    JOINT_NAMES,
    MANO_JOINT_NAMES,
    THUMB_DIRECTION,
    THUMB_FLEXION_AXIS,
)

if TYPE_CHECKING:
    from .hand import Hand

FLEXION, ABDUCTION = "flexion", "abduction"
STRAIGHT_ASIDE = 0.2  # of a bone's length in the plane of flexion: with less, how far it is bent cannot be said
AWAY_FROM_MIDDLE = np.array([1, 1, 1, -1, -1])  # thumb .. little: the sign of abduction towards the thumb


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _perpendicular(vectors: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The unit vectors that are left of vectors (.., 3) without their part along unit vectors `to`."""
    return _unit(vectors - (vectors * to).sum(-1, keepdims=True) * to)


# Of the posed joints, thumb first, from the palm outwards: name, place in `hand_pose`, and in the flat right hand's
# frame the axis that the joint bends about and the direction of the finger across it.
_JOINTS = [name for name in JOINT_NAMES[1:] if not name.endswith("tip")]
_PLACES = [MANO_JOINT_NAMES.index(f"{finger}{part}") - 1 for finger in FINGERS for part in (1, 2, 3)]
_LATERAL = np.repeat([_unit(THUMB_FLEXION_AXIS)] + [FINGER_FLEXION_AXIS] * 4, 3, 0)
_FORWARD = _perpendicular(np.repeat([THUMB_DIRECTION] + [FINGER_DIRECTION] * 4, 3, 0), _LATERAL)

ANGLE_NAMES = tuple(f"{joint}_{motion}" for number, joint in enumerate(_JOINTS)
                    for motion in ((FLEXION, ABDUCTION) if number % 3 == 0 else (FLEXION,)))
"""The 20 angles that are reported: of each finger, thumb first, flexion and abduction of the joint next to the palm,
then flexion of the other two ("index_mcp_flexion", "index_mcp_abduction", "index_pip_flexion", ..)."""


def joint_angles(hand: Hand) -> dict[str, float]:
    """Degrees by name, in the order of ANGLE_NAMES: flexions in -180..180, abductions in -90..90.

    By the rotations in `hand_pose`; those of a left hand are mirrored first, so that signs mean the same for both.
    """
    return dict(zip(ANGLE_NAMES, angles_of_pose(hand.hand_pose, hand.side).tolist(), strict=True))


def angles_of_pose(hand_pose: np.ndarray, side: str = "right") -> np.ndarray:
    """Degrees (20,) of ANGLE_NAMES, of the rotations (45,) of a hand of a side."""
    flexion, abduction = _pose_angles(hand_pose, side)
    return np.column_stack([flexion[:, 0], abduction, flexion[:, 1:]]).ravel()


def finger_bends(hand: Hand) -> dict[str, float]:
    """Degrees by which each finger's tip is turned against the palm, of the thumb's against its metacarpal.

    The sum of its joints' flexions: 0 of a flat hand, negative of a finger that is bent back.
    """
    flexion, _ = _pose_angles(hand.hand_pose, hand.side)
    return {finger: float(flexion[number, 1:].sum() if finger == "thumb" else flexion[number].sum())
            for number, finger in enumerate(FINGERS)}


def _pose_angles(hand_pose: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Flexion (5, 3) and abduction (5,) in degrees, as `angles_of_joints` gives them."""
    pose = np.asarray(hand_pose, float).reshape(15, 3)[_PLACES]
    turns = rotvec_to_rotmat(pose if side == "right" else mirror_rotvec(pose))
    flexion, abduction = _turns_onto((turns @ _FORWARD[..., None])[..., 0], _FORWARD, _LATERAL)
    return np.degrees(flexion).reshape(5, 3), np.degrees(abduction[::3]) * AWAY_FROM_MIDDLE


def angles_of_joints(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flexion (.., 5, 3) of the fingers' joints, thumb first, and abduction (.., 5) of those next to the palm; degrees.

    `joints` (.., 21, 3) of right hands, in any unit and frame; mirror those of left ones. In closed form, so that any
    system's joints can be measured. A finger is walked from the palm to its tip:

        fingers, MCP      forward from the wrist to the middle knuckle; lateral in the palm, towards the thumb
        thumb, CMC        the same forward; lateral out of the palm
        all joints after  forward along the bone before; lateral as at the joint before, made perpendicular to forward

    The palm is spanned by forward and the knuckles of index and little finger. NaN where bones have no length, and
    flexion where a bone points straight aside.
    """
    joints = np.asarray(joints, float)
    wrist, index, middle, little = (joints[..., joint, :] for joint in (0, 5, 9, 17))
    flexions, abductions = [], []
    with np.errstate(invalid="ignore", divide="ignore"):  # of bones without length
        along_hand = _unit(middle - wrist)
        out_of_palm = _perpendicular(np.cross(index - wrist, little - wrist), along_hand)
        for number, finger in enumerate(FINGERS):
            chain = joints[..., 1 + 4 * number:5 + 4 * number, :]
            forward, lateral = along_hand, out_of_palm if finger == "thumb" else np.cross(along_hand, out_of_palm)
            bent, spread = [], []
            for bone in np.moveaxis(np.diff(chain, axis=-2), -2, 0):
                bone = _unit(bone)
                flexion, abduction = _turns_onto(bone, forward, lateral)
                bent.append(np.where(np.cos(abduction) < STRAIGHT_ASIDE, np.nan, flexion))
                spread.append(abduction)
                forward, lateral = bone, _perpendicular(lateral, bone)
            flexions.append(np.stack(bent, -1))
            abductions.append(spread[0])
    return np.degrees(np.stack(flexions, -2)), np.degrees(np.stack(abductions, -1)) * AWAY_FROM_MIDDLE


def _turns_onto(bone: np.ndarray, forward: np.ndarray, lateral: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radians by which unit vectors `forward` (.., 3) are turned onto `bone`: first about `lateral`, which is
    perpendicular to them, then out of the plane of this turn, towards `lateral`."""
    along, across, aside = ((bone * axis).sum(-1) for axis in (forward, np.cross(lateral, forward), lateral))
    return np.arctan2(across, along), np.arcsin(aside.clip(-1, 1))
