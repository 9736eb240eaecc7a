"""Hands over a picture as layers of HTML, so that the browser alone shows, hides, fades and compares them."""
from __future__ import annotations

import io
from base64 import b64encode

import numpy as np
from PIL import Image

from handpose import Camera, Hand
from handpose.drawing.overlay import render_hands
from handpose.drawing.palette import FINGER_COLORS, css
from handpose.hand_model.skeleton import BONES, FINGER_OF_JOINT

from ..analysis import ShownResult

EMPTY = ('<div class="stage"><div class="frame empty"><p>Your photo will stand here, with its hands drawn over it.</p>'
         '</div></div>')
DARK = "rgb(32, 33, 44)"  # edge of lines and joints


def picture(result: ShownResult) -> str:
    """A photo with its layers; its pixels travel inside the page and lie in no file."""
    analysis = result.analysis
    shown = analysis.shown.shape
    camera = result.camera.resized(shown[1] / analysis.width, shown[0] / analysis.height)
    ratio = f"--ratio: {analysis.width / analysis.height:.5f}"
    return f"""<div class="stage"><div class="frame" data-photo="{analysis.key}" style="{ratio}">
        <img class="photo" alt="The photo" src="data:image/jpeg;base64,{b64encode(analysis.jpeg).decode()}">
        <div class="drawn">{layers(result.hands, camera, shown[1], shown[0],
                                   result.analysis.width / shown[1])}</div>
        <div class="line"></div>
        <input class="swipe" type="range" min="0" max="100" step="0.5" value="50"
               aria-label="Compare: the photo on the left, the hands on the right"></div></div>"""


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
    return (f'<img class="mesh" alt="" src="data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}" '
            f'style="left: {100 * part.left / width:.4f}%; top: {100 * part.top / height:.4f}%; '
            f'width: {100 * columns / width:.4f}%; height: {100 * rows / height:.4f}%">')


def _skeleton(hands: list[Hand], width: float, height: float) -> str:
    """Bones in their finger's colour with a dark edge, from back to front, as `overlay.draw_overlay` has them."""
    parts = []
    for hand in sorted(hands, key=lambda hand: -hand.distance):
        points, depth = hand.joints_2d, hand.joints_3d[:, 2]
        if not np.isfinite(points).all():
            continue
        size = float(np.linalg.norm(np.ptp(points, axis=0)))
        line, edge = max(size * 0.011, 1.0), max(size * 0.004, 0.7)
        dots = [f'<circle cx="{u:.1f}" cy="{v:.1f}" r="{line * 0.9:.1f}" fill="{css(FINGER_COLORS[finger])}" '
                f'stroke="{DARK}" stroke-width="{edge:.1f}"/>'
                for (u, v), finger in zip(points, FINGER_OF_JOINT, strict=True)]
        for start, end in sorted(BONES, key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
            (u0, v0), (u1, v1) = points[start], points[end]
            path = f'd="M{u0:.1f} {v0:.1f}L{u1:.1f} {v1:.1f}"'
            parts += [f'<path {path} stroke="{DARK}" stroke-width="{line + 2 * edge:.1f}"/>',
                      f'<path {path} stroke="{css(FINGER_COLORS[FINGER_OF_JOINT[end]])}" stroke-width="{line:.1f}"/>',
                      dots[start], dots[end]]
    return f'<svg class="skeleton" viewBox="0 0 {width:.0f} {height:.0f}" aria-hidden="true">{"".join(parts)}</svg>'
