"""Aligns a posed hand with where its joints are seen: a few Gauss-Newton steps from the network's pose."""
from __future__ import annotations

import numpy as np

from .hand_model.model import HandModel
from .hand_model.rotations import rotvec_to_rotmat
from .placement import NEAREST, solve_translation

# How far (radians, one deviation) a joint may reasonably be turned from the network's answer: twist, spread, flexion.
WRIST, KNUCKLE, HINGE, THUMB = (0.08,) * 3, (0.04, 0.07, 0.18), (0.015, 0.015, 0.18), (0.08, 0.08, 0.08)
SHAPE_DEVIATION = 0.5  # of each of betas
SIZE_DEVIATION = 0.01  # of all of them together, in the size that they give the hand
KNOWN_DEVIATION = 1e-4  # of each of betas where the shape is known
# Metres: how well a landmark model knows its world points, and how far off they are when they are trusted half as much.
WORLD_DEVIATION, WORLD_DOUBT = 0.01, 0.015
CROSS = np.cross(np.eye(3)[:, None], np.eye(3)).transpose(0, 2, 1).reshape(3, 9)  # of the axes, see `_skew`
TURN_DEVIATION = np.array([WRIST, *(KNUCKLE, HINGE, HINGE) * 4, *(THUMB,) * 3])  # (16, 3)


def align(skeleton: HandModel, rotations: np.ndarray, betas: np.ndarray, rays: np.ndarray, ray_deviation: np.ndarray,
          world: np.ndarray | None = None, steps: int = 2, keep_shape: bool = False
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (16, 3, 3), betas (10,), translation (3,), metres, of a hand whose joints lie closer to what is seen.

    `skeleton` is the hand model's `joints_only()`. Seen are viewing rays (21, 2) = (x / z, y / z), each to a deviation
    (21,). Least squares of these and of the changes to the given pose and shape, each over its deviation (maximum a
    posteriori); turns are about the joints' own axes, so that the Jacobian is the cross product of axis and lever.
    Shape takes part so that a finger longer than the model's is not taken for one that is bent less, but not with
    `keep_shape`. The hand's size is as good as kept: a smaller hand nearer by looks the same, and only the perspective
    that a pose leaves unexplained would tell of it. The network's depths take no part: with them, 3D came out worse on
    held-out renders. A landmark model's world points, `world` (21, 3)
    metres, tell of the joints about their middle, in the hand's own size: a second opinion, for its errors are others.
    """
    carries = skeleton.ancestors[skeleton.joint_bone][..., None]
    shapes = len(betas)
    posed = skeleton.pose(rotations[None], betas[None], np.zeros((1, 3)))
    transl = solve_translation(skeleton.data_joints(posed), rays[None], ray_deviation[None] ** -2, NEAREST)[0]
    of_shape = np.full(shapes, (KNOWN_DEVIATION if keep_shape else SHAPE_DEVIATION) ** -2)
    information = np.diag(np.concatenate([TURN_DEVIATION.ravel() ** -2, of_shape, np.zeros(3)]))
    jacobian = np.zeros((21, 3, len(information)))  # of the joints by turns, betas, translation
    jacobian[:, :, 48:-3] = skeleton.growth(posed.turns[0])  # which small turns hardly change
    growth = _growth_of_size(skeleton.data_joints(posed)[0], jacobian[:, :, 48:-3])
    information[48:-3, 48:-3] += np.outer(growth, growth) / SIZE_DEVIATION ** 2
    jacobian[:, :, -3:] = np.eye(3)
    weight = 1 / ray_deviation[:, None]
    change = np.zeros(len(information))
    for count in range(steps):
        if count:
            posed = skeleton.pose(rotations[None], (betas + change[48:-3])[None], np.zeros((1, 3)))
        points, turns, pivots = (part[0] for part in (skeleton.data_joints(posed), posed.turns, posed.pivots))
        # d point / d turn about joint k's axis = axis x (point - pivot), for the joints that k carries.
        motion = _skew((pivots - points[:, None]) * carries) @ turns  # (21, 16, 3, 3 axes)
        jacobian[:, :, :48] = motion.transpose(0, 2, 1, 3).reshape(21, 3, 48)
        change[-1] = max(change[-1], NEAREST - transl[2] - points[:, 2].min())  # never behind the camera
        points = points + transl + change[-3:]
        seen = points[:, :2] / points[:, 2:]
        # Of the rays, each over its deviation, rows (u, v).
        by_ray = (jacobian[:, :2] - seen[..., None] * jacobian[:, 2:]) * (weight / points[:, 2:])[..., None]
        by_ray = by_ray.reshape(42, -1)
        normal = by_ray.T @ by_ray + information
        slope = by_ray.T @ ((rays - seen) * weight).ravel() - information @ change
        if world is not None:
            by_world, missing = _against_world(points, jacobian, world)
            normal += by_world.T @ by_world
            slope += by_world.T @ missing
        step = np.linalg.solve(normal, slope)
        step[:48] = step[:48].clip(-0.5, 0.5)
        change += step
        rotations = rotations @ rotvec_to_rotmat(step[:48].reshape(16, 3))
    return rotations, betas + change[48:-3], transl + change[-3:]


def _against_world(points: np.ndarray, jacobian: np.ndarray, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (63, N) of the Jacobian (21, 3, N) of points (21, 3) about their middle, and what these miss of the world
    points, both over their deviation. The farther off these are, the more they are doubted: a model that took the hand
    for another one says nothing of it (iteratively reweighted least squares of Geman and McClure's robust error, 1985,
    of the hand as a whole)."""
    points, world = points - points.mean(0), world - world.mean(0)
    missing = world * np.linalg.norm(points) / max(np.linalg.norm(world), 1e-9) - points
    doubt = 1 + (missing ** 2).sum(1).mean() / WORLD_DOUBT ** 2
    rows = (jacobian - jacobian.mean(0)).reshape(-1, jacobian.shape[2])
    return rows / (WORLD_DEVIATION * doubt), missing.ravel() / (WORLD_DEVIATION * doubt)


def _growth_of_size(points: np.ndarray, growth: np.ndarray) -> np.ndarray:
    """By what share of itself each of betas enlarges the root mean square distance of points (21, 3) from their middle,
    (10,), which move with betas by `growth` (21, 3, 10)."""
    points = points - points.mean(0)
    return np.einsum("jk,jkb->b", points, growth) / (points ** 2).sum()


def _skew(vectors: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) that multiply as the cross product with vectors (..., 3) from the left does."""
    return (vectors @ CROSS).reshape(*vectors.shape, 3)
