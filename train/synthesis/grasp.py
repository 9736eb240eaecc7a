"""Fingers that close until they touch: grips on solids, by distance to their surface, without going through it.

Everything here is in the frame of a right hand with no global rotation (fingers along -x, back +y, thumb +z), metres.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import HandModel, PosedHand
from handpose.hand_model.skeleton import THUMB_FLEXION_AXIS

from .solids import Solid, distance

DEEPEST = .002  # m that skin may lie inside of what it touches
GIVES = .0005  # m that skin gives way where a finger stops
TOUCHING = .003  # m from the surface, at which a finger counts as touching
STEPS, FINER = 10, 6  # of a sweep, and of a second one within the step that touches
SPACING = .0035  # m between the points of skin that are looked at while a finger moves
# MANO's joints of a finger from the palm on, and the reported joints of its last phalanx.
FINGER_JOINTS = ((1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12), (13, 14, 15))
LAST_PHALANX = ((7, 8), (11, 12), (19, 20), (15, 16), (3, 4))
THUMB = 4
BEND = THUMB_FLEXION_AXIS / np.linalg.norm(THUMB_FLEXION_AXIS)
PULP = .009  # m from the bone to the skin of a fingertip's pulp


@dataclass(frozen=True)
class Grip:
    """From `start` to `end` (15, 3) axis-angle; each finger stops where it touches, at the latest a bit past the end.

    `pads` are the fingers between whose pulps and the thumb's a thing is held, `side` stands for the side of the index
    finger; without either it lies in the palm.
    """
    start: np.ndarray
    end: np.ndarray
    pads: tuple[int, ...] = ()
    side: bool = False


def _pose(index: list[float], middle: list[float], ring: list[float], little: list[float], thumb: list[float]
          ) -> np.ndarray:
    """(15, 3) of three flexions for each finger; of the thumb the first joint's axis-angle and two flexions."""
    pose = np.zeros((15, 3))
    for finger, angles in enumerate((index, middle, little, ring)):
        pose[3 * finger:3 * finger + 3, 2] = angles
    pose[12], pose[13], pose[14] = thumb[:3], thumb[3] * BEND, thumb[4] * BEND
    return pose


_STRAIGHT, _FIST = [.15, .1, .05], [1.5, 1.75, 1.1]
_CURLED = [[.9, 1.4, .7], [1.0, 1.5, .7], [1.0, 1.5, .7]]
# Where pulps meet, found by minimising their distance over the joints' angles on the open hand's mean shape.
GRIPS = {
    "power": Grip(_pose(*[_STRAIGHT] * 4, [1.3, .1, .8, -.2, -.2]), _pose(*[_FIST] * 4, [1.15, 0, -.5, .7, .9])),
    "hook": Grip(_pose(*[_STRAIGHT] * 4, [0, -.2, .1, 0, 0]), _pose(*[_FIST] * 4, [0, -.2, .1, 0, 0])),
    "tip": Grip(_pose([.55, .6, 0], [.4, .5, .3], [.3, .4, .3], [.25, .35, .3], [1.09, .11, -.1, -.5, -.6]),
                _pose([.95, .87, .05], [.4, .5, .3], [.3, .4, .3], [.25, .35, .3], [1.09, .11, -.4, -.1, -.3]), (0,)),
    "tripod": Grip(_pose([.6, .5, .1], [.7, .5, .2], [1.0, 1.1, .6], [1.0, 1.1, .6], [1.28, -.06, 0, -.5, -.7]),
                   _pose([1.0, .77, .2], [1.08, .74, .25], [1.0, 1.1, .6], [1.0, 1.1, .6],
                         [1.28, -.06, -.28, -.2, -.45]), (0, 1)),
    "wide": Grip(_pose([.2, .3, .2], [.25, .35, .25], [.2, .35, .25], [.05, .25, .2], [1.5, .2, .2, -.45, -.2]),
                 _pose([.85, .75, .5], [.9, .8, .5], [.85, .75, .5], [.65, .65, .45], [1.65, .15, -.4, 0, .2]),
                 (0, 1, 2, 3)),
    "lateral": Grip(_pose([.7, 1.2, .6], *_CURLED, [-.2, -.25, 0, -.2, -.1]),
                    _pose([.7, 1.2, .6], *_CURLED, [.05, -.35, -.3, .3, .35]), side=True),
}


class Closer:
    """Closes the fingers of a hand model's hands of any shape."""

    def __init__(self, model: HandModel):
        self.model = model
        share = [model.weights[:, joints].sum(1) for joints in FINGER_JOINTS]
        self.spread = spread = _spread_out(model.v_template)
        self._skin, self._weights, self._phalanx = [], [], []
        for joints, of in zip(FINGER_JOINTS, share, strict=True):
            mine = spread[of[spread] > .5]
            weights = model.weights[mine][:, joints].astype(float)
            self._skin.append(mine)
            self._weights.append(weights)
            self._phalanx.append(weights.argmax(1))
        self.finger_of_vertex = np.where(np.max(share, 0) > .5, np.argmax(share, 0), -1)
        self._palm = spread[share[THUMB][spread] < .5]

    def posed(self, pose: np.ndarray, betas: np.ndarray) -> PosedHand:
        """One hand, without its batch axis, of a pose (15, 3) and betas (10,)."""
        zero = np.zeros((1, 3), np.float32)
        hand = self.model(zero, np.float32(pose).reshape(1, 45), np.float32(betas)[None], zero)
        return PosedHand(*(part[0] for part in hand))

    def close(self, start: np.ndarray, end: np.ndarray, betas: np.ndarray, solids: list[Solid], past: float = .2
              ) -> np.ndarray:
        """The pose (15, 3) that the hand comes to on its way from start to end, every finger stopped by the solids.

        A phalanx that touches stays where it is, and with it those before; the ones after it go on. What touched before
        it moved stays, too. `past` the end, as a share of the way, the fingers stop anyway.
        """
        shaped, joints = (part[0] for part in self.model.rest(np.float32(betas)[None]))
        pose = start.copy()
        for finger, chain in enumerate(FINGER_JOINTS):
            rows, places = [joint - 1 for joint in chain], joints[list(chain)]
            rate, done, first = end[rows] - start[rows], 0.0, 0
            while first < 3 and np.abs(rate[first:]).sum():
                low, high = done, 1 + past
                for steps in (STEPS, FINER):
                    ways = np.linspace(low, high, steps)
                    poses = np.repeat(pose[None, rows], steps, 0)
                    poses[:, first:] = start[rows][first:] + rate[first:] * ways[:, None, None]
                    gap = distance(solids, self._sweep(finger, poses, shaped, places).reshape(-1, 3)).reshape(steps, -1)
                    nearest = np.stack([gap[:, self._phalanx[finger] == k].min(1) for k in range(first, 3)], 1)
                    hits = np.flatnonzero((nearest < -GIVES).any(1))
                    if not len(hits):
                        done, touched = high, 3
                        break
                    low, high = ways[max(hits[0] - 1, 0)], ways[hits[0]]
                    done, touched = low, first + 1 + int(nearest[hits[0]].argmin())
                pose[np.array(rows)[first:]] = start[rows][first:] + rate[first:] * done
                first = touched
        return pose

    def _sweep(self, finger: int, poses: np.ndarray, shaped: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Skin (S, n, 3) of a finger in poses (S, 3, 3) of its joints, which are at (3, 3) at rest."""
        turns = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(-1, 3, 3, 3)
        rest, weights = shaped[self._skin[finger]], self._weights[finger]
        skin = (1 - weights.sum(1))[None, :, None] * rest
        turn, place = np.eye(3)[None], joints[0][None]
        for k in range(3):
            if k:
                place = place + np.einsum("sij,j->si", turn, joints[k] - joints[k - 1])
            turn = turn @ turns[:, k]
            skin = skin + weights[None, :, k, None] * ((rest - joints[k]) @ turn.transpose(0, 2, 1) + place[:, None])
        return skin

    def palm_gap(self, vertices: np.ndarray, solids: list[Solid], shifts: np.ndarray) -> np.ndarray:
        """(S,) how far solids that are moved by `shifts` (S, 3) are from the hand without its thumb."""
        points = vertices[self._palm][None] - shifts[:, None]
        return distance(solids, points.reshape(-1, 3)).reshape(len(shifts), -1).min(1)

    def touch(self, vertices: np.ndarray, solids: list[Solid]) -> tuple[float, set[int]]:
        """How deep skin (V, 3) lies in solids, metres, and the fingers that touch them."""
        gap = distance(solids, vertices)
        fingers = {finger for finger in range(5) if gap[self.finger_of_vertex == finger].min() < TOUCHING}
        return float(max(-gap.min(), 0)), fingers


def _spread_out(points: np.ndarray) -> np.ndarray:
    """Indices of points (N, 3) no two of which are nearer than SPACING, and that no other is farther from."""
    chosen: list[int] = []
    left = np.ones(len(points), bool)
    while left.any():
        chosen.append(int(left.argmax()))
        left &= ((points - points[chosen[-1]]) ** 2).sum(1) > SPACING ** 2
    return np.array(chosen)


def pulp(hand: PosedHand, finger: int) -> np.ndarray:
    """(3,): the middle of a fingertip's pulp."""
    a, b = LAST_PHALANX[finger]
    inner = -np.array([.66, .27, .66]) if finger == THUMB else np.array([0, -1.0, 0])
    return hand.joints[a] + .6 * (hand.joints[b] - hand.joints[a]) + PULP * hand.turns[FINGER_JOINTS[finger][2]] @ inner


def slide(gap_at, far: float, near: float) -> float:
    """The last point on the way from far to near at which `gap_at` (of an array of points) is not negative."""
    for _ in range(3):
        ways = np.linspace(far, near, 9)
        blocked = np.flatnonzero(gap_at(ways) < -GIVES)
        if not len(blocked):
            return near
        far, near = ways[max(blocked[0] - 1, 0)], ways[blocked[0]]
    return far
