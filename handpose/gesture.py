"""The names of a few plain gestures."""
from __future__ import annotations

import numpy as np

from .hand import Hand
from .hand_model.skeleton import FINGERS, TIP_JOINTS

# Chosen on 215 real photos so that a name is seldom wrong (about one in fifteen) and often missing.
STRAIGHT, CURLED = 52.0, 75.0  # degrees between bones, at a finger's two outer joints: less is straight, more curled
THUMB_OUT = 0.55  # of the palm's length, from the thumb's tip to the nearest knuckle: a thumb that stands off
THUMB_STRAIGHT = 55.0  # degrees between bones, at the thumb's two outer joints
UPRIGHT = 40.0  # degrees off the photo's up, at most, of a thumb that points up
SPREAD = 9.0  # degrees between index and middle finger of a V, at least


def gesture(hand: Hand) -> str | None:
    """"open hand", "fist", "pointing", "thumbs up" or "victory"; None for everything else, which is most poses.

    By the angles of the 3D joints alone; "thumbs up" takes the photo's up for the world's.
    """
    joints = hand.joints_3d
    bends = {finger: _bone_angles(joints[tip - 3:tip + 1]) for finger, tip in zip(FINGERS, TIP_JOINTS, strict=True)}
    fingers = FINGERS[1:]
    straight = {finger for finger in fingers if bends[finger] < STRAIGHT}
    curled = {finger for finger in fingers if bends[finger] > CURLED}
    thumb = joints[4] - joints[2]
    gap = np.linalg.norm(joints[[5, 6, 9, 10, 13, 17]] - joints[4], axis=1).min()
    out = bends["thumb"] < THUMB_STRAIGHT and gap > THUMB_OUT * np.linalg.norm(joints[9] - joints[0])
    if len(straight) == 4 and out:
        return "open hand"
    if len(curled) == 4:
        up = _angle(thumb, np.array([0.0, -1.0, 0.0])) < UPRIGHT
        return None if out and not up else "thumbs up" if out else "fist"
    if straight == {"index"} and len(curled) == 3:
        return "pointing"
    apart = _angle(joints[8] - joints[5], joints[12] - joints[9])
    if straight == {"index", "middle"} and len(curled) == 2 and apart > SPREAD and not out:
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
