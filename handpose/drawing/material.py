"""What hands in mesh files are made of, by glTF's terms: a colour, and creases that are darker as in our own views."""
from __future__ import annotations

import numpy as np

from .palette import HAND_COLORS
from .shading import concavity, vertex_normals

CREASE = 0.45  # how much darker the deepest crease is, linear light
SRGB_GAMMA = 2.2  # glTF's material colours are linear light; vertex colours of OBJ and PLY are sRGB by custom
METALLIC, ROUGHNESS = 0.0, 0.6


def base_color(side: str) -> list[float]:
    """Red, green, blue in 0..1, linear light, and 1 for opaque."""
    return [*((np.array(HAND_COLORS[side]) / 255) ** SRGB_GAMMA).tolist(), 1.0]


def crease_colors(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 4) uint8, linear light: grey that viewers multiply with the colour, white but in creases; and 255."""
    lightness = 1 - CREASE * concavity(vertices, faces, vertex_normals(vertices, faces))
    return np.column_stack([255 * lightness] * 3 + [np.full(len(vertices), 255)]).round().astype(np.uint8)
