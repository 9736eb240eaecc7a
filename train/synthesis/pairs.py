"""Two hands of one person that touch, in the ways of `meetings`.

In the frame of the first hand, a right one with no global rotation (fingers along -x, back +y, thumb +z), metres. The
second is the mirror image of a right hand: a point b of that is W b + t in the first's frame, where the turn W mirrors.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from handpose.drawing.shading import vertex_normals
from handpose.hand_model.model import PosedHand
from handpose.hand_model.skeleton import BONES, PALM_JOINTS

from .grasp import DEEPEST, Closer, slide
from .meetings import BETWEEN, FIST, FLAT, MEETINGS
from .solids import Capsules

TRIES = 4
FAR, DEEPER, APART = .16, .03, .01  # m: from where a hand comes, how far it may go in between fingers, and must
REACH = .012  # m: skin that is nearer to the other hand's may lie inside it
THICK = 70  # percentile of the skin's distances from a bone that counts as its thickness
ARM, ARM_RADIUS = .25, .027  # m, of a forearm that is gripped


@dataclass(frozen=True)
class Pair:
    """Poses (15, 3) of both hands, the second's turn (3, 3) and place (3,), and how deep one lies in the other, m."""
    pose: np.ndarray
    other_pose: np.ndarray
    turn: np.ndarray
    place: np.ndarray
    name: str
    depth: float

    def swapped(self) -> Pair:
        """The same two hands in the frame of the other one."""
        return Pair(self.other_pose, self.pose, self.turn.T, -self.turn.T @ self.place, self.name, self.depth)


class Flesh:
    """A hand as round rods about its bones, as thick as the model's mean shape."""

    def __init__(self, closer: Closer):
        hand = closer.posed(FLAT, np.zeros(10))
        palm = [(1, 5), *((0, knuckle) for knuckle in PALM_JOINTS[1:])]
        self.bones = np.array([bone for bone in BONES if bone[0]] + palm)
        thin = self._rods(hand.joints, np.full(len(self.bones), .007))
        way = thin.end - thin.start
        to_start = hand.vertices[:, None] - thin.start
        t = np.clip(np.einsum("nkc,kc->nk", to_start, way) / (way ** 2).sum(1), 0, 1)
        apart = np.linalg.norm(to_start - t[..., None] * way, axis=2)
        nearest = apart.argmin(1)
        self.radii = np.array([np.percentile(apart[nearest == k, k], THICK) if (nearest == k).any() else .007
                               for k in range(len(self.bones))])

    def _rods(self, joints: np.ndarray, radii: np.ndarray) -> Capsules:
        start, end = joints[self.bones[:, 0]], joints[self.bones[:, 1]].copy()
        tips = np.isin(self.bones[:, 1], (4, 8, 12, 16, 20))
        way = end[tips] - start[tips]
        length = np.linalg.norm(way, axis=1, keepdims=True)
        end[tips] -= way / length * np.minimum(radii[tips, None] * .7, .7 * length)
        return Capsules(start, end, radii)

    def __call__(self, hand: PosedHand) -> Capsules:
        rods = self._rods(hand.joints, self.radii)
        wrist = hand.joints[0]
        return Capsules(np.vstack([rods.start, wrist + [.02, 0, 0]]), np.vstack([rods.end, wrist + [ARM, 0, 0]]),
                        np.append(rods.radii, ARM_RADIUS))


def bring_together(rng: np.random.Generator, closer: Closer, flesh: Flesh, betas: np.ndarray) -> Pair | None:
    """Two hands of this shape (10,) that touch, either of them first; None where none that was tried does so well."""
    for _ in range(TRIES):
        pair = touch(rng, closer, flesh, betas, str(rng.choice(list(MEETINGS))))
        if pair is not None:
            return pair if rng.random() < .5 else pair.swapped()
    return None


def touch(rng: np.random.Generator, closer: Closer, flesh: Flesh, betas: np.ndarray, name: str) -> Pair | None:
    """Two hands that meet in the way of that name, or None where one would lie in the other, or not come near."""
    way = MEETINGS[name](rng)
    away = np.array(way.away)
    pose, other = way.pose, way.other_pose
    first, second = closer.posed(pose, betas), closer.posed(other, betas)
    place = first.joints[list(way.to)].mean(0) - way.turn @ second.joints[list(way.with_)].mean(0) + way.aside
    if way.to == BETWEEN:  # one hand's fingers beside the other's
        place = place + .5 * (first.joints[BETWEEN[0]] - first.joints[BETWEEN[1]]) * rng.choice([-1, 1])
    rods, points = flesh(first), second.vertices[closer.spread] @ way.turn.T + place

    def gaps(ways: np.ndarray) -> np.ndarray:
        moved = points[None] + ways[:, None, None] * away
        return rods.distance(moved.reshape(-1, 3)).reshape(len(ways), -1).min(1)

    distance = slide(gaps, FAR, -DEEPER if way.to == BETWEEN else 0.0)
    if way.to == BETWEEN and distance > APART:  # the fingertips ran into each other
        return None
    place = place + (distance + way.gap) * away
    if way.first_closes:
        theirs = flesh(second).moved(way.turn, place)
        pose = closer.close(pose, pose + way.first_closes * (FIST - pose), betas, [theirs])
        first = closer.posed(pose, betas)
    if way.other_closes:
        theirs = flesh(first).moved(way.turn.T, -way.turn.T @ place)
        other = closer.close(other, other + way.other_closes * (FIST - other), betas, [theirs])
        second = closer.posed(other, betas)
    depth = depth_of(closer.model.faces, first.vertices, second.vertices @ way.turn.T + place)
    return Pair(pose, other, way.turn, place, name, depth) if depth <= DEEPEST else None


def depth_of(faces: np.ndarray, vertices: np.ndarray, points: np.ndarray) -> float:
    """How deep, metres, any of the points (N, 3) lies beneath the nearest vertex of a mesh, along its normal."""
    near, which = cKDTree(vertices).query(points, distance_upper_bound=REACH)
    met = np.isfinite(near)
    if not met.any():
        return 0.0
    which = which[met]
    out = vertex_normals(vertices, faces)[which]
    return float(max(0, -np.einsum("nc,nc->n", points[met] - vertices[which], out).min()))
