"""One hand over time: where it is, how it moves, which side it is of. Pixels and seconds throughout."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .smoothing import HandSmoother

MOTION_S = 0.1  # s, the longest extrapolation
VELOCITY_S = 0.03  # s that velocities are averaged over
FLIP_FRAMES = 5  # in a row have to say that a hand is of the other side
FLIP_MARGIN = 0.2  # how far from even (0.5) they have to say so


@dataclass
class Track:
    """What is held of one hand between frames. Joints (21, 2) and velocity (2,) are as last seen."""
    number: int
    side: str
    joints: np.ndarray
    time_s: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    lost: bool = False
    other_side: float = 0.5  # 0..1, how much the last frame spoke for the other side
    against: int = 0  # frames in a row that spoke for the other side
    smoother: HandSmoother = field(default_factory=HandSmoother)

    def predict(self, time_s: float) -> np.ndarray:
        """Where the joints (21, 2) should be at a time, moving on as they did."""
        return self.joints + self.velocity * min(time_s - self.time_s, MOTION_S)

    def move(self, joints: np.ndarray, time_s: float) -> None:
        """Takes note of where the joints are seen."""
        elapsed = time_s - self.time_s
        if self.lost:
            self.velocity = np.zeros(2)
            self.smoother.restart()
        elif elapsed > 0:
            weight = elapsed / (elapsed + VELOCITY_S)
            self.velocity = self.velocity + weight * ((joints - self.joints).mean(0) / elapsed - self.velocity)
        self.joints, self.time_s, self.lost = joints, time_s, False

    def lose(self) -> None:
        self.lost, self.other_side, self.against = True, 0.5, 0

    def update_side(self, right: float, counts: bool) -> None:
        """Takes note of the probability (0..1) of a right hand; frames in a row that count and agree flip the side."""
        self.other_side = right if self.side == "left" else 1 - right
        if not counts:
            return
        self.against = self.against + 1 if self.other_side > 0.5 + FLIP_MARGIN else 0
        if self.against == FLIP_FRAMES:
            self.side, self.against = "left" if self.side == "right" else "right", 0
            self.other_side = 1 - self.other_side
            self.smoother = HandSmoother()  # what was taken for a mirrored hand is of no use


def middle(joints: np.ndarray) -> np.ndarray:
    """Middle (2,) of the joints' box."""
    return (joints.min(0) + joints.max(0)) / 2


def size(joints: np.ndarray) -> float:
    """Larger side of the joints' box."""
    return max(float(np.ptp(joints, axis=0).max()), 1.0)


def joints_apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of two hands' joints (21, 2), in sizes of the smaller hand."""
    return float(np.linalg.norm(first - second, axis=1).mean()) / min(size(first), size(second))


def middles_apart(first: np.ndarray, second: np.ndarray) -> float:
    """Distance of two hands' middles, in sizes of the larger one."""
    return float(np.linalg.norm(middle(first) - middle(second))) / max(size(first), size(second))
