"""What a skeleton over a picture is made of: lines and dots, from back to front. Who draws them is another matter.

The overlay draws them with OpenCV, the page as SVG.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..hand import Hand
from ..hand_model.skeleton import BONES, FINGER_OF_JOINT
from .palette import FINGER_COLORS

# In units of the diagonal of the joints' box, so that lines grow with the hand.
LINE_WIDTH = 0.011
DOT_RADIUS = 0.011
OUTLINE = 0.004  # the dark edge that keeps lines readable on any background


class Line(NamedTuple):
    """A bone. Points are (u, v) in pixels, colours RGB in 0..255."""
    start: tuple[float, float]
    end: tuple[float, float]
    color: tuple[int, int, int]
    width: float  # pixels, without the outline
    outline: float  # pixels of OUTLINE_COLOR on every side


class Dot(NamedTuple):
    """A joint."""
    center: tuple[float, float]
    color: tuple[int, int, int]
    radius: float  # pixels, without the outline
    outline: float


def lines_of_hands(hands: list[Hand]) -> list[Line | Dot]:
    """The skeletons of all hands at their `joints_2d`, in the order in which they are drawn: the nearest last."""
    return [part for hand in sorted(hands, key=lambda hand: -hand.distance)
            for part in skeleton_lines(hand.joints_2d, hand.joints_3d[:, 2])]


def skeleton_lines(points: np.ndarray, depth: np.ndarray) -> list[Line | Dot]:
    """Each bone in its finger's colour and its two joints, the nearest last, so that near fingers cross over far ones.

    points (21, 2) pixels; depth (21,) away from the viewer in any unit. Nothing if a point is not finite.
    """
    if not np.isfinite(points).all():
        return []
    size = float(np.linalg.norm(np.ptp(points, axis=0)))
    width, radius, outline = size * LINE_WIDTH, size * DOT_RADIUS, size * OUTLINE
    places = [tuple(point) for point in np.asarray(points, float).tolist()]
    colors = [FINGER_COLORS[finger] for finger in FINGER_OF_JOINT]
    parts: list[Line | Dot] = []
    for start, end in sorted(BONES, key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
        parts.append(Line(places[start], places[end], colors[end], width, outline))
        parts += [Dot(places[joint], colors[joint], radius, outline) for joint in (start, end)]
    return parts
