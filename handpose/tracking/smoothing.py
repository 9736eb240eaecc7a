"""Steady hands without lag: what frames say of one hand over time, low-passed the less the faster it moves.

The One-Euro filter (Casiez, Roussel and Vogel, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012) is an exponential filter whose cutoff frequency grows with the signal's speed: slow
signals are smoothed, for there jitter shows; fast ones are let through, for there lag shows. Time stamps may be
irregular.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class Cutoff:
    """How a One-Euro filter is set. The cutoff frequency is `rest` + `gain` * speed, hertz.

    `gain` is in hertz per unit of speed (the signal's unit a second), `speed` in hertz, the cutoff of the low pass that
    the speed itself goes through.
    """
    rest: float
    gain: float
    speed: float = 1.0

    def at(self, speed: np.ndarray) -> np.ndarray:
        return self.rest + self.gain * speed


def smoothing_factor(cutoff: np.ndarray | float, elapsed: float) -> np.ndarray | float:
    """Weight 0..1 of the newest value in an exponential filter: cutoff in hertz, seconds since the last (eq. 2-3)."""
    turn = 2 * np.pi * np.asarray(cutoff) * elapsed
    return turn / (turn + 1)


class OneEuro:
    """The filter for numbers (N,), each with its own speed."""

    def __init__(self, cutoff: Cutoff):
        self.cutoff = cutoff
        self._time: float | None = None

    def __call__(self, values: np.ndarray, time_s: float) -> np.ndarray:
        """The filtered values (N,) at a time in seconds; a time that is not later than the last changes nothing."""
        values = np.asarray(values, float)
        if self._time is None:
            self._time, self._raw, self._speed, self._value = time_s, values, np.zeros_like(values), values
        elif (elapsed := time_s - self._time) > 0:
            speed = (values - self._raw) / elapsed
            self._speed = self._speed + smoothing_factor(self.cutoff.speed, elapsed) * (speed - self._speed)
            weight = smoothing_factor(self.cutoff.at(np.abs(self._speed)), elapsed)
            self._value = self._value + weight * (values - self._value)
            self._time, self._raw = time_s, values
        return self._value


class OneEuroRotation:
    """The filter on N rotations, each with its own speed in radians a second.

    What the scalar filter does with differences is done with relative rotation vectors, log(A^-1 B), in the frame of
    the turned body: turning the world, or all bodies, turns the result alike.
    """

    def __init__(self, cutoff: Cutoff):
        self.cutoff = cutoff
        self._time: float | None = None

    def __call__(self, turns: Rotation, time_s: float) -> Rotation:
        """The filtered rotations at a time in seconds; a time not later than the last changes nothing."""
        if self._time is None:
            self._time, self._raw, self._value, self._speed = time_s, turns, turns, np.zeros((len(turns), 3))
        elif (elapsed := time_s - self._time) > 0:
            speed = (self._raw.inv() * turns).as_rotvec() / elapsed
            self._speed = self._speed + smoothing_factor(self.cutoff.speed, elapsed) * (speed - self._speed)
            weight = smoothing_factor(self.cutoff.at(np.linalg.norm(self._speed, axis=1)), elapsed)
            step = weight[:, None] * (self._value.inv() * turns).as_rotvec()
            self._value = self._value * Rotation.from_rotvec(step)
            self._time, self._raw = time_s, turns
        return self._value


class FrozenMean:
    """A hand keeps its shape: the weighted mean of the first `count` values, then that mean for ever."""

    def __init__(self, count: int):
        self.count = count
        self._sum, self._weight = 0.0, 0.0

    def __call__(self, values: np.ndarray, weight: float = 1.0) -> np.ndarray:
        if self.count > 0:
            self.count -= 1
            self._sum, self._weight = self._sum + weight * np.asarray(values, float), self._weight + weight
        return self._sum / self._weight


# Chosen on filmed hands (benchmarks.tracking, seeds 1 to 3) so that jitter is about halved in motion, and more at rest,
# and lag stays within a frame.
TURNS = Cutoff(rest=1.0, gain=5.0)  # speed in radians a second
PLACE = Cutoff(rest=1.0, gain=30.0)  # of x / z and y / z, speed in those a second
DISTANCE = Cutoff(rest=0.5, gain=7.0)  # of log z
SHAPE_FRAMES = 30  # until the shape is frozen


class HandSmoother:
    """Smooths one hand over a track: in each frame first `smooth_pose`, then `smooth_translation`.

    In this order, for the shape tells a hand's size and with it its distance.
    """

    def __init__(self):
        self._betas = FrozenMean(SHAPE_FRAMES)
        self.restart()

    def restart(self) -> None:
        """Forgets how the hand was held and moved, but not its shape: for a hand that was out of view."""
        self._turns = OneEuroRotation(TURNS)
        self._place, self._distance = OneEuro(PLACE), OneEuro(DISTANCE)

    def smooth_pose(self, pose: Rotation, betas: np.ndarray, score: float, time_s: float
                    ) -> tuple[Rotation, np.ndarray]:
        """The smoothed rotations (16) and the track's betas (10,), in whose mean a frame counts by its score (0..1)."""
        return self._turns(pose, time_s), self._betas(betas, max(score, 1e-3))

    def smooth_translation(self, joints: np.ndarray, transl: np.ndarray, time_s: float) -> np.ndarray:
        """The smoothed translation (3,), metres, of a hand with joints (21, 3) before it and the translation as seen.

        The hand's middle is what is filtered, its direction and the logarithm of its distance each by itself: distance
        is known many times worse, and its noise must not push the hand about in the image.
        """
        middle = joints.mean(0)
        x, y, z = middle + transl
        u, v = self._place(np.array([x, y]) / z, time_s)
        z = np.exp(self._distance(np.array([np.log(z)]), time_s)[0])
        return np.array([u * z, v * z, z]) - middle
