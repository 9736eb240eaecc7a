"""The colours in which hands and fingers are shown, the same in every view."""
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..hand import Hand

HAND_COLORS = {"right": (244, 199, 173), "left": (178, 193, 240)}  # RGB: a warm and a cool skin of equal lightness
FINGER_COLORS = {None: (247, 247, 250), "thumb": (255, 107, 107), "index": (255, 177, 66), "middle": (94, 208, 124),
                 "ring": (64, 184, 240), "little": (176, 124, 255)}  # RGB; None is the wrist

PALE = (229, 228, 226)  # what the skin of a hand fades into that the estimate is not sure of
FADE = {"sure": 0.0, "fairly sure": 0.35, "not sure": 0.8}


def hand_color(hand: Hand) -> tuple[int, int, int]:
    """The skin in which a hand is drawn: its side's, the paler the less sure the estimate is."""
    fade = FADE[hand.certainty]
    red, green, blue = (round(own + (pale - own) * fade)
                        for own, pale in zip(HAND_COLORS[hand.side], PALE, strict=True))
    return red, green, blue


def css(color: tuple[int, int, int]) -> str:
    """The colour as CSS and Plotly write it."""
    return "rgb({}, {}, {})".format(*color)
