"""Light and shade: a scene of triangles in the camera frame to colours, by z-buffer, shadow map and a skin-like shader.

Colours are linear RGB; directions are in the camera frame (x right, y down, z away).
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from handpose.drawing.rasterizer import GBuffer, rasterize
from handpose.drawing.shading import vertex_normals
from handpose.hand_model.skeleton import MIRROR

NEAR = .03  # m: nothing nearer to the camera is drawn
Material = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # coords (N, 2) -> reflectance (N, 3), gloss (N,)


@dataclass(frozen=True)
class Part:
    """Triangles of one connected surface, outwards-wound. `material_of_face` (F,) picks from `materials`."""
    vertices: np.ndarray  # (V, 3) camera frame, metres
    faces: np.ndarray  # (F, 3)
    coords: np.ndarray  # (F, 3, 2) of the corners, in whatever the material reads
    materials: tuple[Material, ...]
    material_of_face: np.ndarray

    def mirrored(self) -> Part:
        """The part seen in a mirror (x -> -x)."""
        return replace(self, vertices=self.vertices * MIRROR, faces=self.faces[:, ::-1], coords=self.coords[:, ::-1])


@dataclass(frozen=True)
class Light:
    """A key light and the light from all around, whose irradiance is linear in the normal (first-order harmonics)."""
    direction: np.ndarray  # (3,) unit, towards the light
    key: np.ndarray  # (3,) irradiance of a surface that faces it
    ambient: np.ndarray  # (3,) mean irradiance
    gradient: np.ndarray  # (3, 3): irradiance for normal n is ambient + n @ gradient


def sample_light(rng: np.random.Generator, background: np.ndarray) -> Light:
    """Light that could be that of the background, (H, W, 3) linear RGB; its level takes that for mid-grey."""
    small = cv2.resize(background, (8, 8), interpolation=cv2.INTER_AREA)
    mean = small.mean((0, 1)) + .01
    luminance = mean.mean()
    tint = .35 * mean / luminance + .65  # a camera takes part of a cast away
    gradient = np.stack([small[:, 4:].mean((0, 1)) - small[:, :4].mean((0, 1)),
                         small[4:].mean((0, 1)) - small[:4].mean((0, 1)), -mean * rng.uniform(-.2, .7)])
    level = np.clip(luminance / .25, .5, 2.2) * np.exp(rng.normal(0, .28))
    share = rng.uniform(.15, .9)  # of the key light
    direction = rng.normal(size=3) + [0, -.8, -.7]
    warm = rng.normal(0, .12)
    key = np.array([1 + warm, 1, 1 - warm]) * tint ** .5
    around = level * (1 - share)
    return Light(*(np.float32(v) for v in (direction / np.linalg.norm(direction), level * share * 1.9 * key,
                                           around * tint, around * .6 * gradient / luminance)))


def project(vertices: np.ndarray, focal: float, size: int) -> np.ndarray:
    """u, v, depth (V, 3) in a square image with its principal point in the middle; NaN for what is too near."""
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = vertices[:, :2] / vertices[:, 2:] * focal + (size - 1) / 2
    return np.where(vertices[:, 2:] > NEAR, np.column_stack([uv, vertices[:, 2]]), np.nan)


def draw(parts: list[Part], light: Light, focal: float, size: int, oversampling: float = 1.5
         ) -> tuple[np.ndarray, np.ndarray]:
    """Premultiplied colour and coverage (size, size, 4), display values 0..1, float32.

    Also the coverage (size, size) 0..1 of what is made of the first part's first material: the hand that is labelled.
    """
    first_vertex = np.cumsum([0] + [len(p.vertices) for p in parts])
    vertices = np.concatenate([p.vertices for p in parts])
    faces = np.concatenate([p.faces + v for p, v in zip(parts, first_vertex, strict=False)])
    coords = np.concatenate([p.coords for p in parts])
    normals = np.concatenate([vertex_normals(p.vertices, p.faces) for p in parts])
    full = round(size * oversampling)
    focal = focal * full / size
    points, vertices = project(vertices, focal, full), vertices.astype(np.float32)
    buffer = front_faces(points, faces, full)
    seen = np.flatnonzero(buffer.face.reshape(-1) >= 0)
    face = buffer.face.reshape(-1)[seen]
    weights = buffer.barycentric.reshape(-1, 3)[seen]
    depth = buffer.depth.reshape(-1)[seen]

    pixel = np.stack([seen % full, seen // full], -1) - (full - 1) / 2
    ray = np.column_stack([pixel / focal, np.ones(len(seen))]).astype(np.float32)
    position = ray * depth[:, None]
    toward = _unit(-ray)
    normals, coords, corners = normals.astype(np.float32), coords.astype(np.float32), faces[face]
    normal = _unit(sum(weights[:, k, None] * normals[corners[:, k]] for k in range(3)))
    place = sum(weights[:, k, None] * coords[:, k][face] for k in range(3))

    reflectance, gloss = np.zeros((len(seen), 3), np.float32), np.zeros(len(seen), np.float32)
    materials = [material for part in parts for material in part.materials]
    first_material = np.cumsum([0] + [len(p.materials) for p in parts])
    made_of = np.concatenate([p.material_of_face + m for p, m in zip(parts, first_material, strict=False)])[face]
    for index, material in enumerate(materials):
        mine = np.flatnonzero(made_of == index)
        if len(mine):
            reflectance[mine], gloss[mine] = material(place[mine])

    lit = shadow(vertices, faces, position, normal, light.direction)
    sunk = _sunk(buffer.depth, seen)
    colour = shade(reflectance, gloss, normal, toward, lit, sunk, light)
    image, cover = np.zeros((full * full, 4), np.uint8), np.zeros(full * full, np.uint8)  # bytes shrink fastest
    image[seen, :3], image[seen, 3], cover[seen] = tone_map(colour) * 255, 255, 255 * (made_of == 0)
    layers = (cv2.resize(flat.reshape(full, full, -1), (size, size), interpolation=cv2.INTER_AREA)
              for flat in (image, cover))
    return tuple(layer.astype(np.float32) / 255 for layer in layers)


def front_faces(points: np.ndarray, faces: np.ndarray, size: int) -> GBuffer:
    """The G-buffer of the faces that look at the camera; surfaces are closed, so the others cannot be seen."""
    u, v = points[:, 0][faces.T], points[:, 1][faces.T]
    front = np.flatnonzero((u[1] - u[0]) * (v[2] - v[0]) - (v[1] - v[0]) * (u[2] - u[0]) < 0)
    buffer = rasterize(points, faces[front], size, size)
    if len(front):
        np.copyto(buffer.face, front[buffer.face], where=buffer.face >= 0, casting="same_kind")
    return buffer


def shadow(vertices: np.ndarray, faces: np.ndarray, position: np.ndarray, normal: np.ndarray, direction: np.ndarray,
           size: int = 128) -> np.ndarray:
    """How much of the key light reaches each point (N, 3), 0..1: a shadow map with softened look-up (N,)."""
    helper = np.array([0, 0, 1.0]) if abs(direction[2]) < .8 else np.array([1.0, 0, 0])
    right = np.cross(helper, direction)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, direction), -direction]).astype(np.float32)
    seen = position @ axes.T
    low, high = seen.min(0), seen.max(0)
    scale = (size - 8) / max((high - low)[:2].max(), 1e-3)
    middle = (low + high) / 2

    def to_map(p: np.ndarray) -> np.ndarray:
        return np.column_stack([(p[:, :2] - middle[:2]) * scale + (size - 1) / 2, p[:, 2] - middle[2] + 10])

    blocker = front_faces(to_map(vertices @ axes.T), faces, size).depth
    blocker = np.pad(np.where(np.isinf(blocker), np.float32(100), blocker), 3, constant_values=100)
    at = to_map(seen + (normal @ axes.T) * .0025)
    blocker = blocker.reshape(-1)
    column, row = np.clip(at[:, 0], 0, size - 1) + np.float32(3.5), np.clip(at[:, 1], 0, size - 1) + np.float32(3.5)
    lit = np.zeros(len(at), np.float32)
    taps = ((.3, .1), (1.2, .5), (-.5, 1.2), (-1.2, -.5), (.5, -1.2))
    for du, dv in taps:
        texel = (row + np.float32(dv)).astype(np.int32) * (size + 6) + (column + np.float32(du)).astype(np.int32)
        lit += np.clip((blocker[texel] - at[:, 2]) * np.float32(300) + np.float32(1.5), 0, 1)
    return lit / len(taps)


def _sunk(depth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How far each seen pixel lies below its surroundings, 0..1: a guess at what keeps light from it, without rays."""
    here = depth.reshape(-1)[seen]
    filled = np.where(np.isinf(depth), np.float32(0), depth)
    known = (filled > 0).astype(np.float32)
    quarter = depth.shape[0] // 4
    stack = cv2.resize(np.dstack([filled, known]), (quarter, quarter), interpolation=cv2.INTER_AREA)
    wide = cv2.resize(cv2.GaussianBlur(stack, (0, 0), quarter / 36), depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    wide = wide.reshape(-1, 2)[seen]
    mean = wide[:, 0] / np.maximum(wide[:, 1], 1e-3)
    return np.clip((here - mean) / .025, 0, 1) * np.minimum(wide[:, 1], 1)


def shade(reflectance: np.ndarray, gloss: np.ndarray, normal: np.ndarray, toward: np.ndarray, lit: np.ndarray,
          sunk: np.ndarray, light: Light) -> np.ndarray:
    """Linear colour (N, 3): diffuse light that creeps into the shade, most of it red, and a sheen (Blinn-Phong)."""
    f32 = np.float32
    facing = normal @ light.direction
    creep = f32([.34, .16, .12])
    key = np.maximum((facing[:, None] + creep) * (light.key / (1 + creep)), 0) * lit[:, None]
    around = np.maximum(light.ambient + normal @ light.gradient, f32(.1) * light.ambient)
    around *= 1 - sunk[:, None] * f32([.58, .66, .68])
    half = _unit(toward + light.direction)
    glint = np.maximum(np.einsum("nc,nc->n", normal, half), 0)
    for _ in range(4):
        glint *= glint  # to the power of 16
    rim = 1 - np.clip(np.einsum("nc,nc->n", normal, toward), 0, 1)
    rim *= rim
    sheen = gloss * (f32(.18) * glint + f32(.24) * glint * glint * glint * glint) * lit * (facing > 0)
    colour = reflectance * (key + around)
    colour += sheen[:, None] * light.key
    colour += (gloss * rim * rim * f32(.12))[:, None] * around
    return colour


def tone_map(linear: np.ndarray) -> np.ndarray:
    """Display values 0..1 with a soft shoulder (Reinhard's curve with white at 2.5)."""
    linear = linear * np.float32(1.25)
    return cv2.pow(np.clip(linear * (1 + linear * np.float32(1 / 6.25)) / (1 + linear), 0, 1), 1 / 2.2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.sqrt(np.einsum("nc,nc->n", vectors, vectors)), np.float32(1e-6))[:, None]
