"""Meshes to pixels, as the photo's camera sees them: by OpenGL where there is one, else in NumPy.

Light and colour are worked out once per vertex (see `shading`), so that both renderers give the same picture.
"""
from __future__ import annotations

import atexit
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..camera import Camera
from .rasterizer import rasterize
from .shading import shade

NEAR = 0.01  # metres; a triangle that comes closer to the camera is left out
LARGEST_RENDER = 1024  # pixels; a larger region is rendered at this size and enlarged
LARGEST_SUPERSAMPLED = 640  # pixels; the software renderer takes four samples a pixel up to this size
BAND = 64  # columns; what is as large as the photo is worked on in bands, as float32 takes five times a photo's memory
SEAM = 4  # columns that a band is computed with on either side: OpenCV's last few may differ in the last bit

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mesh:
    """A surface of one colour. Triangles are wound so that normals point outwards."""
    vertices: np.ndarray  # (V, 3) metres, camera frame
    faces: np.ndarray  # (F, 3) indices of vertices
    color: tuple[int, int, int]  # RGB, 0..255


@dataclass(frozen=True)
class Rendering:
    """The part of an image that the meshes cover."""
    rgba: np.ndarray  # (h, w, 4) uint8, straight (not premultiplied) alpha
    left: int  # the image's column and row of the part's first pixel
    top: int


def render_mesh(meshes: list[Mesh], camera: Camera, width: int, height: int, opengl: bool = True) -> np.ndarray:
    """The meshes on a transparent image, (height, width, 4) uint8 RGBA with straight alpha; see `render_region`."""
    image = np.zeros((height, width, 4), np.uint8)
    part = render_region(meshes, camera, width, height, opengl)
    if part is not None:
        rows, columns = part.rgba.shape[:2]
        image[part.top:part.top + rows, part.left:part.left + columns] = part.rgba
    return image


def render_region(meshes: list[Mesh], camera: Camera, width: int, height: int, opengl: bool = True) -> Rendering | None:
    """The meshes as the camera sees them, only where they are; None if they are nowhere in the image.

    `camera` is that of the image of `width` x `height` pixels. May be called from any thread. `opengl=False` renders in
    software even where there is OpenGL. Peak memory: about 3 times that of the image as uint8 RGB.
    """
    vertices, colors, faces = _join(meshes)
    if not len(faces):
        return None
    vertices = camera.bent(vertices)  # after `_join` has lit them as they are
    pixels = replace(camera, distortion=()).project(vertices)
    left, top = np.maximum(np.floor(pixels.min(0)) - 1, 0)
    right, bottom = np.minimum(np.ceil(pixels.max(0)) + 2, [width, height])
    if left >= right or top >= bottom:
        return None
    shape = np.array([right - left, bottom - top]).astype(int)
    scale = min(1.0, LARGEST_RENDER / shape.max())
    small = np.maximum(np.round(shape * scale), 1).astype(int)
    sx, sy = small / shape  # pixel p of the region stands over pixel (p + .5) * s - .5 of the rendering
    region = Camera(camera.fx * sx, camera.fy * sy, (camera.cx - left + 0.5) * sx - 0.5,
                    (camera.cy - top + 0.5) * sy - 0.5)
    scene = (vertices, colors, faces, region, *small.tolist())
    image = _render_thread.submit(_render, *scene).result() if opengl else _render_in_software(*scene)
    return Rendering(_to_straight_uint8(image, *shape.tolist()), int(left), int(top))


def warm_up() -> None:
    """Starts the renderer, which takes a second or two, ahead of the first picture."""
    triangle = Mesh(np.array([[-1.0, -1, 2], [1, -1, 2], [0, 1, 2]]), np.array([[0, 1, 2]]), (255, 255, 255))
    render_region([triangle], Camera.from_fov(60, 32, 32), 32, 32)


def _join(meshes: list[Mesh]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All meshes as one, lit: vertices (V, 3), colours (V, 3) in 0..1, faces (F, 3) that are before the camera."""
    if not meshes:
        return np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3), int)
    vertices = np.concatenate([np.asarray(mesh.vertices, float) for mesh in meshes])
    colors = np.concatenate([shade(mesh.vertices, mesh.faces, mesh.color) for mesh in meshes])
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = np.concatenate([np.asarray(mesh.faces, int) + start for mesh, start in zip(meshes, starts, strict=False)])
    usable = np.isfinite(vertices).all(1) & (vertices[:, 2] > NEAR)
    used, faces = np.unique(faces[usable[faces].all(1)], return_inverse=True)
    return vertices[used], colors[used], faces.reshape(-1, 3)


def _to_straight_uint8(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Premultiplied RGBA (h, w, 4), float32 in 0..1, as straight uint8 (height, width, 4), enlarged where smaller.

    OpenCV's enlargement is separable, so that it may first be done along the rows and then by bands of columns.
    """
    rgba = np.empty((height, width, 4), np.uint8)
    enlarged = image.shape[:2] != (height, width)
    if enlarged:
        image = cv2.resize(image, (width, image.shape[0]), interpolation=cv2.INTER_CUBIC)
    for left in range(0, width, BAND):
        first, last = max(left - SEAM, 0), min(left + BAND + SEAM, width)
        band = image[:, first:last]
        if enlarged:
            band = np.clip(cv2.resize(band, (last - first, height), interpolation=cv2.INTER_CUBIC), 0, 1)
        band = band[:, left - first:left - first + BAND]
        alpha = band[..., 3:]
        straight = np.concatenate([band[..., :3] / np.maximum(alpha, 1e-6), alpha], 2)
        rgba[:, left:left + BAND] = np.clip(straight, 0, 1) * 255 + 0.5
    return rgba


# ---- The two renderers. Both return (height, width, 4) float32 RGBA in 0..1, premultiplied by alpha, of vertices
# (V, 3) in metres, camera frame, their colours (V, 3) in 0..1, and faces (F, 3).

def _render_in_software(vertices, colors, faces, camera: Camera, width: int, height: int) -> np.ndarray:
    samples = 2 if max(width, height) <= LARGEST_SUPERSAMPLED else 1
    points = np.column_stack([(camera.project(vertices) + 0.5) * samples - 0.5, vertices[:, 2]])
    buffer = rasterize(points, faces, width * samples, height * samples)
    image = buffer.interpolate(np.column_stack([colors, np.ones(len(colors))]), faces)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


class _OpenGLRenderer:
    """pyrender's renderer. It belongs to the thread that makes it."""

    def __init__(self):
        if sys.platform == "darwin":
            raise RuntimeError("macOS gives OpenGL windows to the main thread only")
        if sys.platform == "linux":
            os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # needs no display; read when OpenGL is first imported
        import pyrender
        self.pyrender = pyrender
        self.renderer = pyrender.OffscreenRenderer(16, 16)

    def __call__(self, vertices, colors, faces, camera: Camera, width: int, height: int) -> np.ndarray:
        depth = vertices[:, 2]
        material = self.pyrender.MetallicRoughnessMaterial(doubleSided=True)
        primitive = self.pyrender.Primitive(
            positions=(vertices * [1, -1, -1]).astype(np.float32), indices=faces.astype(np.uint32), material=material,
            color_0=np.column_stack([colors, np.ones(len(colors))]).astype(np.float32))
        scene = self.pyrender.Scene(bg_color=np.zeros(4))
        scene.add(self.pyrender.Mesh([primitive]))
        # OpenGL's pixel centres lie at halves.
        scene.add(self.pyrender.IntrinsicsCamera(camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5,
                                                 znear=float(depth.min()) * 0.9, zfar=float(depth.max()) * 1.1))
        self.renderer.viewport_width, self.renderer.viewport_height = width, height
        flags = self.pyrender.RenderFlags
        image, _ = self.renderer.render(scene, flags.FLAT | flags.RGBA | flags.SKIP_CULL_FACES)
        return image.astype(np.float32) / 255  # antialiased over transparent black, that is, premultiplied


_render_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="render")  # starts with its first picture
_renderer = None  # an _OpenGLRenderer or _render_in_software, once the render thread has found out which works


def _render(*scene) -> np.ndarray:
    """By OpenGL if it works here, else in software; runs in the render thread."""
    global _renderer
    if _renderer is None:
        try:
            _renderer = _OpenGLRenderer()
            return _renderer(*scene)
        except Exception as error:  # PyOpenGL and its drivers raise anything from ImportError to AssertionError
            log.warning("Hands are drawn without OpenGL, which could not be loaded: %s: %s.",
                        type(error).__name__, error)
            _renderer = _render_in_software
    return _renderer(*scene)


@atexit.register
def _end_renderer() -> None:
    """Frees what OpenGL holds while modules can still be imported, as pyrender does for it. Left to the interpreter's
    end, it would wait for ever where another thread was in the middle of an import when it was stopped."""
    global _renderer
    _renderer = None
