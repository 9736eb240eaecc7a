"""What is known of the hands of one person: how long they are, and that all photos show the same ones.

A photo alone tells neither: a small hand that is near looks as a large one that is far. Who knows the hand's length
knows its distance; who knows that all hands are one person's has one size for all, and distances that agree.
"""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .hand import SURE, Hand
from .hand_model.model import HandModel
from .hand_model.skeleton import FINGERS, JOINT_NAMES

LENGTH_LIMITS = (0.05, 0.35)  # metres: from a newborn's hand to the longest ever measured
SETTLED = 4  # Newton steps after which a length is as told: it is nearly linear in betas


def flat_length(model: HandModel, betas: np.ndarray) -> float:
    """Metres from the wrist to the middle fingertip of the flat hand of shape `betas` (10,), in a straight line."""
    return float(np.linalg.norm(_reach(model, np.asarray(betas, float)[None])))


def _reach(model: HandModel, betas: np.ndarray) -> np.ndarray:
    """From the wrist to the middle fingertip (B, 3) of flat hands of these shapes (B, 10), by which it is linear."""
    vertices, joints = model.rest(betas)
    wrist, tip = (JOINT_NAMES.index(name) for name in ("wrist", "middle_tip"))
    return (vertices[:, model.tip_vertices[FINGERS.index("middle")]] + model.joint_offsets[tip]
            - joints[:, 0] - model.joint_offsets[wrist])


def common_betas(hands: Iterable[Hand]) -> np.ndarray | None:
    """The betas (10,) that one person's hands, left and right, have in common: the median of those that are sure.

    None where none is. The hands are to be of one hand model, and not scaled.
    """
    betas = [hand.betas for hand in hands if hand.score >= SURE]
    return np.median(betas, 0) if betas else None


class Person:
    """The size and shape of a person's hands, as far as they are known.

    `hand_length`: metres from the wrist to the middle fingertip of the flat hand. The hand model is then scaled so that
    its mean hand is that long, and betas tell of the hand's proportions alone. `betas` (10,): the shape of the hands in
    all photos, as `common_betas` finds it. With both, it is this shape that is scaled. Raises ValueError for a length
    that no hand has, and for betas that are none.
    """

    def __init__(self, hand_length: float | None = None, betas: np.ndarray | None = None):
        low, high = LENGTH_LIMITS
        if hand_length is not None and not low <= hand_length <= high:  # nor NaN
            raise ValueError(f"A hand's length, from wrist to middle fingertip, is {low} to {high} metres, not "
                             f"{hand_length:g}.")
        if betas is not None and (np.shape(betas) != (10,) or not np.isfinite(betas).all()):
            raise ValueError(f"A hand's shape is ten finite betas, not an array of shape {np.shape(betas)}.")
        self.hand_length, self.betas = hand_length, None if betas is None else np.array(betas, float)

    def scale(self, model: HandModel) -> float:
        """By how much a hand model, as it was loaded, is too small for this person."""
        if self.hand_length is None:
            return 1.0
        return self.hand_length / flat_length(model, np.zeros(10) if self.betas is None else self.betas)

    def shape(self, model: HandModel, betas: np.ndarray) -> np.ndarray:
        """The betas (10,) of a hand of this person that was estimated to have `betas`; `model` as in `scale`.

        Those that are known, or else, where the length is, those nearest to the estimate by which the hand is as long
        as the model's mean hand.
        """
        if self.betas is not None:
            return self.betas
        if self.hand_length is None:
            return betas
        mean, *moved = _reach(model, np.vstack([np.zeros(10), np.eye(10)]))
        by_beta = np.array(moved) - mean  # (10, 3)
        for _ in range(SETTLED):
            reach = mean + betas @ by_beta
            length = np.linalg.norm(reach)
            slope = by_beta @ reach / length
            betas = betas + slope * (np.linalg.norm(mean) - length) / (slope @ slope)
        return betas
