"""The names of a few plain gestures."""
from __future__ import annotations

import numpy as np

from .hand import Hand
from .hand_model.skeleton import FINGERS, TIP_JOINTS

# Chosen on a third of some 1,400 photos of digits and on the letters of the finger alphabet so that a name is seldom
# wrong and sometimes missing; `python -m benchmarks.gestures` measures them on the rest, too. Bends are degrees between
# bones at a finger's two outer joints, lengths are shares of the palm's, from the wrist to the middle knuckle.
STRAIGHT, NEARLY_STRAIGHT = 48.0, 60.0  # degrees: less is straight, or nearly
CURLED, FIST = 90.0, 110.0  # degrees: more is curled, or closed to a fist
RING = 0.4  # of the thumb's tip from the index finger's: less closes a ring
RING_BENDS = 50.0, 100.0  # degrees of an index finger that closes one
POINTING = 45.0  # degrees: of an index finger that points and is not hooked
THUMB_STRAIGHT, THUMB_FOLDED = 55.0, 58.0  # degrees: a thumb that stands off is bent less, one across the palm more
THUMB_TUCKED = 95.0  # degrees: a thumb that is bent more closes a letter of the finger alphabet
THUMB_OUT, THUMB_IN, THUMB_AT_FIST = 0.55, 0.5, 0.42  # from its tip to the nearest knuckle: stands off, does not
THUMB_BEFORE_PALM = 0.4  # of a folded thumb's tip from the knuckles
TIPS_MEET, TIPS_NEAR, TIPS_APART = 0.32, 0.85, 1.05  # of the thumb's tip from the little finger's
V, RING_OFF = (12.0, 45.0), 30.0  # degrees between index and middle finger of a V, and of a ring and a straight finger
SIDE_BY_SIDE = 0.12  # by which the tips of a V lie apart across the palm: crossed fingers do not


def gesture(hand: Hand) -> str | None:
    """"open hand", "fist", "pointing", "victory", "three", "four", "OK" or "call"; None for all else.

    Most poses are none of these. "three" is without thumb and little finger, which touch; "four" folds the thumb;
    "call" spreads thumb and little finger alone. By the 3D joints. A raised thumb has no name: there are no photos
    here by which to measure how often it would be wrong.
    """
    joints = hand.joints_3d
    palm = np.linalg.norm(joints[9] - joints[0])
    bends = {finger: _bone_angles(joints[tip - 3:tip + 1]) for finger, tip in zip(FINGERS, TIP_JOINTS, strict=True)}
    thumb, index, middle, ring, little = bends.values()
    off = np.linalg.norm(joints[[5, 6, 9, 10, 13, 17]] - joints[4], axis=1).min() / palm
    to_index, to_little = (np.linalg.norm(joints[4] - joints[tip]) / palm for tip in (8, 20))
    out = thumb < THUMB_STRAIGHT and off > THUMB_OUT
    apart = _angle(joints[8] - joints[5], joints[12] - joints[9])
    if max(index, middle, ring, little) < STRAIGHT:
        if out and to_little > TIPS_APART and apart < V[1]:
            return "open hand"
        return "four" if thumb > THUMB_FOLDED and THUMB_BEFORE_PALM < off and to_little < TIPS_APART else None
    if (to_index < RING and RING_BENDS[0] < index < RING_BENDS[1] and max(middle, ring, little) < STRAIGHT
            and apart > RING_OFF):
        return "OK"
    if max(index, middle, ring) < NEARLY_STRAIGHT < little and to_little < TIPS_MEET:
        return "three"
    if min(index, middle, ring) > CURLED and little < STRAIGHT and out and to_little > TIPS_APART:
        return "call"
    if min(index, middle, ring, little) > FIST:
        return "fist" if off < THUMB_AT_FIST else None
    if (index < POINTING and min(middle, ring, little) > CURLED and thumb < THUMB_TUCKED and off < THUMB_IN
            and to_little < TIPS_NEAR):
        return "pointing"
    across = (joints[5] - joints[17]) / np.linalg.norm(joints[5] - joints[17])
    if (max(index, middle) < STRAIGHT and little > STRAIGHT and ring > CURLED and V[0] < apart < V[1]
            and to_little < TIPS_NEAR and (joints[8] - joints[12]) @ across / palm > SIDE_BY_SIDE):
        return "victory"
    return None


def _bone_angles(joints: np.ndarray) -> float:
    """Degrees between the three bones of a finger's four joints (4, 3), both angles together, without a sign.

    They are not the flexions of `joint_angles`: the thresholds were chosen on these.
    """
    bones = np.diff(joints, axis=0)
    return _angle(bones[0], bones[1]) + _angle(bones[1], bones[2])


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    """Degrees between two vectors (3,)."""
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other)))
