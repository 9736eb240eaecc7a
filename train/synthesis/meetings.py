"""Ways in which two hands meet, before they touch: how each is held and turned, and from where one comes to the other.

In the frame of the first hand (see `pairs`): fingers along -x, back +y, thumb +z.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from handpose.hand_model.skeleton import PALM_JOINTS

from .grasp import GRIPS

PALM_TO_PALM, PALM_TO_BACK = np.diag([1.0, -1, 1]), np.diag([1.0, 1, -1])
FIST = GRIPS["power"].end
FLAT, BENT = np.zeros((15, 3)), np.zeros((15, 3))
BENT[:12, 2] = [.25, .3, .2] * 4
FLAT[12], BENT[12] = [-.45, -.3, 0], [-.2, -.2, 0]  # the thumb beside the palm
POINTING = FIST.copy()
POINTING[:3] = 0
SPREAD = FLAT.copy()
SPREAD[[0, 3, 9, 6], 1] = [.3, .1, -.1, -.3]
TOWARDS_PALM = 0.0, -1.0, 0.0
PALM, INDEX_TIP, BETWEEN = PALM_JOINTS, (8,), (11, 15)  # joints whose middle is brought to another place


@dataclass(frozen=True)
class Approach:
    """Poses (15, 3) of the first hand and the other; the other's turn (3, 3) and the direction (3,) it comes from.

    The middle of its joints `with_` is brought to that of the first one's `to`, moved `aside` (3,), and from far that
    way until it touches, or a `gap` before. Then the hands that close do so, as much of the way to a fist as `closes`.
    """
    pose: np.ndarray
    other_pose: np.ndarray
    turn: np.ndarray
    away: np.ndarray | tuple[float, ...] = TOWARDS_PALM
    to: tuple[int, ...] = PALM
    with_: tuple[int, ...] = PALM
    aside: np.ndarray | float = 0.0
    gap: float = 0.0
    first_closes: float = 0.0
    other_closes: float = 0.0


def held(rng: np.random.Generator, pose: np.ndarray, noise: float = .05) -> np.ndarray:
    """A pose about as it is."""
    return pose + rng.normal(0, noise, (15, 3)) * [.6, .8, 1]


def turned(rng: np.random.Generator, base: np.ndarray, sd: tuple[float, float, float]) -> np.ndarray:
    """A mirroring turn about as it is, to so many radians about each axis."""
    return Rotation.from_rotvec(rng.normal(0, sd)).as_matrix() @ base


def anywhere(rng: np.random.Generator, sd: float) -> np.ndarray:
    return rng.normal(0, [1.5 * sd, 1e-9, sd])


def prayer(rng: np.random.Generator) -> Approach:
    return Approach(held(rng, FLAT), held(rng, FLAT), turned(rng, PALM_TO_PALM, (.08, .1, .08)),
                    aside=anywhere(rng, .003))


def clapping(rng: np.random.Generator) -> Approach:
    return Approach(held(rng, FLAT), held(rng, FLAT), turned(rng, PALM_TO_PALM, (.25, .5, .25)),
                    aside=anywhere(rng, .008), gap=rng.uniform(0, .07))


def clasped(rng: np.random.Generator) -> Approach:
    across = Rotation.from_euler("y", rng.uniform(.5, 1.4)).as_matrix() @ PALM_TO_PALM
    return Approach(held(rng, FLAT), held(rng, FLAT), turned(rng, across, (.1, 0, .1)), aside=anywhere(rng, .008),
                    first_closes=1, other_closes=1)


def fist_in_palm(rng: np.random.Generator) -> Approach:
    across = Rotation.from_euler("y", rng.uniform(-1.5, 1.5)).as_matrix() @ PALM_TO_PALM
    return Approach(held(rng, FIST), held(rng, FLAT), turned(rng, across, (.2, 0, .2)), aside=anywhere(rng, .008),
                    other_closes=1)


def one_over_the_other(rng: np.random.Generator) -> Approach:
    below = FLAT if rng.random() < .5 else BENT
    return Approach(held(rng, below), held(rng, FLAT), turned(rng, PALM_TO_BACK, (.1, .7, .1)), (0.0, 1.0, 0.0),
                    aside=anywhere(rng, .016) - [rng.uniform(-.02, .05), 0, 0], other_closes=float(rng.random() < .6))


def gripping(rng: np.random.Generator) -> Approach:
    """The other hand takes the wrist, the palm or the fingers, from any side."""
    around = rng.uniform(0, 2 * np.pi)
    back = np.array([0, np.cos(around), np.sin(around)])
    thumb = np.array([rng.choice([-1.0, 1]), 0, 0]) + rng.normal(0, .15, 3)
    thumb -= back * (thumb @ back)
    thumb /= np.linalg.norm(thumb)
    to = ((0,), (0, 9), (10, 6))[rng.choice(3, p=[.4, .2, .4])]
    return Approach(held(rng, FLAT if rng.random() < .5 else BENT), held(rng, FLAT),
                    np.stack([-np.cross(back, thumb), back, thumb], 1), back, to, aside=anywhere(rng, .008),
                    other_closes=1)


def pointing(rng: np.random.Generator) -> Approach:
    """The other index finger's tip comes to somewhere on the palm, the fingers or the back."""
    away = rng.choice([1.0, 1, -1]) * np.array(TOWARDS_PALM) + rng.normal(0, .45, 3)
    away /= np.linalg.norm(away)
    back = np.cross(away, rng.normal(size=3))
    back /= np.linalg.norm(back)
    return Approach(held(rng, BENT * rng.uniform()), held(rng, POINTING),
                    np.stack([away, back, -np.cross(away, back)], 1), away,
                    (int(rng.choice([0, 5, 6, 8, 9, 12, 13])),), INDEX_TIP)


def interlaced(rng: np.random.Generator) -> Approach:
    """Spread fingers go between the other ones' ends, where there is room for them."""
    turn = Rotation.from_euler("z", rng.uniform(1.2, 1.9)).as_matrix() @ PALM_TO_PALM
    return Approach(held(rng, SPREAD, .015), held(rng, SPREAD, .015), turn, turn @ [1.0, 0, 0], BETWEEN, BETWEEN,
                    first_closes=.3, other_closes=.3)


MEETINGS: dict[str, Callable[[np.random.Generator], Approach]] = {
    way.__name__.replace("_", " "): way for way in (prayer, clapping, clasped, fist_in_palm, one_over_the_other,
                                                    gripping, pointing, interlaced)}
