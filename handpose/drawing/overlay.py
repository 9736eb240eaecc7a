"""Hands drawn over their photo."""
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..camera import Camera
from ..hand import Hand
from .palette import OUTLINE_COLOR, hand_color
from .renderer import Mesh, Rendering, render_region
from .skeleton_lines import Dot, Line, lines_of_hands

STRIP = 64  # rows that are blended at a time: float32 takes four times the memory of the photo
SUBPIXEL_BITS = 4  # OpenCV's fixed point for the ends of lines


def draw_overlay(rgb: np.ndarray, camera: Camera, hands: list[Hand], mesh: bool = True, skeleton: bool = False,
                 opacity: float = 0.85) -> np.ndarray:
    """The photo with its hands over it, (H, W, 3) uint8; the photo itself is left as it is.

    rgb (H, W, 3) uint8 and the camera it was taken with. `opacity` (0..1) is the mesh's. The nearer of two hands hides
    the other; the skeleton is drawn over everything. Takes about 3 times the photo's memory, the result included.
    Raises ValueError for another opacity.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"The opacity must lie between 0 and 1, not {opacity}.")
    part = render_hands(hands, camera, rgb.shape[1], rgb.shape[0]) if mesh else None
    image = np.array(rgb)  # only now, as rendering takes memory too
    if part is not None:
        blend(image, part, opacity)
    if skeleton:
        draw_lines(image, lines_of_hands(hands))
    return image


def render_hands(hands: list[Hand], camera: Camera, width: int, height: int) -> Rendering | None:
    """The meshes of all hands, paler where the estimate is not sure, as `camera` sees them in an image of that size.

    None if they are nowhere in it.
    """
    return render_region([Mesh(hand.vertices, hand.faces, hand_color(hand.side, hand.certainty)) for hand in hands],
                         camera, width, height)


def blend(image: np.ndarray, part: Rendering, opacity: float) -> None:
    """Lays the rendering over an image (H, W, 3) uint8, in place; `opacity` (0..1) times the rendering's own alpha."""
    rows, columns = part.rgba.shape[:2]
    region = image[part.top:part.top + rows, part.left:part.left + columns]
    for top in range(0, rows, STRIP):
        behind, front = region[top:top + STRIP], part.rgba[top:top + STRIP]
        alpha = front[..., 3:].astype(np.float32) * (opacity / 255)
        behind[:] = behind + (front[..., :3] - behind.astype(np.float32)) * alpha + 0.5  # cut off: so it is rounded


def draw_lines(image: np.ndarray, parts: list[Line | Dot]) -> None:
    """Draws lines and dots on an image (H, W, 3) uint8, in place, in the order given, each over its outline."""
    def fixed(point: tuple[float, float]) -> list[int]:
        return np.round(np.clip(point, -1e6, 1e6) * 2 ** SUBPIXEL_BITS).astype(int).tolist()

    for part in parts:
        outline = max(1, round(part.outline))
        for color, grow in ((OUTLINE_COLOR, outline), (part.color, 0)):
            if isinstance(part, Line):
                width = max(1, round(part.width)) + 2 * grow
                cv2.line(image, fixed(part.start), fixed(part.end), color, width, cv2.LINE_AA, SUBPIXEL_BITS)
            else:
                radius = round((part.radius + grow) * 2 ** SUBPIXEL_BITS)
                cv2.circle(image, fixed(part.center), radius, color, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def shrink(rgb: np.ndarray, camera: Camera, hands: list[Hand], largest: int
           ) -> tuple[np.ndarray, Camera, list[Hand]]:
    """The same photo, camera and hands in an image whose longer side is at most `largest` pixels."""
    height, width = rgb.shape[:2]
    if max(width, height) <= largest:
        return rgb, camera, hands
    size = np.maximum(np.round(np.array([width, height]) * (largest / max(width, height))), 1).astype(int)
    scale = size / [width, height]  # pixel p stands at (p + .5) * scale - .5

    def moved(points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * scale - 0.5

    hands = [replace(hand, joints_2d=moved(hand.joints_2d), box=moved(np.reshape(hand.box, (2, 2))).ravel())
             for hand in hands]
    return cv2.resize(rgb, size.tolist(), interpolation=cv2.INTER_AREA), camera.resized(*scale.tolist()), hands
