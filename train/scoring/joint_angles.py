"""How far each joint is bent and spread, in closed form from the 21 joints alone, so that any system can be measured.

A finger is walked from the palm to its tip. At each joint the bone before it, called forward, and a lateral axis span a
frame, and two angles turn forward onto the next bone, in the order that the International Society of Biomechanics
recommends (Wu et al., 2005, after Grood and Suntay, 1983): flexion about the lateral axis, then abduction about the
axis that flexion has moved. So abduction is the bone's angle out of the plane in which the finger bends, and is defined
however far the finger is bent.

    fingers, MCP      forward from the wrist to the middle knuckle; lateral in the palm, towards the thumb
    thumb, CMC        the same forward; lateral out of the palm: flexion goes across the palm, abduction away from it
    all joints after  forward along the bone before; lateral as at the joint before, made perpendicular to forward

The palm is spanned by forward and the knuckles of index and little finger. How the thumb is rolled about its bones,
joints do not tell: of the open hand's thumb, whose axes are oblique to the palm, flexion comes out a tenth to a quarter
too small. What a left hand's fingers bend and its thumb spreads has the other sign, which no difference between two
hands of one side knows.
"""
from __future__ import annotations

import numpy as np

from handpose.hand_model.skeleton import FINGERS

STRAIGHT_ASIDE = 0.2  # of a bone's length in the plane of flexion: with less, how far it is bent cannot be said
# What is reported: name -> fingers and joints (0 is the one next to the palm) whose mean it is.
THUMB, OTHERS = [0], [1, 2, 3, 4]
FLEXIONS = {"thumb CMC": (THUMB, 0), "thumb MCP": (THUMB, 1), "thumb IP": (THUMB, 2), "MCP": (OTHERS, 0),
            "PIP": (OTHERS, 1), "DIP": (OTHERS, 2)}
ABDUCTIONS = {"thumb CMC": THUMB, "MCP": OTHERS}
FLEXION, ABDUCTION = "flexion", "abduction"
ANGLES = (*(f"{FLEXION} {name}" for name in FLEXIONS), *(f"{ABDUCTION} {name}" for name in ABDUCTIONS))


def joint_angles(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flexion (.., 5, 3) of the fingers' joints, thumb first, and abduction (.., 5) of those next to the palm; degrees.

    `joints` (.., 21, 3) in any unit and frame. NaN where bones have no length, and flexion where a bone points straight
    aside.
    """
    joints = np.asarray(joints, float)
    wrist, index, middle, little = (joints[..., joint, :] for joint in (0, 5, 9, 17))
    flexions, abductions = [], []
    with np.errstate(invalid="ignore", divide="ignore"):  # of bones without length
        along_hand = _unit(middle - wrist)
        out_of_palm = _perpendicular(np.cross(index - wrist, little - wrist), along_hand)  # of a right hand's
        for number, finger in enumerate(FINGERS):
            chain = joints[..., 1 + 4 * number:5 + 4 * number, :]
            forward, lateral = along_hand, out_of_palm if finger == "thumb" else np.cross(along_hand, out_of_palm)
            bent, spread = [], []
            for bone in np.moveaxis(np.diff(chain, axis=-2), -2, 0):
                bone, bending = _unit(bone), np.cross(lateral, forward)
                along, across, aside = ((bone * axis).sum(-1) for axis in (forward, bending, lateral))
                bent.append(np.where(np.hypot(along, across) < STRAIGHT_ASIDE, np.nan, np.arctan2(across, along)))
                spread.append(np.arcsin(aside.clip(-1, 1)))
                forward, lateral = bone, _perpendicular(lateral, bone)
            flexions.append(np.stack(bent, -1))
            abductions.append(spread[0])
    return np.degrees(np.stack(flexions, -2)), np.degrees(np.stack(abductions, -1))


def angle_errors(joints: np.ndarray, goal: np.ndarray) -> dict[str, float]:
    """Mean absolute differences in degrees between two hands (21, 3): of all flexions, all abductions, and ANGLES."""
    flexion, abduction = (np.abs((ours - true + 180) % 360 - 180)
                          for ours, true in zip(joint_angles(joints), joint_angles(goal), strict=True))
    values = {FLEXION: flexion, ABDUCTION: abduction}
    values |= {f"{FLEXION} {name}": flexion[fingers, joint] for name, (fingers, joint) in FLEXIONS.items()}
    values |= {f"{ABDUCTION} {name}": abduction[fingers] for name, fingers in ABDUCTIONS.items()}
    return {name: float(angles[np.isfinite(angles)].mean()) if np.isfinite(angles).any() else np.nan
            for name, angles in values.items()}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _perpendicular(vectors: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The unit vectors that are left of vectors (.., 3) without their part along unit vectors `to`."""
    return _unit(vectors - (vectors * to).sum(-1, keepdims=True) * to)
