"""Aligns a posed hand with where its joints are seen: a few Gauss-Newton steps from the network's pose."""
from __future__ import annotations

import numpy as np
import roma
import torch

from .hand_model import HandModel

# How far (radians, one deviation) a joint may reasonably be turned from the network's answer: twist, spread, flexion.
WRIST, KNUCKLE, HINGE, THUMB = (0.08,) * 3, (0.04, 0.07, 0.18), (0.015, 0.015, 0.18), (0.08, 0.08, 0.08)
SHAPE_DEVIATION = 0.5  # of each of betas
TURN_DEVIATION = np.array([WRIST, *(KNUCKLE, HINGE, HINGE) * 4, *(THUMB,) * 3])  # (16, 3)


def refine(skeleton: HandModel, rotations: np.ndarray, betas: np.ndarray, transl: np.ndarray, rays: np.ndarray,
           ray_deviation: np.ndarray, steps: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (16, 3, 3), betas (10,), translation (3,), metres, of a hand whose joints lie closer to what is seen.

    `skeleton` is the hand model's `joints_only()`. Seen are viewing rays (21, 2) = (x / z, y / z), each to a deviation
    (21,). Least squares of these and of the changes to the given pose and shape, each over its deviation (maximum a
    posteriori); turns are about the joints' own axes, so that the Jacobian is the cross product of axis and lever.
    Shape takes part so that a finger longer than the model's is not taken for one that is bent less. The network's
    depths take none: with them, 3D came out worse on held-out renders.
    """
    carries = _carries(skeleton)
    away, given = np.zeros((16, 3)), np.array(betas, float)
    betas, shapes = given.copy(), len(given)
    deviation = np.append(TURN_DEVIATION.ravel(), np.full(shapes, SHAPE_DEVIATION))
    prior = np.hstack([np.diag(1 / deviation), np.zeros((48 + shapes, 3))])
    transl = np.array(transl, float)
    for _ in range(steps):
        turns, pivots, points, growth = _pose(skeleton, rotations, betas)
        points = points + transl
        # d point / d turn about joint k's axis = axis x (point - pivot), for the joints that k carries.
        levers = points[:, None] - (pivots + transl)
        motion = np.cross(turns.transpose(0, 2, 1)[None], levers[:, :, None]) * carries[..., None, None]
        motion = np.concatenate([motion.reshape(21, 48, 3), growth, np.tile(np.eye(3), (21, 1, 1))], 1)  # (21, 61, 3)
        x, y, z = points.T
        seen_u = (motion[..., 0] - (x / z)[:, None] * motion[..., 2]) / z[:, None]
        seen_v = (motion[..., 1] - (y / z)[:, None] * motion[..., 2]) / z[:, None]
        system = np.vstack([seen_u / ray_deviation[:, None], seen_v / ray_deviation[:, None], prior])
        left = np.concatenate([(rays[:, 0] - x / z) / ray_deviation, (rays[:, 1] - y / z) / ray_deviation,
                               -np.append(away, betas - given) / deviation])
        step = np.linalg.lstsq(system, left, rcond=None)[0]
        turn = step[:48].reshape(16, 3).clip(-0.5, 0.5)
        away += turn
        rotations = rotations @ roma.rotvec_to_rotmat(torch.from_numpy(turn)).numpy()
        betas = betas + step[48:-3]
        transl = transl + step[-3:]
    return rotations, betas, transl


def _carries(skeleton: HandModel) -> np.ndarray:
    """(21, 16) 0 or 1: whether a turn of the posed joint moves the reported joint."""
    carried = np.zeros((21, 16))
    for joint, bone in enumerate(skeleton.joint_bone):
        while bone >= 0:
            carried[joint, bone] = 1
            bone = skeleton.parents[bone]
    return carried


def _pose(skeleton: HandModel, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, ...]:
    """Turns (16, 3, 3) of the joints' frames, their places (16, 3), the reported joints (21, 3), and how these move
    with each of betas (21, B, 3)."""
    count = len(betas)
    rotations = torch.as_tensor(rotations, dtype=torch.float32).expand(count + 1, 16, 3, 3)
    betas = torch.as_tensor(betas, dtype=torch.float32) + torch.eye(count + 1, count).roll(1, 0)  # first the hand's own
    turns, places = skeleton.chain(rotations[:1], skeleton.rest(betas[:1])[1])
    joints = skeleton.pose(rotations, betas, torch.zeros(count + 1, 3)).joints  # linear in betas: differences are exact
    growth = (joints[1:] - joints[:1]).transpose(0, 1)
    return tuple(values.numpy().astype(float) for values in (turns[0], places[0], joints[0], growth))
