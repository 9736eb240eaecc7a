"""Between two hand models: the betas that give one the other's shape, and how far their rest poses are apart.

Betas of one model mean nothing to another, and their meshes need not correspond. What two models share is MANO's 16
joints, the fingertips and which skin follows which joint; so shapes are compared by lengths that exist in both and do
not depend on the rest pose: bones, the knuckles' distances from each other, and each segment's mean radius.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .model import HandModel
from .skeleton import BONES

KNUCKLES = ((1, 5), (5, 9), (9, 13), (13, 17), (5, 17))  # pairs whose distances are the palm's breadth
SEGMENTS = tuple((parent, joint) for parent, joint in BONES if parent > 0)  # of the fingers
PRIOR_MM = 1.0  # one standard deviation of a beta costs as much as a length that is off by this
ITERATIONS = 4  # lengths are nearly linear in betas
STEP = 1e-3  # of betas, for central differences


class ShapeFit(NamedTuple):
    betas: np.ndarray  # (10,) of the target model
    residual_mm: float  # root mean square of what the lengths still differ by
    worst_mm: float  # the largest of them


def convert_shape(betas: np.ndarray, source: HandModel, target: HandModel) -> ShapeFit:
    """The target's betas for the shape that `betas` (10,) give the source; both right hands, as loaded.

    Regularised linear least squares on 40 lengths, repeated (Gauss-Newton), as lengths are not quite linear in betas.
    """
    wanted = lengths(source, betas)
    fitted, steps, prior = np.zeros(10), np.eye(10) * STEP, np.eye(10) * PRIOR_MM
    for _ in range(ITERATIONS):
        slope = 1e3 * np.stack([(lengths(target, fitted + step) - lengths(target, fitted - step)) / (2 * STEP)
                                for step in steps], 1)
        missing = 1e3 * (wanted - lengths(target, fitted)) + slope @ fitted
        fitted = np.linalg.lstsq(np.vstack([slope, prior]), np.append(missing, np.zeros(10)), rcond=None)[0]
    left_over = 1e3 * (lengths(target, fitted) - wanted)
    return ShapeFit(fitted, float(np.sqrt(np.square(left_over).mean())), float(np.abs(left_over).max()))


def lengths(model: HandModel, betas: np.ndarray) -> np.ndarray:
    """40 lengths in metres of a hand of shape (10,): 20 bones, 5 distances of knuckles, 15 segments' mean radii."""
    vertices, joints = _rest(model, betas)
    start, end = (joints[list(ends)] for ends in zip(*BONES + KNUCKLES, strict=True))
    return np.append(np.linalg.norm(end - start, axis=1), _radii(model, vertices, joints))


def rest_pose_difference(first: HandModel, second: HandModel) -> np.ndarray:
    """Degrees (20,) between the two models' bones in the rest pose, in the order of `skeleton.BONES`.

    By this much a pose that is carried over as it stands turns each bone wrong: no alignment is made.
    """
    directions = []
    for model in (first, second):
        joints = _rest(model, np.zeros(10))[1]
        start, end = (joints[list(ends)] for ends in zip(*BONES, strict=True))
        directions.append(_normalized(end - start))
    return np.degrees(2 * np.arcsin(np.linalg.norm(directions[0] - directions[1], axis=1) / 2))


def _rest(model: HandModel, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and the 21 joints (21, 3) in the rest pose, the joints where the bones turn (no offsets)."""
    vertices, joints = (part[0] for part in model.rest(np.asarray(betas, float)[None]))
    return vertices, np.concatenate([joints, vertices[model.tip_vertices]])[model.joint_order]


def _radii(model: HandModel, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The mean distance (15,) from each finger's bones of the skin that follows them."""
    start, end = (joints[list(ends)] for ends in zip(*SEGMENTS, strict=True))
    axes = _normalized(end - start)
    weights = model.weights[:, [model.joint_bone[first] for first, _ in SEGMENTS]]
    off = vertices[:, None] - start
    off = off - (off * axes).sum(-1, keepdims=True) * axes
    return (weights * np.linalg.norm(off, axis=-1)).sum(0) / weights.sum(0)


def _normalized(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
