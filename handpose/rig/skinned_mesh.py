"""A hand model's mesh as programs that animate take it: closed at the wrist, cut at the seams of its texture, and with
the few joints that each point of the skin follows."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..drawing.material import crease_colors
from ..drawing.shading import vertex_normals
from ..hand_model.model import HandModel

LEAST_WEIGHT = 1e-4  # of a joint that a point follows: less moves it by some hundredths of a millimetre
INFLUENCES = 4  # joints that a point follows, in one set of glTF's


class RestHand(NamedTuple):
    """A hand of one shape in the rest pose; metres, the hand model's frame."""
    points: np.ndarray  # (P, 3)
    normals: np.ndarray  # (P, 3) of unit length, outwards
    joints: np.ndarray  # (16, 3) about which MANO's joints turn


class SkinnedMesh:
    """What hands of all shapes and poses share. Its P points are the model's V vertices, those on a seam once for each
    side of it, and one in the middle of the wrist, which a fan of triangles closes.

    vertex (P,)  the model's vertex, V for the middle of the wrist; faces (F, 3), normals outwards; uv (P, 2) with v
    upwards, or None; colors (P, 4) as `crease_colors`; bones, weights (P, 4 n), the joints in MANO's order that a point
    follows, strongest first, and how much, 1 in all.
    """

    def __init__(self, model: HandModel):
        self.model = model
        self._rim, cap = _cap(model.faces)
        self._closed = np.concatenate([model.faces, cap])
        uv = np.zeros((1, 2)) if model.uv is None else np.asarray(model.uv, float)
        uv_faces = np.zeros_like(model.faces) if model.uv is None else np.asarray(model.uv_faces, int)
        rim, uv_cap = _cap(model.faces, uv_faces, len(uv))
        uv = np.concatenate([uv, uv[rim].mean(0, keepdims=True)]) if len(rim) else uv
        corners = np.stack([self._closed.ravel(), np.concatenate([uv_faces, uv_cap]).ravel()], 1)
        pairs, place = np.unique(corners, axis=0, return_inverse=True)
        self.vertex, self.faces = pairs[:, 0], place.reshape(-1, 3)
        self.uv = None if model.uv is None else uv[pairs[:, 1]]
        self.bones, self.weights = _strongest(self.on_points(model.weights))
        self.colors = crease_colors(self._close(model.v_template), self._closed)[self.vertex]

    def on_points(self, values: np.ndarray) -> np.ndarray:
        """What the model's vertices have (V, ...), on the points (P, ...): in the wrist's middle its rim's mean."""
        return self._close(values)[self.vertex]

    def rest(self, betas: np.ndarray) -> RestHand:
        """The hand of a shape (10,)."""
        vertices, joints = (part[0] for part in self.model.rest(np.asarray(betas, np.float32)[None]))
        closed = self._close(vertices)
        return RestHand(closed[self.vertex], vertex_normals(closed, self._closed)[self.vertex], joints)

    def correctives(self, rotations: np.ndarray) -> np.ndarray:
        """By how much (P, 3) metres MANO's pose blend shapes move the points at rest, for its 16 joints' rotations
        (16, 3, 3). Zero of the open hand, which has none."""
        return self.on_points(self.model.posedirs @ (rotations[1:] - np.eye(3)).ravel())

    def _close(self, values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, values[self._rim].mean(0, keepdims=True)]) if len(self._rim) else values


def _cap(faces: np.ndarray, names: np.ndarray | None = None, middle: int | None = None
         ) -> tuple[np.ndarray, np.ndarray]:
    """Closes a mesh (F, 3) whose border is one ring: the ring's corners (B,), and triangles (B, 3) from it to a middle.

    Both call the corners as `names` (F, 3) does, by default by their vertices, and the middle `middle`, by default the
    next number. A mesh without a border gets none.
    """
    names = faces if names is None else names
    start, end = faces, np.roll(faces, -1, 1)
    count = int(faces.max()) + 1
    at_border = ~np.isin(start * count + end, end * count + start)
    first, second = names[at_border], np.roll(names, -1, 1)[at_border]
    return first, np.stack([second, first, np.full_like(first, count if middle is None else middle)], 1)


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of weights (P, 16) the joints (P, 4 n) that count and their weights, which add up to 1."""
    weights = np.where(weights < LEAST_WEIGHT, 0, weights).astype(float)
    width = INFLUENCES * -(-int((weights > 0).sum(1).max()) // INFLUENCES)
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :width]
    weights = np.take_along_axis(weights, bones, 1)
    return np.where(weights > 0, bones, 0), weights / weights.sum(1, keepdims=True)
