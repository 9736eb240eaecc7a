"""A thing in a hand: where it is put, how the fingers come to lie on it, and whether that is a grip at all."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import PosedHand

from .grasp import DEEPEST, GRIPS, THUMB, Closer, Grip, pulp, slide
from .objects import THINGS, Thing, make

TRIES = 4  # things that are tried until one is held
KNUCKLES = [5, 9, 13, 17]


@dataclass(frozen=True)
class Held:
    """A pose (15, 3) of a hand with no global rotation and the thing in it, in the same frame."""
    pose: np.ndarray
    thing: Thing
    name: str
    grip: str
    depth: float  # m that the skin lies in it at the deepest


def hold(rng: np.random.Generator, closer: Closer, betas: np.ndarray, names: tuple[str, ...] = tuple(THINGS)
         ) -> Held | None:
    """A hand of this shape (10,) that holds something, or None where nothing that was tried stays in it."""
    for _ in range(TRIES):
        name = names[rng.integers(len(names))]
        kind = THINGS[name][rng.integers(len(THINGS[name]))]
        held = take(rng, closer, betas, name, kind)
        if held is not None:
            return held
    return None


def take(rng: np.random.Generator, closer: Closer, betas: np.ndarray, name: str, kind: str) -> Held | None:
    """The thing of this name taken by this grip, or None where it is not held or lies too deep in the skin."""
    grip, thing = GRIPS["power" if kind == "neck" else kind], make(name, rng)
    noise = rng.normal(0, .05, (15, 3)) * [.6, .8, 1]
    start, end = grip.start + noise, grip.end + noise
    hand = closer.posed(end if grip.pads or grip.side else start, betas)
    thing = (_between(rng, closer, hand, closer.posed(start, betas), grip, thing) if grip.pads or grip.side else
             _in_palm(rng, closer, hand, thing, kind == "neck"))
    pose = closer.close(start, end, betas, thing.solids)
    depth, fingers = closer.touch(closer.posed(pose, betas).vertices, thing.solids)
    enough = len(fingers) >= 3 if not (grip.pads or grip.side) else THUMB in fingers and len(fingers) >= 2
    return Held(pose, thing, name, kind, depth) if enough and depth <= DEEPEST else None


def _in_palm(rng: np.random.Generator, closer: Closer, hand: PosedHand, thing: Thing, neck: bool) -> Thing:
    """Moved up to the palm, its length across it, as a handle lies: more to the fingertips on the index's side."""
    tilt = rng.normal(.2, .15)
    axis = np.array([-np.sin(tilt), rng.normal(0, .08), np.cos(tilt)]) * rng.choice([-1, 1])
    axis /= np.linalg.norm(axis)
    around = np.pi / 2 if neck else rng.uniform(0, 2 * np.pi) if rng.random() < .5 else rng.choice([0, np.pi])
    first = np.cross([0, 1.0, 0], axis)
    first /= np.linalg.norm(first)
    frame = np.stack([first, np.cross(axis, first), axis], 1) @ Rotation.from_euler("z", around).as_matrix()
    place = hand.joints[KNUCKLES].mean(0) + [rng.uniform(-.012, .018), 0, rng.normal(0, .006)]
    put = thing.moved(frame, place)
    reach = 2 * max(.02, *(abs(point) for point in place)) + .1
    way = slide(lambda ways: closer.palm_gap(hand.vertices, put.solids, np.outer(-ways, [0, 1.0, 0])), reach, 0.0)
    return put.moved(np.eye(3), np.array([0, -way, 0]))


def _between(rng: np.random.Generator, closer: Closer, hand: PosedHand, opened: PosedHand, grip: Grip, thing: Thing
             ) -> Thing:
    """Put between the thumb's pulp and the others', its y from that to these, clear of the opened hand's palm."""
    thumb = pulp(hand, THUMB)
    other = (np.mean([pulp(hand, finger) for finger in grip.pads], 0) if grip.pads else
             .5 * (hand.joints[6] + hand.joints[7]) + .008 * hand.turns[2] @ [0, 0, 1.0])
    across = other - thumb
    if np.linalg.norm(across) < .004 or not grip.pads:  # pulps that meet say little of their direction
        across = np.array([0, 0, -1.0]) if grip.side else hand.joints[8] - hand.joints[4] - [0, 0, .02]
    across /= np.linalg.norm(across)
    if grip.pads == (0, 1):  # a pen leans on the knuckle
        along = hand.joints[5] - .5 * (thumb + other)
    else:
        along = np.array([-1.0, -.5, .2]) + rng.normal(0, .5, 3)
    along -= across * (along @ across)
    along /= np.linalg.norm(along)
    frame = np.stack([np.cross(across, along), across, along], 1)
    put = thing.moved(frame @ Rotation.from_rotvec(rng.normal(0, .08, 3)).as_matrix(), .5 * (thumb + other))
    outwards = .5 * (thumb + other) - hand.joints[KNUCKLES].mean(0)
    outwards /= np.linalg.norm(outwards)
    way = slide(lambda ways: closer.palm_gap(opened.vertices, put.solids, np.outer(ways, outwards)), .06, 0.0)
    return put.moved(np.eye(3), way * outwards)
