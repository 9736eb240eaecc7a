"""The colours in which hands and fingers are shown, the same in every view."""
from __future__ import annotations

HAND_COLORS = {"right": (244, 199, 173), "left": (178, 193, 240)}  # RGB: a warm and a cool skin of equal lightness
FINGER_COLORS = {None: (247, 247, 250), "thumb": (255, 107, 107), "index": (255, 177, 66), "middle": (94, 208, 124),
                 "ring": (64, 184, 240), "little": (176, 124, 255)}  # RGB; None is the wrist


def css(color: tuple[int, int, int]) -> str:
    """The colour as CSS and Plotly write it."""
    return "rgb({}, {}, {})".format(*color)
