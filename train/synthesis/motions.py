"""Hands that move in known ways, described as a tracker without errors would describe them."""
from __future__ import annotations

import numpy as np

from handpose.camera import Camera
from handpose.hand import Hand, TrackedHand
from handpose.hand_model.model import HandModel, mirror_rotvec
from handpose.hand_model.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from handpose.hand_model.skeleton import THUMB_FLEXION_AXIS

# Palm to the camera, fingers up: where the axes of the hand at rest (fingers -x, back of the hand y, thumb z) point.
UPRIGHT = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
CURL = np.array([1.3, 1.6, 1.0])  # rad, of a finger's three joints when it is curled
THUMB_CURL = np.array([.3, .6, .9])[:, None] * THUMB_FLEXION_AXIS


MOTIONS = ("rest", "wave", "cross", "leave")


def move(motion: str, t: np.ndarray, number: int, of: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How right hand `number` of so many moves at times t (T,) seconds, in a motion of that name.

    The middle of the hand (T, 3), metres in the camera frame; pitch, yaw and roll (T, 3), radians about the camera's
    axes; how far the fingers are curled (T, 5), thumb first, 0 straight .. 1. Raises ValueError for another name.
    """
    def path(*columns: np.ndarray | float) -> np.ndarray:
        return np.column_stack([np.broadcast_to(column, t.shape) for column in columns])

    def wave(hertz: float) -> np.ndarray:
        return np.sin(2 * np.pi * (hertz * t + .31 * number))

    aside = 0.0 if of == 1 else .13  # a left hand's x is mirrored later
    around = np.cos(2 * np.pi * t / 3)  # there and back in three seconds
    at_ease = path(.15, .1, .12, .18, .22)
    if motion == "rest":
        return path(aside, .02, .55), path(.1, .2, -.1), at_ease
    if motion == "wave":
        return (path(aside + .04 * wave(.5), .02 + .02 * wave(.4), .58 + .05 * wave(.3)),
                path(.15 * wave(.35), .45 * wave(.4), .35 * wave(.6)),
                path(*(.3 - .25 * np.cos(2 * np.pi * (.5 * t + .31 * number - .06 * finger)) for finger in range(5))))
    if motion == "cross":  # each to the other's side, the second hand behind the first
        return path(.14 * around, .02, .5 + .14 * number), path(.1, .15 * wave(.3), .1 * wave(.5)), at_ease
    if motion == "leave":  # out of the picture at the side
        return path(.22 - .24 * around + aside, .02, .5), path(.1, .1, 0), at_ease
    raise ValueError(f"There is no motion {motion!r}: name one of {', '.join(MOTIONS)}.")


def stage(motion: str, hands: int, times_s: np.ndarray, camera: Camera, seed: int = 0) -> list[list[TrackedHand]]:
    """The hands of each frame: tracks 1 (right), 2 (left), 3 (right), ... with exact parameters, joints and meshes."""
    right = HandModel.load()
    models = {"right": right, "left": right.left()}
    middle_of_hand = right(*(np.zeros((1, n)) for n in (3, 45, 10, 3))).joints[0].mean(0)
    rng = np.random.default_rng(seed)
    frames: list[list[TrackedHand]] = [[] for _ in times_s]
    for number in range(hands):
        betas = np.tile(rng.normal(0, .6, 10), (len(times_s), 1))
        side, pose = "left" if number % 2 else "right", np.zeros((len(times_s), 15, 3))
        middle, turn, curl = move(motion, times_s, number, hands)
        for finger in range(4):  # MANO's order: index, middle, little, ring
            pose[:, 3 * finger:3 * finger + 3, 2] = curl[:, finger + 1, None] * CURL
        pose[:, 12:] = curl[:, :1, None] * THUMB_CURL
        pitch, yaw, roll = (rotvec_to_rotmat(np.outer(angle, axis))
                            for angle, axis in zip(turn.T, np.eye(3), strict=True))
        orient = rotmat_to_rotvec(roll @ yaw @ pitch @ UPRIGHT)
        if side == "left":
            middle, orient, pose = middle * [-1, 1, 1], mirror_rotvec(orient), mirror_rotvec(pose)
        values = [orient, pose.reshape(-1, 45), betas]
        posed = models[side](*values, np.zeros((len(times_s), 3)))
        # The hand turns about the middle of its palm at rest, wherever its fingers are.
        offset = middle_of_hand * ([-1, 1, 1] if side == "left" else [1, 1, 1])
        root = models[side].rest(betas)[1][:, 0]
        turned = np.einsum("tij,tj->ti", rotvec_to_rotmat(orient), offset - root)
        transl = middle - turned - root
        for row, frame in enumerate(frames):
            joints = posed.joints[row] + transl[row]
            uv = camera.project(joints)
            frame.append(TrackedHand(number + 1, Hand(
                side, 1.0, np.concatenate([uv.min(0), uv.max(0)]), right.name, uv, joints,
                posed.vertices[row] + transl[row], models[side].faces, orient[row], pose[row].reshape(45),
                betas[row], transl[row])))
    return frames
