"""Between two hand models: the betas that give one the other's shape, and how far their rest poses are apart.

Betas of one model mean nothing to another, and their meshes need not correspond. What two models share is MANO's 16
joints, the fingertips and which skin follows which joint; so shapes are compared by lengths that exist in both and do
not depend on the rest pose: bones, the knuckles' distances from each other, and each segment's mean radius.
"""
from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .hand_model import HandModel
from .skeleton import BONES

KNUCKLES = ((1, 5), (5, 9), (9, 13), (13, 17), (5, 17))  # pairs whose distances are the palm's breadth
SEGMENTS = tuple((parent, joint) for parent, joint in BONES if parent > 0)  # of the fingers
PRIOR_MM = 1.0  # one standard deviation of a beta costs as much as a length that is off by this
ITERATIONS = 4  # lengths are nearly linear in betas


class ShapeFit(NamedTuple):
    betas: np.ndarray  # (10,) of the target model
    residual_mm: float  # root mean square of what the lengths still differ by
    worst_mm: float  # the largest of them


def convert_shape(betas: np.ndarray, source: HandModel, target: HandModel) -> ShapeFit:
    """The target's betas for the shape that `betas` (10,) give the source; both right hands, as loaded.

    Regularised linear least squares on 40 lengths, repeated (Gauss-Newton), as lengths are not quite linear in betas.
    """
    def measured(values: Tensor) -> Tensor:
        return lengths(target, values)

    source, target = copy.deepcopy(source).double(), copy.deepcopy(target).double()
    wanted = lengths(source, torch.as_tensor(np.asarray(betas, float)))
    fitted, prior = torch.zeros(10).double(), torch.eye(10).double() * PRIOR_MM
    for _ in range(ITERATIONS):
        slope = 1e3 * torch.func.jacfwd(measured)(fitted)
        missing = 1e3 * (wanted - measured(fitted)) + slope @ fitted
        fitted = torch.linalg.lstsq(torch.cat([slope, prior]), torch.cat([missing, torch.zeros(10).double()])[:, None]
                                    ).solution[:, 0]
    left_over = 1e3 * (measured(fitted) - wanted)
    return ShapeFit(fitted.numpy(), float(left_over.square().mean().sqrt()), float(left_over.abs().max()))


def lengths(model: HandModel, betas: Tensor) -> Tensor:
    """40 lengths in metres of a hand of shape (10,): 20 bones, 5 distances of knuckles, 15 segments' mean radii."""
    vertices, joints = _rest(model, betas)
    start, end = (joints[list(ends)] for ends in zip(*BONES + KNUCKLES, strict=True))
    return torch.cat([(end - start).norm(dim=1), _radii(model, vertices, joints)])


def rest_pose_difference(first: HandModel, second: HandModel) -> np.ndarray:
    """Degrees (20,) between the two models' bones in the rest pose, in the order of `skeleton.BONES`.

    By this much a pose that is carried over as it stands turns each bone wrong: no alignment is made.
    """
    directions = []
    for model in (first, second):
        joints = _rest(model, torch.zeros(10).to(model.v_template))[1].double()
        start, end = (joints[list(ends)] for ends in zip(*BONES, strict=True))
        directions.append(torch.nn.functional.normalize(end - start, dim=1))
    return np.degrees(torch.linalg.vector_norm(directions[0] - directions[1], dim=1).div(2).asin().mul(2).numpy())


def _rest(model: HandModel, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices (V, 3) and the 21 joints (21, 3) in the rest pose, the joints where the bones turn (no offsets)."""
    vertices, joints = (part[0] for part in model.rest(betas[None]))
    return vertices, torch.cat([joints, vertices[model.tip_vertices]])[model.joint_order]


def _radii(model: HandModel, vertices: Tensor, joints: Tensor) -> Tensor:
    """The mean distance (15,) from each finger's bones of the skin that follows them."""
    start, end = (joints[list(ends)] for ends in zip(*SEGMENTS, strict=True))
    axes = torch.nn.functional.normalize(end - start, dim=1)
    weights = model.weights[:, [model.joint_bone[first] for first, _ in SEGMENTS]]
    off = vertices[:, None] - start
    off = off - (off * axes).sum(-1, keepdim=True) * axes
    return (weights * off.norm(dim=-1)).sum(0) / weights.sum(0)
