"""The colours in which hands and fingers are shown, the same in every view."""
from __future__ import annotations

# RGB: no skin has them, and whoever sees few colours tells them from each other, too (tests/test_palette.py).
HAND_COLORS = {"right": (64, 196, 240), "left": (140, 92, 246)}
FINGER_COLORS = {None: (247, 247, 250), "thumb": (255, 107, 107), "index": (255, 177, 66), "middle": (94, 208, 124),
                 "ring": (64, 184, 240), "little": (176, 124, 255)}  # RGB; None is the wrist

OUTLINE_COLOR = (32, 33, 44)  # RGB: the dark edge of a skeleton's lines

PALE = (229, 228, 226)  # RGB: the colour of a hand that nothing is known of
FADE = {"sure": 0.0, "fairly sure": 0.35, "not sure": 0.8}  # by `Hand.certainty`: how far a hand's colour fades to PALE


def hand_color(side: str, certainty: str) -> tuple[int, int, int]:
    """RGB, 0..255, in which a hand is drawn: its side's colour, the paler the less certain the estimate is."""
    fade = FADE[certainty]
    red, green, blue = (round(own + (pale - own) * fade)
                        for own, pale in zip(HAND_COLORS[side], PALE, strict=True))
    return red, green, blue


def css(color: tuple[int, int, int]) -> str:
    """An RGB colour, 0..255, as CSS and Plotly write it."""
    return "rgb({}, {}, {})".format(*color)
