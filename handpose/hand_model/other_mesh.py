"""Hands as another mesh of fixed topology: MHR's, SOMA's, a game's, whatever a user brings.

    other = fit_mesh(HandModel.load(), vertices, faces, tips=(t, i, m, r, l), wrist=[...])   # a right hand at rest
    print(other.residual_mm, other.worst_mm)
    vertices = other.vertices_of(hand)                                                       # (V, 3) metres

The hand model is fitted to the mesh once, in pose, shape and size: iterated closest points (Besl and McKay, 1992),
each vertex to the plane of the model's surface next to it (Chen and Medioni, 1992) that looks the same way, so that no
finger is taken for its neighbour. Then every vertex of the mesh is
bound to the point of the surface that is nearest: it takes over skin weights and shape directions from there, and is
brought into the model's rest pose, from which it is posed as the model's own vertices are. So the mesh, with its own
triangles, follows any hand of this model. The other model's parameters are for its own tools to fit to these vertices.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ..drawing.shading import vertex_normals
from ..hand import Hand
from .model import HandModel, PosedHand
from .rotations import rotvec_to_rotmat

ROUNDS = 8  # of closest points
TURN, SHAPE = 1.0, 2.0  # radians and standard deviations that pose and betas may go for 3 mm less at every vertex
TIP = 10.0  # how much a fingertip counts more than another vertex
OUTLIER = 3.0  # mm from which on a vertex is believed less: it may be of a forearm that the model has not
STEP = 1e-3  # of every parameter, for differences of float32
LOOKS = 0.02  # metres that two surfaces count as apart for each radian that they look another way
NEIGHBOURS = 6  # vertices whose triangles are looked at for the nearest point


class OtherMesh:
    """A mesh that is bound to a hand model. `residual_mm` and `worst_mm` (95 % of the vertices are nearer) tell how far
    its vertices lie from the model's surface after the fit, at the model's size."""

    def __init__(self, carrier: HandModel, count: int, residual_mm: float, worst_mm: float):
        """`carrier` is the model with the mesh's vertices, so many, after its own."""
        self.residual_mm, self.worst_mm = residual_mm, worst_mm
        self._carriers, self._count = {"right": carrier, "left": carrier.left()}, count

    def vertices_of(self, hand: Hand) -> np.ndarray:
        """The mesh's vertices (V, 3) of a hand, metres, camera frame. Of a left hand it is the mirrored mesh: reverse
        its triangles. Raises ValueError for a hand of another model."""
        carrier = self._carriers[hand.side]
        if hand.hand_model != carrier.name:
            raise ValueError(f"This mesh follows hands of the model {carrier.name!r}, not {hand.hand_model!r}: fit it "
                             "to the model that the hands are of.")
        carrier = carrier if hand.scale == carrier.scale else carrier.scaled(hand.scale / carrier.scale)
        posed = carrier(*(np.asarray(values, np.float32)[None] for values in (hand.global_orient, hand.hand_pose,
                                                                             hand.betas, hand.transl)))
        return posed.vertices[0, -self._count:]


class _Fit(NamedTuple):
    """A hand model laid over a mesh: its parameters, and the mesh brought to the model's size and place."""
    orient: np.ndarray  # (3,)
    pose: np.ndarray  # (45,)
    betas: np.ndarray  # (10,)
    transl: np.ndarray  # (3,)
    mesh: np.ndarray  # (V, 3)


def fit_mesh(model: HandModel, vertices: np.ndarray, faces: np.ndarray, tips: Sequence[int], wrist: Sequence[int]
             ) -> OtherMesh:
    """Binds a right hand's mesh to a right hand model.

    `vertices` (V, 3) in any unit and frame that is not mirrored, all fingers about straight; `faces` (F, 3) wound so
    that normals point outwards; `tips` are the numbers of its fingertips' vertices, thumb to little finger, `wrist` of
    vertices all around its wrist. What it has beyond the wrist should be cut off. Raises ValueError for numbers that do
    not fit.
    """
    vertices, faces = np.asarray(vertices, float), np.asarray(faces, int).reshape(-1, 3)
    chosen = np.array([*tips, *wrist, *faces.ravel()])
    if (vertices.ndim != 2 or vertices.shape[1] != 3 or len(tips) != 5 or not len(wrist)
            or not (0 <= chosen.min() <= chosen.max() < len(vertices)) or not np.isfinite(vertices).all()):
        raise ValueError("A mesh needs vertices (V, 3) and the numbers of those of its triangles, of five fingertips, "
                         "thumb to little finger, and around its wrist, all below V.")
    fit = _fit(model, vertices, faces, tips, wrist)
    posed = _posed(model, fit.orient, fit.pose, fit.betas, fit.transl)
    ours = posed.vertices[0].astype(float)
    near = _looked_up(ours, model.faces, fit.mesh, faces, NEIGHBOURS)
    face, share, away = _nearest(ours, model.faces, fit.mesh, near)
    return OtherMesh(_carrier(model, fit, posed, model.faces[face], share), len(vertices), 1000 * float(away.mean()),
                     1000 * float(np.quantile(away, 0.95)))


def _fit(model: HandModel, vertices: np.ndarray, faces: np.ndarray, tips: Sequence[int], wrist: Sequence[int]) -> _Fit:
    rest = _posed(model, *map(np.zeros, (3, 45, 10, 3)))
    marks = np.concatenate([rest.vertices[0, model.tip_vertices], _border(model, rest.vertices[0]).mean(0)[None]])
    mesh = _similar(vertices, np.concatenate([vertices[list(tips)], vertices[list(wrist)].mean(0)[None]]), marks)

    state = np.zeros(62)  # orient, pose, betas, transl, logarithm of the mesh's size
    for _ in range(ROUNDS):
        posed = _posed(model, *_split(state)).vertices[0].astype(float)
        nearest = _looked_up(posed, model.faces, mesh * np.exp(state[61]), faces, 1)
        residuals = _Residuals(model, mesh, tips, nearest, vertex_normals(posed, model.faces)[nearest])
        state = least_squares(residuals.of_one, state, residuals.jacobian, method="lm", max_nfev=5).x
    return _Fit(*_split(state), mesh * np.exp(state[61]))


def _split(states: np.ndarray) -> list[np.ndarray]:
    """Orient (.., 3), pose (.., 45), betas (.., 10) and transl (.., 3)."""
    return np.split(states[..., :61], [3, 48, 58], -1)


class _Residuals(NamedTuple):
    """What is left between a hand model and a mesh, mostly millimetres."""
    model: HandModel
    mesh: np.ndarray  # (V, 3)
    tips: Sequence[int]
    nearest: np.ndarray  # (V,) the model's vertex next to each of the mesh's
    normals: np.ndarray  # (V, 3) there

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """(S, R) of states (S, 62)."""
        ours = self.model(*_split(states.astype(np.float32))).vertices.astype(float)
        theirs = self.mesh * np.exp(states[:, 61])[:, None, None]
        planes = ((theirs - ours[:, self.nearest]) * self.normals).sum(2) * 1000
        planes = OUTLIER * np.arctan(planes / OUTLIER)  # so that what has no counterpart pulls less
        at_tips = TIP * 1000 * (theirs[:, list(self.tips)] - ours[:, self.model.tip_vertices]).reshape(len(states), -1)
        weight = np.sqrt(len(self.mesh)) / 3  # of the priors, against all vertices together
        return np.concatenate([planes, at_tips, weight * states[:, 3:48] / TURN, weight * states[:, 48:58] / SHAPE], 1)

    def of_one(self, state: np.ndarray) -> np.ndarray:
        """(R,) of a state (62,)."""
        return self(state[None])[0]

    def jacobian(self, state: np.ndarray) -> np.ndarray:
        """(R, 62) by differences, all at once."""
        changed = self(np.concatenate([state[None], state + STEP * np.eye(62)]))
        return (changed[1:] - changed[0]).T / STEP


def _carrier(model: HandModel, fit: _Fit, posed: PosedHand, corners: np.ndarray, share: np.ndarray) -> HandModel:
    """The model with the mesh's vertices after its own, each bound to a point of a triangle: `corners` (V, 3) and the
    `share` (V, 3) of each."""
    arrays = model.arrays()
    interpolated = {key: np.einsum("vk,vk...->v...", share, np.asarray(arrays[key])[corners])
                    for key in ("weights", "shapedirs", "posedirs")}
    turns, pivots = posed.turns[0].astype(float), posed.pivots[0].astype(float)
    _, rest_joints = model.rest(fit.betas[None].astype(np.float32))
    linear = np.einsum("vk,kij->vij", interpolated["weights"], turns)
    shift = interpolated["weights"] @ (pivots - np.einsum("kij,kj->ki", turns, rest_joints[0]))
    at_rest = np.linalg.solve(linear, (fit.mesh - shift)[..., None])[..., 0]
    feature = (rotvec_to_rotmat(fit.pose.reshape(15, 3)) - np.eye(3)).ravel()
    template = at_rest - interpolated["shapedirs"] @ fit.betas - interpolated["posedirs"] @ feature
    arrays |= {key: np.concatenate([np.asarray(arrays[key]), values]) for key, values in
               (interpolated | {"v_template": template}).items()}
    arrays["J_regressor"] = np.pad(arrays["J_regressor"], ((0, 0), (0, len(template))))
    carrier = type(model)({key: value for key, value in arrays.items() if not key.startswith("uv")}, model.name)
    carrier.scale = model.scale
    return carrier


def _posed(model: HandModel, *values: np.ndarray) -> PosedHand:
    return model(*(np.asarray(value, np.float32)[None] for value in values))


def _border(model: HandModel, vertices: np.ndarray) -> np.ndarray:
    """The vertices (B, 3) at the model's open wrist: those of edges that only one triangle has."""
    edges = np.sort(np.concatenate([model.faces[:, [0, 1]], model.faces[:, [1, 2]], model.faces[:, [2, 0]]]), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return vertices[np.unique(unique[count == 1])]


def _similar(points: np.ndarray, marks: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Points (N, 3) moved by the similarity, without reflection, that brings marks (M, 3) closest to their goal."""
    middle, goal_middle = marks.mean(0), goal.mean(0)
    turn, _ = Rotation.align_vectors(goal - goal_middle, marks - middle)
    turned = turn.apply(marks - middle)
    scale = (turned * (goal - goal_middle)).sum() / (turned ** 2).sum()
    return scale * turn.apply(points - middle) + goal_middle


def _looked_up(ours: np.ndarray, our_faces: np.ndarray, theirs: np.ndarray, their_faces: np.ndarray, count: int
               ) -> np.ndarray:
    """The `count` of our vertices that are next to each of theirs and look the same way, (V,) or (V, count)."""
    one, other = (np.hstack([vertices, LOOKS * vertex_normals(vertices, faces)])
                  for vertices, faces in ((ours, our_faces), (theirs, their_faces)))
    return cKDTree(one).query(other, count)[1]


def _nearest(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray, near: np.ndarray
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of the points (P, 3): the nearest triangle (P,), its corners' shares (P, 3) in the nearest point of it,
    and how far away that is (P,). Among the triangles at the vertices `near` (P, N) each."""
    at_vertex = [[] for _ in vertices]
    for number, face in enumerate(faces):
        for corner in face:
            at_vertex[corner].append(number)
    best = np.full(len(points), np.inf)
    chosen, share = np.zeros(len(points), int), np.zeros((len(points), 3))
    for column in range(near.shape[1]):
        most = max(len(at_vertex[vertex]) for vertex in near[:, column])
        for number in range(most):
            face = np.array([at_vertex[vertex][number % len(at_vertex[vertex])] if at_vertex[vertex] else 0
                             for vertex in near[:, column]])
            shares = _shares(vertices[faces[face]], points)
            away = np.linalg.norm((shares[..., None] * vertices[faces[face]]).sum(1) - points, axis=1)
            better = away < best
            best[better], chosen[better], share[better] = away[better], face[better], shares[better]
    return chosen, share, best


def _shares(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Barycentric coordinates (P, 3) of the nearest point of triangles (P, 3, 3) to points (P, 3): inside, by the
    normal equations, else the best of the three edges."""
    a, b, c = corners.swapaxes(0, 1)
    one, two, to = b - a, c - a, points - a
    system = np.stack([np.stack([(one * one).sum(1), (one * two).sum(1)], -1),
                       np.stack([(one * two).sum(1), (two * two).sum(1)], -1)], -2)
    goal = np.stack([(one * to).sum(1), (two * to).sum(1)], -1)
    inner = np.linalg.solve(system + 1e-18 * np.eye(2), goal[..., None])[..., 0]
    shares = np.column_stack([1 - inner.sum(1), inner])
    outside = (shares < 0).any(1)
    best = np.full(len(points), np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        edge = corners[:, end] - corners[:, start]
        along = ((points - corners[:, start]) * edge).sum(1) / np.maximum((edge ** 2).sum(1), 1e-18)
        along = along.clip(0, 1)
        away = np.linalg.norm(corners[:, start] + along[:, None] * edge - points, axis=1)
        better = outside & (away < best)
        shares[better] = 0
        shares[better, start], shares[better, end] = 1 - along[better], along[better]
        best[better] = away[better]
    return shares
