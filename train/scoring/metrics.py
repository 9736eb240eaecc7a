"""The errors that the field reports of hands; definitions as in FreiHAND (Zimmermann et al., 2019)."""
from __future__ import annotations

import numpy as np
import roma
import torch
from scipy.spatial import KDTree

from handpose.hand_model.skeleton import BONES, PALM_JOINTS

F_THRESHOLDS = {"F@5": 0.005, "F@15": 0.015}  # metres


def similarity(points: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best similarity from `points` (..., P, 3) to `goal`, without reflection: `points @ linear + shift`.

    `linear` (..., 3, 3) is a rotation times a scale, `shift` (..., 1, 3). Umeyama, Least-squares estimation of
    transformation parameters between two point patterns, 1991.
    """
    rotation, shift, scale = roma.rigid_points_registration(_tensor(points), _tensor(goal), compute_scaling=True)
    return (scale[..., None, None] * rotation).mT.numpy(), shift[..., None, :].numpy()


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, float))


def procrustes(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """`points` (..., P, 3) moved onto `goal` by the best similarity, without reflection."""
    linear, shift = similarity(points, goal)
    return points @ linear + shift


def pa_mpjpe(joints: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(...,) mean distance in mm after Procrustes, of joints (..., P, 3) in metres. Of vertices it is PA-MPVPE."""
    return 1000 * np.linalg.norm(procrustes(joints, goal) - goal, axis=-1).mean(-1)


def f_score(points: np.ndarray, goal: np.ndarray, thresholds: tuple[float, ...]) -> list[float]:
    """FreiHAND's F-score of a mesh's vertices (P, 3) against the true ones (Q, 3) at each threshold, all in one unit.

    The harmonic mean of two shares: of `points` with a vertex of `goal` nearer than the threshold, and of `goal` with
    one of `points`.
    """
    to_goal, to_points = KDTree(goal).query(points)[0], KDTree(points).query(goal)[0]
    scores = []
    for threshold in thresholds:
        precision, recall = (to_goal < threshold).mean(), (to_points < threshold).mean()
        scores.append(float(2 * precision * recall / max(precision + recall, 1e-12)))
    return scores


def pck_auc(distances: np.ndarray, longest: float = 0.05, steps: int = 100) -> float:
    """Area under the curve of the share of `distances` (any shape, metres) up to a threshold, 0 to `longest`; 0..1.

    By the trapezoid rule on `steps` thresholds, both ends among them, as FreiHAND's evaluation has it.
    """
    distances = np.sort(distances, axis=None)
    pck = np.searchsorted(distances, np.linspace(0, longest, steps), side="right") / len(distances)
    return float((pck[1:] + pck[:-1]).mean() / 2)


def freihand_scores(joints: np.ndarray, vertices: np.ndarray, goal_joints: np.ndarray,
                    goal_vertices: np.ndarray) -> dict[str, dict[str, float]]:
    """The FreiHAND benchmark's errors of N hands: by "aligned" (each hand by Procrustes) and "not aligned".

    Joints (N, 21, 3), vertices (N, V, 3) and (N, W, 3), metres, camera frame. "joints mm", "joints AUC", "vertices mm",
    "vertices AUC", "F@5", "F@15", means over all hands. Of a mesh other than the true one's (V is not W) the errors of
    vertices are NaN, and it is aligned as its joints are. FreiHAND's own script may mirror a hand to align it; here, as
    elsewhere in the field, it is not, so that errors are the same or larger.
    """
    same = vertices.shape == goal_vertices.shape
    if same:
        moved = procrustes(vertices, goal_vertices)
    else:
        linear, shift = similarity(joints, goal_joints)
        moved = vertices @ linear + shift
    scores = {}
    for name, points, mesh in (("aligned", procrustes(joints, goal_joints), moved), ("not aligned", joints, vertices)):
        away = np.linalg.norm(points - goal_joints, axis=-1)
        mesh_away = np.linalg.norm(mesh - goal_vertices, axis=-1) if same else np.array([np.nan])
        f_scores = np.mean([f_score(*pair, tuple(F_THRESHOLDS.values()))
                            for pair in zip(mesh, goal_vertices, strict=True)], axis=0)
        scores[name] = {"joints mm": float(1000 * away.mean()), "joints AUC": pck_auc(away),
                        "vertices mm": float(1000 * mesh_away.mean()),
                        "vertices AUC": pck_auc(mesh_away) if same else np.nan,
                        **dict(zip(F_THRESHOLDS, f_scores.tolist(), strict=True))}
    return scores


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
    turn = roma.special_procrustes(_tensor(a.swapaxes(-1, -2) @ b))
    return np.degrees(roma.rotmat_geodesic_distance(turn, torch.eye(3, dtype=turn.dtype)).numpy())


def error_2d(joints: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """(...,) mean pixel distance of joints (..., 21, 2) over the larger side of the true joints' box."""
    return np.linalg.norm(joints - goal, axis=-1).mean(-1) / np.ptp(goal, axis=-2).max(-1)
