"""Aligns a posed hand with where its joints are seen: a few Gauss-Newton steps from the network's pose."""
from __future__ import annotations

import numpy as np
import roma
import torch

from .hand_model import HandModel

# How far (radians, one deviation) a joint may reasonably be turned from the network's answer: twist, spread, flexion.
WRIST, KNUCKLE, HINGE, THUMB = (0.12,) * 3, (0.06, 0.10, 0.25), (0.02, 0.02, 0.25), (0.12, 0.12, 0.12)
TURN_DEVIATION = np.array([WRIST, *(KNUCKLE, HINGE, HINGE) * 4, *(THUMB,) * 3])  # (16, 3)


def refine(skeleton: HandModel, rotations: np.ndarray, betas: np.ndarray, transl: np.ndarray, rays: np.ndarray,
           ray_deviation: np.ndarray, steps: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (16, 3, 3) and translation (3,), metres, of a hand whose joints lie closer to what is seen.

    `skeleton` is the hand model's `joints_only()`. Seen are viewing rays (21, 2) = (x / z, y / z), each to a deviation
    (21,). Least squares of these and of the joints' turns away from the given pose, each over its deviation (maximum a
    posteriori); turns are about the joints' own axes, so that the Jacobian is the cross product of axis and lever. The
    network's depths take no part: with them, 3D came out worse on held-out renders.
    """
    carries = _carries(skeleton)
    away = np.zeros((16, 3))
    transl = np.array(transl, float)
    for _ in range(steps):
        turns, pivots, points = _pose(skeleton, rotations, betas)
        points = points + transl
        # d point / d turn about joint k's axis = axis x (point - pivot), for the joints that k carries.
        levers = points[:, None] - (pivots + transl)
        motion = np.cross(turns.transpose(0, 2, 1)[None], levers[:, :, None]) * carries[..., None, None]
        motion = np.concatenate([motion.reshape(21, 48, 3), np.tile(np.eye(3), (21, 1, 1))], 1)  # (21, 51, 3)
        x, y, z = points.T
        seen_u = (motion[..., 0] - (x / z)[:, None] * motion[..., 2]) / z[:, None]
        seen_v = (motion[..., 1] - (y / z)[:, None] * motion[..., 2]) / z[:, None]
        prior = np.hstack([np.diag(1 / TURN_DEVIATION.ravel()), np.zeros((48, 3))])
        system = np.vstack([seen_u / ray_deviation[:, None], seen_v / ray_deviation[:, None], prior])
        left = np.concatenate([(rays[:, 0] - x / z) / ray_deviation, (rays[:, 1] - y / z) / ray_deviation,
                               -away.ravel() / TURN_DEVIATION.ravel()])
        step = np.linalg.lstsq(system, left, rcond=None)[0]
        turn = step[:48].reshape(16, 3).clip(-0.5, 0.5)
        away += turn
        rotations = rotations @ roma.rotvec_to_rotmat(torch.from_numpy(turn)).numpy()
        transl = transl + step[48:]
    return rotations, transl


def _carries(skeleton: HandModel) -> np.ndarray:
    """(21, 16) 0 or 1: whether a turn of the posed joint moves the reported joint."""
    carried = np.zeros((21, 16))
    for joint, bone in enumerate(skeleton.joint_bone):
        while bone >= 0:
            carried[joint, bone] = 1
            bone = skeleton.parents[bone]
    return carried


def _pose(skeleton: HandModel, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turns (16, 3, 3) of the joints' frames, their places (16, 3) and the reported joints (21, 3)."""
    rotations, betas = (torch.as_tensor(values, dtype=torch.float32)[None] for values in (rotations, betas))
    turns, places = skeleton.chain(rotations, skeleton.rest(betas)[1])
    joints = skeleton.pose(rotations, betas, torch.zeros(1, 3)).joints
    return tuple(values[0].numpy().astype(float) for values in (turns, places, joints))
