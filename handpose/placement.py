"""Where a posed hand is before a camera, from where its joints are seen."""
from __future__ import annotations

from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any  # of NumPy, or of torch

NEAREST = 0.02  # metres; no joint is placed nearer to the camera's plane, or behind it
DAMPING = 1e-8  # keeps the distance defined where all joints fall onto one ray


def solve_translation(joints_3d: Array, rays: Array, weights: Array, nearest: float | None = None) -> Array:
    """The translation (B, 3) that best brings joints (B, J, 3), metres, onto viewing rays (B, J, 2) = (x / z, y / z).

    For each joint x + tx = u (z + tz) and y + ty = v (z + tz), which is linear in t: weighted least squares (`weights`
    (B, J)) in closed form, a linear regression of u z - x on -u and v z - y on -v with one slope, tz, and two
    intercepts. Of NumPy arrays or, differentiable, of torch tensors.

    With `nearest` (metres, NumPy only) no joint comes nearer to the camera's plane than that, nor behind it, whatever
    the rays say; the intercepts are then the best for that distance.
    """
    xp = np if isinstance(joints_3d, np.ndarray) else import_module("torch")
    share = weights[..., None] / (weights.sum(1)[:, None, None] + DAMPING)
    goal = rays * joints_3d[..., 2:] - joints_3d[..., :2]
    middle, middle_goal = (share * rays).sum(1), (share * goal).sum(1)
    off, off_goal = rays - middle[:, None], goal - middle_goal[:, None]
    weighted = weights[..., None] * off
    distance = -(weighted * off_goal).sum(2).sum(1) / ((weighted * off).sum(2).sum(1) + DAMPING)
    if nearest is not None:
        distance = np.maximum(distance, nearest - joints_3d[..., 2].min(1))
    distance = distance[:, None]
    return xp.concatenate([middle_goal + middle * distance, distance], 1)
