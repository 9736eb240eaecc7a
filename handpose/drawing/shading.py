"""Light on a mesh, worked out once per vertex, so that every view of a hand shows the same material."""
from __future__ import annotations

import numpy as np

# Towards the lights, camera frame (x right, y down, z away), and how strong they are. The key light comes over the
# photographer's left shoulder, the back light from behind the hand.
LIGHTS = (((-0.45, -0.70, -0.55), 0.60), ((0.85, 0.25, -0.45), 0.14), ((0.35, -0.35, 0.85), 0.40))
AMBIENT = 0.48
WRAP = 0.35  # how far light reaches round the edge, as it does in skin
SOFTNESS = 1.2


def shade(vertices: np.ndarray, faces: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Lit colours (V, 3) in 0..1 of a soft material that the camera sees; vertices (V, 3) metres, camera frame.

    To what `light_on` gives it adds what depends on the viewer: a Blinn-Phong sheen, a rim where the surface turns
    away, and a darker inside.
    """
    vertices, faces = np.asarray(vertices, float), np.asarray(faces, int)
    normals = vertex_normals(vertices, faces)
    light = light_on(vertices, faces, normals)
    view = -vertices / np.maximum(np.linalg.norm(vertices, axis=1, keepdims=True), 1e-12)
    facing = (normals * view).sum(1)
    half = view + _unit(LIGHTS[0][0])
    half /= np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12)
    gloss = 0.12 * np.maximum((normals * half).sum(1), 0) ** 22
    gloss += 0.10 * np.clip(1 - facing, 0, 1) ** 3 * (facing > 0)
    light *= 1 - 0.45 * np.clip(-2 * facing - 0.3, 0, 1)  # the inside, seen through the open wrist
    return np.clip(tone(color, light) + gloss[:, None], 0, 1)


def light_on(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How much light (V,) each vertex of a mesh gets from the LIGHTS, wherever it is seen from: 1 shows its colour.

    Wrapped Lambert, and less where the surface is concave.
    """
    light = AMBIENT + sum(strength * (np.maximum(normals @ _unit(direction) + WRAP, 0) / (1 + WRAP)) ** SOFTNESS
                          for direction, strength in LIGHTS)
    return light * (1 - 0.5 * concavity(vertices, faces, normals))


def tone(color: tuple[int, int, int], light: np.ndarray) -> np.ndarray:
    """A colour (RGB, 0..255) under so much light (N,): (N, 3) in 0..1.

    Shadows keep more of the strongest channel than of the others: they are deeper in colour, not only darker.
    """
    base, light = np.asarray(color, float) / 255, np.asarray(light, float)[:, None]
    return np.clip(base ** (1 + 0.8 * (1 - np.clip(light, 0, 1))) * light, 0, 1)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Outward unit normals (V, 3): the mean of the faces around each vertex, weighted by their areas."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack([np.bincount(faces.ravel(), np.repeat(face_normals[:, axis], 3), len(vertices))
                        for axis in range(3)], 1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def concavity(vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """How far each vertex lies in a crease, (V,) in 0..1: how steeply its neighbours rise over its tangent plane."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    start, end = np.concatenate([edges, edges[:, ::-1]]).T
    step = vertices[end] - vertices[start]
    rise = (step * normals[start]).sum(1) / np.maximum(np.linalg.norm(step, axis=1), 1e-12)
    total, count = np.bincount(start, rise, len(vertices)), np.bincount(start, minlength=len(vertices))
    return np.clip(2.5 * total / np.maximum(count, 1), 0, 1)


def _unit(direction: tuple[float, float, float]) -> np.ndarray:
    return np.array(direction) / np.linalg.norm(direction)
