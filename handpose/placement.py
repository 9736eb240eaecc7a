"""Where a posed hand stands before a camera, from where its joints are seen."""
from __future__ import annotations

import torch
from torch import Tensor


def solve_translation(joints_3d: Tensor, rays: Tensor, weights: Tensor) -> Tensor:
    """The translation (B, 3) that best brings joints (B, J, 3), metres, onto viewing rays (B, J, 2) = (x / z, y / z).

    For each joint x + tx = u (z + tz) and y + ty = v (z + tz), which is linear in t: weighted least squares in closed
    form (`weights` (B, J)). Differentiable.
    """
    u, v = rays.unbind(2)
    x, y, z = joints_3d.unbind(2)
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    rows = torch.cat([torch.stack([one, zero, -u], 2), torch.stack([zero, one, -v], 2)], 1)
    right = torch.cat([u * z - x, v * z - y], 1)[..., None]
    weighted = rows * torch.cat([weights, weights], 1)[..., None]
    normal = weighted.transpose(1, 2) @ rows
    # A trace of damping keeps the system solvable where all joints fall onto one ray.
    normal = normal + 1e-8 * torch.eye(3, device=u.device)
    return torch.linalg.solve(normal, weighted.transpose(1, 2) @ right)[..., 0]
