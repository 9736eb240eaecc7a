"""Draws expected errors against real ones: where a curve lies on the diagonal, what was told is what was."""
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE, MARGIN = 420, 64  # pixels of a plot, and of what is left of and below its axes
HEAD = 34  # pixels above and right of them: room for the upper axis' name over the last tick
GROUND, INK, FAINT = (255, 255, 255), (32, 33, 44), (205, 208, 214)
COLORS = ((9, 105, 218), (214, 96, 20), (0, 130, 80))
STEPS = np.array([1, 2, 5])
TOLD, REAL = "told: s, {}", "two thirds of the errors lie within"  # what the axes are called where nobody says


class Curve(NamedTuple):
    """What was told and what was, in the same unit, from the smallest on."""
    name: str
    told: list[float]
    real: list[float]


def draw(plots: dict[str, list[Curve]], path: Path, told: str = TOLD, real: str = REAL) -> None:
    """Writes a PNG: a plot for each unit, both axes logarithmic and alike. `told` and `real` are the axes' names, the
    first with a place for the unit."""
    image = Image.new("RGB", (SIZE * len(plots), SIZE), GROUND)
    for number, (unit, curves) in enumerate(plots.items()):
        image.paste(_plot(told.format(unit), real, curves), (number * SIZE, 0))
    image.save(path, "PNG", optimize=True)


def _plot(across: str, up: str, curves: list[Curve]) -> Image.Image:
    image = Image.new("RGB", (SIZE, SIZE), GROUND)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    values = np.concatenate([[*curve.told, *curve.real] for curve in curves])
    low, high = np.log(values.min() * 0.8), np.log(values.max() * 1.25)

    def place(told: float, real: float) -> tuple[float, float]:
        share = (np.log([told, real]) - low) / (high - low) * (SIZE - MARGIN - HEAD)
        return MARGIN + share[0], SIZE - MARGIN - share[1]

    first, last = np.exp(low), np.exp(high)
    decades = 10.0 ** np.arange(np.floor(low / np.log(10)), np.ceil(high / np.log(10)) + 1)
    for tick in np.outer(decades, STEPS).ravel():
        if first <= tick <= last:
            pen.line([place(tick, first), place(tick, last)], FAINT)
            pen.line([place(first, tick), place(last, tick)], FAINT)
            pen.text((place(tick, first)[0], SIZE - MARGIN + 6), f"{tick:g}", INK, font, anchor="mt")
            pen.text((MARGIN - 6, place(first, tick)[1]), f"{tick:g}", INK, font, anchor="rm")
    pen.line([place(first, first), place(last, last)], INK, 1)
    pen.text((MARGIN + (SIZE - MARGIN) / 2, SIZE - 24), across, INK, font, anchor="mt")
    pen.text((12, 10), up, INK, font)
    for number, (curve, color) in enumerate(zip(curves, COLORS, strict=False)):
        points = [place(*point) for point in zip(curve.told, curve.real, strict=True)]
        pen.line(points, color, 2)
        for u, v in points:
            pen.ellipse([u - 4, v - 4, u + 4, v + 4], color)
        pen.text((SIZE - 24, SIZE - MARGIN - 22 - 18 * number), curve.name, color, font, anchor="rm")
    return image
