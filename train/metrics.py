"""The errors that the field reports of hands; definitions as in FreiHAND (Zimmermann et al., 2019)."""
from __future__ import annotations

import numpy as np

from handpose.skeleton import BONES, PALM_JOINTS


def procrustes(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """`points` (..., P, 3) moved onto `goal` by the best similarity, without reflection."""
    a, b = points - points.mean(-2, keepdims=True), goal - goal.mean(-2, keepdims=True)
    u, s, vt = np.linalg.svd(a.swapaxes(-1, -2) @ b)
    sign = np.ones(s.shape)
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    scale = (s * sign).sum(-1) / (a**2).sum((-1, -2))
    return scale[..., None, None] * a @ (u * sign[..., None, :]) @ vt + goal.mean(-2, keepdims=True)


def pa_mpjpe(joints: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(...,) mean distance in mm after Procrustes, of joints (..., P, 3) in metres. Of vertices it is PA-MPVPE."""
    return 1000 * np.linalg.norm(procrustes(joints, goal) - goal, axis=-1).mean(-1)


def root_relative(joints: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(...,) mm: wrist at the origin, scaled by the sum of the 20 bones' lengths, mean over the other 20 joints."""
    joints, goal = joints - joints[..., :1, :], goal - goal[..., :1, :]
    parents, children = np.array(BONES).T
    size = lambda j: np.linalg.norm(j[..., children, :] - j[..., parents, :], axis=-1).sum(-1)  # noqa: E731
    joints = joints * (size(goal) / size(joints))[..., None, None]
    return 1000 * np.linalg.norm(joints - goal, axis=-1)[..., 1:].mean(-1)


def palm_rotation(joints: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(...,) degrees between the palms (wrist and knuckles) of joints (..., 21, 3)."""
    palm = list(PALM_JOINTS)
    a, b = ((j - j[..., :1, :])[..., palm, :] for j in (joints, goal))
    u, _, vt = np.linalg.svd(a.swapaxes(-1, -2) @ b)
    sign = np.ones(u.shape[:-1])
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    turn = (u * sign[..., None, :]) @ vt
    return np.degrees(np.arccos(np.clip((np.trace(turn, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def error_2d(joints: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(...,) mean pixel distance of joints (..., 21, 2) over the larger side of the true joints' box."""
    return np.linalg.norm(joints - goal, axis=-1).mean(-1) / np.ptp(goal, axis=-2).max(-1)
