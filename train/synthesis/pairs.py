"""Two hands of one person that touch: prayer, clapping, clasped, one over the other, pointing, gripping, interlaced.

In the frame of the first hand, a right one with no global rotation (fingers along -x, back +y, thumb +z), metres. The
second is the mirror image of a right hand: a point b of that is W b + t in the first's frame, where the turn W mirrors.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from handpose.drawing.shading import vertex_normals
from handpose.hand_model.model import PosedHand
from handpose.hand_model.skeleton import BONES, PALM_JOINTS

from .grasp import DEEPEST, GRIPS, Closer, slide
from .solids import Capsules

TRIES = 4
REACH = .012  # m: skin that is nearer to the other hand's may lie inside it
PALM_TO_PALM, PALM_TO_BACK = np.diag([1.0, -1, 1]), np.diag([1.0, 1, -1])
FLAT, BENT, FIST = np.zeros((15, 3)), np.zeros((15, 3)), GRIPS["power"].end
BENT[:12, 2] = [.25, .3, .2] * 4
FLAT[12], BENT[12] = [-.45, -.3, 0], [-.2, -.2, 0]  # the thumb beside the palm
CLOSED = FIST
POINTING = FIST.copy()
POINTING[:3] = 0
SPREAD = np.zeros((15, 3))
SPREAD[[0, 3, 9, 6], 1] = [.3, .1, -.1, -.3]
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
        pair = touch(rng, closer, flesh, betas, str(rng.choice(NAMES)))
        if pair is not None:
            return pair if rng.random() < .5 else pair.swapped()
    return None


def touch(rng: np.random.Generator, closer: Closer, flesh: Flesh, betas: np.ndarray, name: str) -> Pair | None:
    """Two hands in the way of that name (NAMES), or None where one would lie in the other."""
    def noise() -> np.ndarray:
        return rng.normal(0, .05, (15, 3)) * [.6, .8, 1]

    pose, other = FLAT + noise(), FLAT + noise()
    closing, other_closing = False, False
    spin = Rotation.from_rotvec
    aside, gap, away = rng.normal(0, .008, 3) * [1.5, 0, 1], 0.0, np.array([0, -1.0, 0])
    aim = np.array(PALM_JOINTS)
    if name == "prayer":
        turn = spin(rng.normal(0, [.08, .1, .08])).as_matrix() @ PALM_TO_PALM
        aside *= .4
    elif name == "clapping":
        turn, gap = spin(rng.normal(0, [.25, .5, .25])).as_matrix() @ PALM_TO_PALM, rng.uniform(0, .07)
    elif name == "clasped":
        pose, other, closing, other_closing = FLAT + noise(), FLAT + noise(), True, True
        turn = spin([*rng.normal(0, .1, 1), rng.uniform(.5, 1.4), rng.normal(0, .1)]).as_matrix() @ PALM_TO_PALM
    elif name == "fist in palm":
        pose, other, other_closing = FIST + noise(), FLAT + noise(), True
        turn = spin([rng.normal(0, .2), rng.uniform(-1.5, 1.5), rng.normal(0, .2)]).as_matrix() @ PALM_TO_PALM
    elif name == "over":
        pose, other_closing = (FLAT if rng.random() < .5 else BENT) + noise(), rng.random() < .6
        turn, away = spin(rng.normal(0, [.1, .7, .1])).as_matrix() @ PALM_TO_BACK, -away
        aside = aside * 2 + [rng.uniform(-.05, .02), 0, 0]
    elif name == "gripping":
        pose, other, other_closing = (FLAT if rng.random() < .5 else BENT) + noise(), FLAT + noise(), True
        round_ = rng.uniform(0, 2 * np.pi)
        away = np.array([0, np.cos(round_), np.sin(round_)])
        along = np.array([rng.choice([-1.0, 1]), 0, 0]) + rng.normal(0, .15, 3)
        turn = _mirroring(away, along)
        aim = [0] if rng.random() < .4 else [0, 9] if rng.random() < .3 else [10, 6]
    elif name == "pointing":
        pose, other = BENT * rng.uniform(0, 1) + noise(), POINTING + noise()
        away = np.array([0, rng.choice([-1.0, -1, 1]), 0]) + rng.normal(0, .45, 3)
        away /= np.linalg.norm(away)
        turn = _mirroring(np.cross(away, rng.normal(size=3)), None, away)
        aim = [int(rng.choice([0, 5, 9, 6, 8, 12, 13]))]
    else:  # interlaced
        pose, other, closing, other_closing = SPREAD + FLAT + noise() * .3, SPREAD + FLAT + noise() * .3, True, True
        turn = spin([0, 0, rng.uniform(1.2, 1.9)]).as_matrix() @ PALM_TO_PALM
        away, aim = turn @ [1.0, 0, 0], [11, 15]
    first, second = closer.posed(pose, betas), closer.posed(other, betas)
    own = [8] if name == "pointing" else [11, 15] if name == "interlaced" else list(PALM_JOINTS)
    place = first.joints[list(aim)].mean(0) - turn @ second.joints[own].mean(0) + aside * (name != "interlaced")
    if name == "interlaced":
        place = place + .5 * (first.joints[11] - first.joints[15]) * rng.choice([-1, 1])
    rods, points = flesh(first), second.vertices[closer.spread] @ turn.T + place

    def gaps(ways: np.ndarray) -> np.ndarray:
        moved = points[None] + ways[:, None, None] * away
        return rods.distance(moved.reshape(-1, 3)).reshape(len(ways), -1).min(1)

    way = slide(gaps, .16, -.03 if name == "interlaced" else 0.0) + gap
    if name == "interlaced" and way > .01:
        return None  # the fingertips ran into each other
    place = place + way * away
    full = .3 if name == "interlaced" else 1.0
    if closing:
        pose = closer.close(pose, pose + full * (CLOSED - pose), betas, [flesh(second).moved(turn, place)])
        first = closer.posed(pose, betas)
    if other_closing:
        theirs = flesh(first).moved(turn.T, -turn.T @ place)
        other = closer.close(other, other + full * (CLOSED - other), betas, [theirs])
        second = closer.posed(other, betas)
    depth = depth_of(closer.model.faces, first.vertices, second.vertices @ turn.T + place)
    return Pair(pose, other, turn, place, name, depth) if depth <= DEEPEST else None


NAMES = ("prayer", "clapping", "clasped", "fist in palm", "over", "gripping", "pointing", "interlaced")


def _mirroring(back: np.ndarray, thumb: np.ndarray | None, wrist: np.ndarray | None = None) -> np.ndarray:
    """A mirroring turn by which a hand's back looks along `back`, and its thumb along `thumb` or its arm along `wrist`,
    as far as that goes."""
    if wrist is None:
        back = back / np.linalg.norm(back)
        thumb = thumb - back * (thumb @ back)
        thumb = thumb / np.linalg.norm(thumb)
        return np.stack([-np.cross(back, thumb), back, thumb], 1)
    back = back - wrist * (back @ wrist)
    back = back / np.linalg.norm(back)
    return np.stack([wrist, back, -np.cross(wrist, back)], 1)


def depth_of(faces: np.ndarray, vertices: np.ndarray, points: np.ndarray) -> float:
    """How deep, metres, any of the points (N, 3) lies beneath the nearest vertex of a mesh, along its normal."""
    near, which = cKDTree(vertices).query(points, distance_upper_bound=REACH)
    met = np.isfinite(near)
    if not met.any():
        return 0.0
    which = which[met]
    out = vertex_normals(vertices, faces)[which]
    return float(max(0, -np.einsum("nc,nc->n", points[met] - vertices[which], out).min()))
