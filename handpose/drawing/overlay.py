"""Hands drawn over their photo."""
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..camera import Camera
from ..hand import Hand
from ..hand_model.skeleton import BONES, FINGER_OF_JOINT
from .palette import FINGER_COLORS, hand_color
from .renderer import Mesh, Rendering, render_region

SUBPIXEL_BITS = 4  # OpenCV's fixed point for the ends of lines


def draw_overlay(rgb: np.ndarray, camera: Camera, hands: list[Hand], mesh: bool = True, skeleton: bool = False,
                 opacity: float = 0.85) -> np.ndarray:
    """The photo with its hands over it, (H, W, 3) uint8; the photo itself is left as it is.

    rgb (H, W, 3) uint8 and the camera it was taken with. `opacity` (0..1) is the mesh's. The nearer of two hands hides
    the other; the skeleton is drawn over everything.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"The opacity must lie between 0 and 1, not {opacity}.")
    image = np.array(rgb)
    if mesh:
        _blend_meshes(image, camera, hands, opacity)
    if skeleton:
        for hand in sorted(hands, key=lambda hand: -hand.distance):
            _draw_skeleton(image, hand)
    return image


def render_hands(hands: list[Hand], camera: Camera, width: int, height: int) -> Rendering | None:
    """The meshes of all hands on nothing, where they are in the photo; paler where the estimate is not sure."""
    return render_region([Mesh(hand.vertices, hand.faces, hand_color(hand)) for hand in hands], camera, width, height)


def _blend_meshes(image: np.ndarray, camera: Camera, hands: list[Hand], opacity: float) -> None:
    part = render_hands(hands, camera, image.shape[1], image.shape[0])
    if part is None:
        return
    rows, columns = part.rgba.shape[:2]
    behind = image[part.top:part.top + rows, part.left:part.left + columns]
    alpha = part.rgba[..., 3:].astype(np.float32) * (opacity / 255)
    behind[:] = (behind + (part.rgba[..., :3] - behind.astype(np.float32)) * alpha + 0.5).astype(np.uint8)


def _draw_skeleton(image: np.ndarray, hand: Hand) -> None:
    points, depth = np.asarray(hand.joints_2d, float), hand.joints_3d[:, 2]
    if not np.isfinite(points).all():
        return
    size = np.linalg.norm(np.ptp(points, axis=0))  # pixels, across the hand
    thickness = max(1, round(size * 0.011))
    radius = size * 0.011
    outline = max(1, round(size * 0.004))
    fixed = np.round(np.clip(points, -1e6, 1e6) * 2 ** SUBPIXEL_BITS).astype(int).tolist()

    def line(start: int, end: int, color: tuple[int, int, int], width: int) -> None:
        cv2.line(image, fixed[start], fixed[end], color, width, cv2.LINE_AA, SUBPIXEL_BITS)

    def dot(joint: int, color: tuple[int, int, int], grow: int) -> None:
        cv2.circle(image, fixed[joint], round((radius + grow) * 2 ** SUBPIXEL_BITS), color, cv2.FILLED, cv2.LINE_AA,
                   SUBPIXEL_BITS)

    # A dark edge keeps the lines readable on any background; from back to front, so that near fingers cross over far.
    dark = (32, 33, 44)
    for start, end in sorted(BONES, key=lambda bone: -(depth[bone[0]] + depth[bone[1]])):
        color = FINGER_COLORS[FINGER_OF_JOINT[end]]
        line(start, end, dark, thickness + 2 * outline)
        line(start, end, color, thickness)
        for joint in (start, end):
            dot(joint, dark, outline)
            dot(joint, FINGER_COLORS[FINGER_OF_JOINT[joint]], 0)


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
