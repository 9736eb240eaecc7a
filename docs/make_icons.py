"""Makes the page's icons and the picture of a link to it: `python docs/make_icons.py`

Writes page/site/icon-192.png, icon-512.png and preview.jpg, all drawn by this package's own renderer.
"""
from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from handpose import Camera, HandEstimator, load_photo  # noqa: E402
from handpose.drawing.overlay import draw_overlay  # noqa: E402
from handpose.drawing.palette import HAND_COLORS  # noqa: E402
from handpose.drawing.renderer import Mesh, render_mesh  # noqa: E402
from handpose.hand_model.model import HandModel  # noqa: E402
from handpose.hand_model.rotations import rotvec_to_rotmat  # noqa: E402

SITE = ROOT / "page" / "site"
PHOTO = ROOT / "assets" / "photos" / "back.jpg"
UPPER, LOWER = (38, 34, 66), (16, 15, 30)  # RGB of the icon's ground
PALM_UP = rotvec_to_rotmat(np.array([0, 0, np.pi / 2])) @ rotvec_to_rotmat(np.array([np.pi / 2, 0, 0]))


def ground(width: int, height: int, upper: tuple, lower: tuple) -> np.ndarray:
    share = np.linspace(0, 1, height)[:, None, None]
    return np.repeat(np.round((1 - share) * np.array(upper) + share * np.array(lower)), width, 1).astype(np.uint8)


def over(behind: np.ndarray, rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return np.round(rgba[..., :3] * alpha + behind * (1 - alpha)).astype(np.uint8)


def icon(size: int) -> Image.Image:
    """An open hand on a dark ground with round corners."""
    model = HandModel.load()
    vertices = model.v_template @ PALM_UP.T
    middle = (vertices.min(0) + vertices.max(0)) / 2
    vertices = vertices - middle + [0, 0.004, 0.62]
    large = 2 * size
    camera = Camera.from_fov(24, large, large)
    rgb = over(ground(large, large, UPPER, LOWER),
               render_mesh([Mesh(vertices, model.faces, HAND_COLORS["right"])], camera, large, large))
    shape = Image.new("L", (large, large))
    ImageDraw.Draw(shape).rounded_rectangle((0, 0, large - 1, large - 1), large * 0.22, 255)
    image = Image.fromarray(rgb)
    image.putalpha(shape)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def preview(width: int = 1200, height: int = 630) -> Image.Image:
    """A photo with its hand drawn over it, and the hand alone from another side."""
    photo = load_photo(PHOTO)
    result = HandEstimator.load()(photo)
    drawn = draw_overlay(photo.rgb, result.camera, result.hands, opacity=0.9)
    half, scale = width // 2, height / drawn.shape[0]
    left = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if left.shape[1] < half:
        left = cv2.resize(drawn, (half, round(drawn.shape[0] * half / drawn.shape[1])), interpolation=cv2.INTER_AREA)
    top, start = (left.shape[0] - height) // 2, (left.shape[1] - half) // 2
    left = left[top:top + height, start:start + half]
    meshes = []
    turn = rotvec_to_rotmat(np.array([0, np.radians(50), 0]))
    middle = np.concatenate([hand.vertices for hand in result.hands]).mean(0)
    for hand in result.hands:
        meshes.append(Mesh((hand.vertices - middle) @ turn.T + [0, 0, 0.55], hand.faces, HAND_COLORS[hand.side]))
    camera = Camera.from_fov(28, half, height)
    right = over(ground(half, height, UPPER, LOWER), render_mesh(meshes, camera, half, height))
    return Image.fromarray(np.hstack([left, right]))


def main() -> None:
    SITE.mkdir(exist_ok=True)
    for size in (192, 512):
        icon(size).save(SITE / f"icon-{size}.png", optimize=True)
    preview().save(SITE / "preview.jpg", quality=84)


if __name__ == "__main__":
    main()
