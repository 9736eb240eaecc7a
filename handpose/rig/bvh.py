"""A hand's motion as BVH, the plain-text format of motion capture, which has a skeleton and no skin.

Centimetres and degrees, as motion capture has them; x right, y up, z towards the viewer, the camera at the origin.
Bones are as long as the hand's. With all rotations zero the hand is flat, the back of it up, its fingers along -x (a
left hand's along x). BVH knows neither times nor gaps: frames come at even steps from the clip's first to its last, as
many as the clip has, and while the hand is not seen it moves evenly from where it was to where it will be.
"""
from __future__ import annotations

from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.spatial.transform import Rotation

from ..hand_model.model import DISTAL_MANO_JOINTS
from ..hand_model.skeleton import MANO_JOINT_NAMES
from .motion import HandMotion

CM = 100.0  # centimetres in a metre
TO_Y_UP = Rotation.from_rotvec([np.pi, 0, 0])  # OpenCV's camera frame (y down, z away) to BVH's
# Rotations in the order of the channels, each about the axes that the one before has turned. The second is never near a
# quarter turn, where the other two cannot be told apart: of the wrist it would be with fingers that point at the
# camera, of a finger's joint if that twisted about its bone.
WRIST_EULER, EULER = "ZYX", "ZXY"
STILL_S = 1 / 30  # how long the one frame of a photo lasts


def bvh_text(motion: HandMotion) -> str:
    """The content of a `.bvh`. See the module for units, frame and times."""
    vertices, joints = (part[0].astype(float) for part in motion.model.rest(motion.betas.astype(np.float32)[None]))
    tips = dict(zip(DISTAL_MANO_JOINTS, vertices[motion.model.tip_vertices], strict=True))
    lines, order = ["HIERARCHY"], []

    def describe(joint: int, depth: int) -> None:
        order.append(joint)
        indent, parent = "\t" * depth, motion.model.parents[joint]
        offset = np.zeros(3) if parent < 0 else joints[joint] - joints[parent]
        positions, euler = ("6 Xposition Yposition Zposition", WRIST_EULER) if parent < 0 else ("3", EULER)
        lines.extend([f"{indent}{'ROOT' if parent < 0 else 'JOINT'} {motion.side}_{MANO_JOINT_NAMES[joint]}",
                      f"{indent}{{", f"{indent}\tOFFSET {_row(CM * offset)}",
                      f"{indent}\tCHANNELS {positions} {' '.join(f'{axis}rotation' for axis in euler)}"])
        for child in (other for other in range(16) if motion.model.parents[other] == joint):
            describe(child, depth + 1)
        if joint in tips:
            lines.extend([f"{indent}\tEnd Site", f"{indent}\t{{",
                          f"{indent}\t\tOFFSET {_row(CM * (tips[joint] - joints[joint]))}", f"{indent}\t}}"])
        lines.append(f"{indent}}}")

    describe(0, 0)
    times = np.linspace(motion.times_s[0], motion.times_s[-1], len(motion.times_s))
    rotations, wrist = motion.at(times)
    step = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else STILL_S
    lines += ["MOTION", f"Frames: {len(times)}", f"Frame Time: {step:.8f}"]
    wrist_turns = TO_Y_UP * Rotation.from_quat(rotations[:, 0])
    angles = [_angles(Rotation.from_quat(rotations[:, joint]), EULER) for joint in order[1:]]
    lines += map(_row, np.concatenate([CM * TO_Y_UP.apply(wrist), _angles(wrist_turns, WRIST_EULER), *angles], 1))
    return "\n".join(lines) + "\n"


def _angles(turns: Rotation, order: str) -> np.ndarray:
    """Euler angles (N, 3) in degrees that do not jump from frame to frame.

    The same rotation has another three, half a turn away in each: of both, those are taken that go on from the last.
    """
    with catch_warnings():
        simplefilter("ignore")  # where two angles cannot be told apart, any two that make the rotation will do
        angles = turns.as_euler(order, degrees=True)
    other = angles * [1, -1, 1] + 180
    apart, apart_other = (np.abs((one[1:] - angles[:-1] + 180) % 360 - 180).sum(1) for one in (angles, other))
    turned = np.cumsum(np.append(0, apart_other < apart)) % 2 == 1
    return np.unwrap(np.where(turned[:, None], other, angles), period=360, axis=0)


def _row(numbers: np.ndarray) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
