"""Hands over a picture as layers of HTML, so that the browser alone shows, hides, fades and compares them."""
from __future__ import annotations

import io
from base64 import b64encode
from html import escape

import numpy as np
from PIL import Image

from handpose import Camera, Hand
from handpose.drawing.overlay import render_hands
from handpose.drawing.palette import OUTLINE_COLOR, css, hand_color
from handpose.drawing.skeleton_lines import Dot, Line, lines_of_hands

from ..analysis import ShownResult

EMPTY = ('<div class="stage"><div class="frame empty"><p>Drop in a photo: it is shown here with the hands over it.</p>'
         '</div></div>')
NUMBER_AWAY = 0.06  # of the photo's longer side, from a wrist to the middle of its number, away from the fingers
MARK_MARGIN = 0.08  # of the larger side of a hand's box, around it
THINNEST, THINNEST_OUTLINE = 1.0, 0.7  # pixels of the picture, so that a small hand's lines can be seen


def picture(result: ShownResult) -> str:
    """A photo with its layers; its pixels travel inside the page and lie in no file."""
    analysis = result.analysis
    width, height = analysis.shown_size
    camera = result.camera.resized(width / analysis.width, height / analysis.height)
    about = (f'data-photo="{analysis.key}" data-name="{escape(analysis.name)}" data-count="{len(result.hands)}" '
             f'data-focal="{result.camera.fx:.6g}" data-thumb="{_data(analysis.thumb, "jpeg")}"')
    return f"""<div class="stage"><div class="frame" {about} style="--ratio: {analysis.width / analysis.height:.5f}">
        <img class="photo" alt="The photo" src="{_data(analysis.jpeg, "jpeg")}">
        <div class="drawn">{layers(result.hands, camera, width, height, analysis.width / width)}</div>
        <div class="marks">{marks(result)}</div>
        <div class="line"></div>
        <input class="swipe" type="range" min="0" max="100" step="0.5" value="50"
               aria-label="Compare: the photo on the left, the hands on the right"></div></div>"""


def marks(result: ShownResult) -> str:
    """A frame around each hand with its number at the wrist, by which photo, cards and 3D view point at the same one.
    """
    size = np.array([result.analysis.width, result.analysis.height])
    parts = []
    for number, hand in enumerate(result.hands, 1):
        low, high = hand.box.reshape(2, 2)
        margin = MARK_MARGIN * max(high - low)
        low, high = np.clip([low - margin, high + margin], 0, size)
        (left, top), (width, height) = 100 * low / size, 100 * (high - low) / size
        u, v = 100 * (_number_place(hand, size) - low) / (high - low)
        parts.append(f'<button type="button" class="mark" data-hand="{number}" style="--hand: '
                     f'{css(hand_color(hand.side, hand.certainty))}; left: {left:.2f}%; top: {top:.2f}%; '
                     f'width: {width:.2f}%; height: {height:.2f}%" aria-label="Hand {number}, {hand.side}">'
                     f'<i style="left: {u:.1f}%; top: {v:.1f}%">{number}</i></button>')
    return "".join(parts)


def _number_place(hand: Hand, size: np.ndarray) -> np.ndarray:
    """The middle of a hand's number in the photo of this size (2,), pixels: on the forearm, where it hides no hand."""
    wrist, knuckle = hand.joints_2d[[0, 9]]
    away, reach = wrist - knuckle, NUMBER_AWAY * size.max()
    return np.clip(wrist + reach * away / max(np.linalg.norm(away), 1e-6), reach / 2, size - reach / 2)


def layers(hands: list[Hand], camera: Camera, width: int, height: int, points_scale: float = 1.0) -> str:
    """Mesh and skeleton of all hands over a picture of width x height pixels, taken by `camera`.

    The hands' `joints_2d` are in pixels of a picture `points_scale` times as large.
    """
    return _mesh(hands, camera, width, height) + _skeleton(hands, width * points_scale, height * points_scale)


def _mesh(hands: list[Hand], camera: Camera, width: int, height: int) -> str:
    part = render_hands(hands, camera, width, height)
    if part is None:
        return ""
    buffer = io.BytesIO()
    Image.fromarray(part.rgba).save(buffer, "WEBP", quality=88, method=1)
    rows, columns = part.rgba.shape[:2]
    return (f'<img class="mesh" alt="" src="{_data(buffer.getvalue(), "webp")}" '
            f'style="left: {100 * part.left / width:.4f}%; top: {100 * part.top / height:.4f}%; '
            f'width: {100 * columns / width:.4f}%; height: {100 * rows / height:.4f}%">')


def _data(content: bytes, kind: str) -> str:
    """A picture as an address."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _skeleton(hands: list[Hand], width: float, height: float) -> str:
    """The skeletons of all hands as SVG, over a picture of width x height of the pixels of their `joints_2d`."""
    shapes = "".join(map(_shape, lines_of_hands(hands)))
    return f'<svg class="skeleton" viewBox="0 0 {width:.0f} {height:.0f}" aria-hidden="true">{shapes}</svg>'


def _shape(part: Line | Dot) -> str:
    """A line or a dot over its outline."""
    outline = max(part.outline, THINNEST_OUTLINE)
    if isinstance(part, Dot):
        (u, v), radius = part.center, max(part.radius, THINNEST)
        # A stroke lies half inside its circle.
        return (f'<circle cx="{u:.1f}" cy="{v:.1f}" r="{radius + outline / 2:.1f}" fill="{css(part.color)}" '
                f'stroke="{css(OUTLINE_COLOR)}" stroke-width="{outline:.1f}"/>')
    path = "M{:.1f} {:.1f}L{:.1f} {:.1f}".format(*part.start, *part.end)
    line = max(part.width, THINNEST)
    return (f'<path d="{path}" stroke="{css(OUTLINE_COLOR)}" stroke-width="{line + 2 * outline:.1f}"/>'
            f'<path d="{path}" stroke="{css(part.color)}" stroke-width="{line:.1f}"/>')
