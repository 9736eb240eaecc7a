"""Hand poses, shapes and viewpoints to render: real ones from a bank, widened by interpolation and noise."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from handpose.hand_model.skeleton import THUMB_FLEXION_AXIS

BAD_FIT = 0.04  # of the hand's box: a worse fit is of another pose than the photo's
OF_NO_PHOTO = .5  # of the poses that are drawn, see `bent_fingers`
STRAIGHT, FLAT = .3, .5  # of those, hands of straight fingers; of these, such as are straight at the knuckles, too
FINGER_CHAINS = tuple(tuple(range(1 + 4 * finger, 5 + 4 * finger)) for finger in range(5))


@dataclass(frozen=True)
class PoseBank:
    """Poses to draw from: axis-angle relative to the flat rest pose, hand_pose (N, 45), global_orient (N, 3)."""
    hand_pose: np.ndarray
    global_orient: np.ndarray
    low: np.ndarray  # (45,) what no drawn pose goes below
    high: np.ndarray

    @classmethod
    def of(cls, hand_pose: np.ndarray, global_orient: np.ndarray) -> PoseBank:
        """A bank whose limits are what all but the outermost of its own poses keep, a tenth wider."""
        low, high = np.percentile(hand_pose, [.3, 99.7], axis=0)
        margin = .1 * (high - low) + .02
        return cls(np.float32(hand_pose), np.float32(global_orient), low - margin, high + margin)

    @classmethod
    def load(cls, path: str | Path, without: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> PoseBank:
        """Reads `hand_pose` and `global_orient` from an `.npz`. Raises FileNotFoundError or ValueError.

        Where the file names each pose's photo set (`set`) and how badly it fits (`residual_2d`), as `train.fit_hands`
        writes them, poses of the sets in `without`, of sets that are not in `only` if that names any, and bad fits stay
        out.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"No pose bank at {path}; `python -m train.fit_hands` makes one from photos.")
        with np.load(path, allow_pickle=False) as file:
            missing = {"hand_pose", "global_orient"} - set(file.files)
            if missing:
                raise ValueError(f"The pose bank {path} lacks {', '.join(sorted(missing))}.")
            if (without or only) and "set" not in file.files:
                raise ValueError(f"The pose bank {path} does not say which photo set its poses are of; name no sets.")
            keep = np.ones(len(file["hand_pose"]), bool)
            if without:
                keep &= ~np.isin(file["set"], without)
            if only:
                keep &= np.isin(file["set"], only)
            if "residual_2d" in file.files:
                keep &= file["residual_2d"] < BAD_FIT
            if not keep.any():
                raise ValueError(f"The pose bank {path} holds no good pose of the sets that are left; name others.")
            return cls.of(file["hand_pose"][keep], file["global_orient"][keep])

    @classmethod
    def invented(cls, count: int = 2000, seed: int = 0) -> PoseBank:
        """Where there are no real ones: fingers as `bent_fingers` has them, thumbs straight to curled."""
        rng = np.random.default_rng(seed)
        thumb = rng.beta(.4, .6, (count, 1, 1)) * [[.3], [.6], [.9]] * THUMB_FLEXION_AXIS
        thumb = thumb + rng.normal(0, .05, thumb.shape)
        return cls.of(np.hstack([bent_fingers(rng, count), thumb.reshape(count, 9)]), random_rotations(rng, count))

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """global_orient (count, 3), hand_pose (count, 45), betas (count, 10).

        A pose is one of the bank's or lies between two of them, with noise; every other one is of no photo: the
        fingers are as `bent_fingers` has them, the thumb any of the bank's. Three in five are seen about as a real hand
        was, the one that the pose begins with, if any, the others from anywhere.
        """
        first, second, third = rng.integers(len(self.hand_pose), size=(3, count))
        way = np.where(rng.random(count) < .3, 0, rng.uniform(0, .7, count))
        begin, end = (Rotation.from_rotvec(self.hand_pose[k].reshape(-1, 3)) for k in (first, second))
        turned = (begin.inv() * end).as_rotvec() * np.repeat(way, 15)[:, None]
        pose = (begin * Rotation.from_rotvec(turned)).as_rotvec().reshape(count, 45)
        thumb = self.hand_pose[third, 36:] + rng.normal(0, .15, (count, 9))
        invented = np.hstack([bent_fingers(rng, count), thumb])
        pose = np.where(rng.random((count, 1)) < OF_NO_PHOTO, invented, pose)
        pose = pose + rng.normal(size=(count, 45)) * rng.choice([.02, .06, .12], (count, 1))
        near = (Rotation.from_rotvec(rng.normal(0, .3, (count, 3)))
                * Rotation.from_rotvec(self.global_orient[first])).as_rotvec()
        orient = np.where(rng.random((count, 1)) < .6, near, random_rotations(rng, count))
        betas = np.clip(rng.normal(size=(count, 10)), -2.5, 2.5)
        return (orient.astype(np.float32), np.clip(pose, self.low, self.high).astype(np.float32),
                betas.astype(np.float32))


def bent_fingers(rng: np.random.Generator, count: int) -> np.ndarray:
    """Axis-angle (count, 36) of index, middle, little and ring finger, as their joints can bend.

    Photos' poses are fits to labels, in which it goes together how fingers bend and how the hand is turned: a landmark
    model that takes a palm for leaning back bends its fingers forward to make up for it. A network that sees no other
    poses believes the same, even of renders. Here knuckles and fingers bend by themselves, alike in a hand or not, as
    far as joints do (about -15 to 85 degrees at the knuckle, 0 to 100 and 0 to 70 in the finger), and lean aside
    together or apart, the less the more the knuckles are bent. `STRAIGHT` of the hands have straight fingers, as people
    show them to cameras: where few do, a network that is in doubt bends all a little.
    """
    def both(shape: tuple[int, ...]) -> np.ndarray:  # degrees at the knuckle and at the next joint
        return np.stack([rng.beta(1.1, 1.6, shape) * 100 - 15, rng.beta(.6, 1.1, shape) * 100], -1)

    place = np.array([-1.5, -.5, 1.5, .5])  # of index, middle, little and ring across the palm
    alike = both((count, 1)) + rng.normal(0, 7, (count, 1, 2)) * place[:, None] + rng.normal(0, 8, (count, 4, 2))
    lonely = rng.random((count, 4, 1)) < rng.choice([0, .25, .6], (count, 1, 1))
    knuckle, middle = np.moveaxis(np.where(lonely, both((count, 4)), alike), -1, 0)
    straight, flat = rng.random((2, count, 1)) < np.reshape([STRAIGHT, FLAT], (2, 1, 1))
    knuckle = np.where(straight & flat, rng.normal(0, 8, (count, 1)) + rng.normal(0, 4, (count, 4)), knuckle)
    middle = np.where(straight, np.abs(rng.normal(0, 6, (count, 4))), middle)
    last = .6 * middle + rng.normal(0, np.where(straight, 4, 8), middle.shape)
    apart, aside = rng.normal([[4, 0]], [[5, 7]], (count, 2)).T[..., None]
    spread = aside - apart * place + rng.normal(0, 4, (count, 4))  # towards the thumb
    pose = np.zeros((count, 4, 3, 3))
    bent = np.stack([knuckle.clip(-20, 90), middle.clip(-5, 105), last.clip(-10, 75)], -1)
    pose[..., 2] = np.radians(bent)  # bending a finger is a turn about +z
    pose[..., 0, 1] = np.radians(spread * (1 - bent[..., 0].clip(0, 90) / 120))
    return pose.reshape(count, 36)


def random_rotations(rng: np.random.Generator, count: int) -> np.ndarray:
    """Axis-angle (count, 3) of rotations that are uniform over all."""
    return Rotation.random(count, rng).as_rotvec()


def facing_palm(rng: np.random.Generator) -> np.ndarray:
    """Axis-angle (3,) of a hand whose palm looks about into the camera, its fingers anywhere, mostly up."""
    upright = Rotation.from_matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    roll = rng.normal(0, .6) if rng.random() < .7 else rng.uniform(-np.pi, np.pi)
    return (Rotation.from_rotvec(rng.normal(0, .3, 3)) * Rotation.from_rotvec([0, 0, roll]) * upright).as_rotvec()


def collides(joints: np.ndarray, clearance: float = .010) -> np.ndarray:
    """Whether fingers run through each other or through the palm, (B,), from joints (B, 21, 3) metres.

    Points along the bones of two fingers must be `clearance` apart, about two thirds of a finger's thickness; the
    first phalanges of neighbours may be as close as they like.
    """
    t = np.linspace(0, 1, 4)[:, None]
    points, finger, phalanx = [], [], []
    for number, chain in enumerate(FINGER_CHAINS):
        for step, (a, b) in enumerate(zip(chain[:-1], chain[1:], strict=True)):
            points.append(joints[:, a, None] * (1 - t) + joints[:, b, None] * t)
            finger += [number] * 4
            phalanx += [step] * 4
    for number, knuckle in enumerate((5, 9, 13, 17), 10):  # the palm's bones, without their ends
        s = np.array([.45, .6, .75])[:, None]
        points.append(joints[:, 0, None] * (1 - s) + joints[:, knuckle, None] * s)
        finger += [number] * 3
        phalanx += [-1] * 3
    points, finger, phalanx = np.concatenate(points, 1), np.array(finger), np.array(phalanx)
    free = phalanx >= 1
    pairs = (finger[:, None] != finger) & free[:, None] & (free | (finger >= 10) | (phalanx == 0))
    pairs &= ~((finger == 0)[:, None] & (finger >= 10) & (phalanx[:, None] < 2))  # the thumb's base is of the palm
    a, b = np.nonzero(pairs)
    return (np.linalg.norm(points[:, a] - points[:, b], axis=-1) < clearance).any(1)
