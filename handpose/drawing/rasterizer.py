"""Triangles to pixels in plain NumPy: used where there is no OpenGL, and for training images.

Scanline conversion in bulk: every triangle becomes its rows, every row its span of covered pixels, and a z-buffer keeps
the nearest. A few thousand small triangles take milliseconds.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class GBuffer:
    """What is seen at each pixel of an image of H x W."""
    face: np.ndarray  # (H, W) int32 index into the faces, -1 where nothing is seen
    barycentric: np.ndarray  # (H, W, 3) float32 perspective-correct weights of the face's corners; 0 where nothing is
    depth: np.ndarray  # (H, W) float32 metres along the optical axis, inf where nothing is seen

    def interpolate(self, values: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Vertex attributes (V, C) at each pixel, (H, W, C) float32; 0 where nothing is seen."""
        values = np.asarray(values, np.float32)
        out = np.zeros((*self.face.shape, values.shape[1]), np.float32)
        seen = self.face >= 0
        out[seen] = np.einsum("nk,nkc->nc", self.barycentric[seen], values[faces[self.face[seen]]])
        return out


def rasterize(points: np.ndarray, faces: np.ndarray, width: int, height: int) -> GBuffer:
    """The nearest triangle at the centre of each pixel.

    points (V, 3): u, v in pixels (centres at integers) and depth in metres; faces (F, 3). Both sides of a triangle are
    seen. Edges belong to the triangle; of equally near triangles the last wins. A triangle with a corner at or
    behind the camera (depth <= 0, or not finite) is left out: nothing is clipped at the camera's plane.
    """
    points = np.asarray(points, np.float64)
    faces = np.asarray(faces).reshape(-1, 3)
    usable = np.isfinite(points).all(1) & (points[:, 2] > 0)
    index = np.flatnonzero(usable[faces[:, 0]] & usable[faces[:, 1]] & usable[faces[:, 2]])
    corners = faces[index].T
    u, v = points[:, 0][corners], points[:, 1][corners]  # (3, T) each
    left, right, top, bottom = _least(u), -_least(-u), np.ceil(_least(v)), np.floor(-_least(-v))
    area = (u[1] - u[0]) * (v[2] - v[0]) - (v[1] - v[0]) * (u[2] - u[0])  # doubled
    kept = (top <= bottom) & (bottom >= 0) & (top < height) & (right >= 0) & (left <= width - 1) & (area != 0)
    index, u, v, area = index[kept], u[:, kept], v[:, kept], area[kept]
    first = np.maximum(top[kept], 0).astype(int)
    count = np.minimum(bottom[kept], height - 1).astype(int) - first + 1
    inverse_depth = 1 / points[:, 2][corners[:, kept]]

    # Edge k lies opposite corner k. Its function a u + b v + c is that corner's barycentric coordinate on the screen;
    # 1 / depth is linear there, so it is a combination of the three.
    after, before = [1, 2, 0], [2, 0, 1]
    a, b = (v[after] - v[before]) / area, (u[before] - u[after]) / area
    c = (u[after] * v[before] - v[after] * u[before]) / area
    near_u, near_v, near_c = ((k * inverse_depth).sum(0) for k in (a, b, c))

    # Every triangle's rows, and on each row the span of pixels between the edges on the left (a > 0) and on the right.
    owner, step = _ranges(count)
    row = first[owner] + step
    with np.errstate(divide="ignore", invalid="ignore"):
        lean = -b / a
        start = u[after] - lean * v[after]
    bounds = []
    for side, sign in ((a > 0, 1), (a < 0, -1)):
        slope, offset = np.where(side, sign * lean, 0), np.where(side, sign * start, -np.inf)
        bounds.append(-_least(-np.stack([slope[k][owner] * row + offset[k][owner] for k in range(3)])))
    tolerance = 1e-7  # pixels: rounding must not open a crack between neighbours
    left = np.clip(np.ceil(bounds[0] - tolerance), 0, width).astype(int)
    right = np.clip(np.floor(-bounds[1] + tolerance), -1, width - 1).astype(int)

    # Every span's pixels, and the nearest of those that fall on the same one.
    span, step = _ranges(np.maximum(right - left + 1, 0))
    slope, offset = near_u[owner], near_u[owner] * left + near_v[owner] * row + near_c[owner]
    near = (slope[span] * step + offset[span]).astype(np.float32)
    pixel = (row * width + left)[span] + step
    nearest = np.zeros(height * width, np.float32)
    np.maximum.at(nearest, pixel, near)
    seen = np.flatnonzero(near == nearest[pixel])
    winner = np.full(height * width, -1)
    winner[pixel[seen]] = seen
    hit = np.flatnonzero(winner >= 0)
    triangle = owner[span[winner[hit]]]

    column, row = hit % width, hit // width
    weights = [np.maximum(a[k][triangle] * column + b[k][triangle] * row + c[k][triangle], 0)
               * inverse_depth[k][triangle] for k in range(3)]
    face = np.full(height * width, -1, np.int32)
    face[hit] = index[triangle]
    barycentric = np.zeros((height * width, 3), np.float32)
    total = sum(weights)
    for k in range(3):
        barycentric[hit, k] = weights[k] / total
    depth = np.full(height * width, np.inf, np.float32)
    depth[hit] = 1 / nearest[hit]
    return GBuffer(face.reshape(height, width), barycentric.reshape(height, width, 3), depth.reshape(height, width))


def _least(values: np.ndarray) -> np.ndarray:
    """Elementwise minimum of the three rows of (3, N): much faster than a reduction over so short an axis."""
    return np.minimum(np.minimum(values[0], values[1]), values[2])


def _ranges(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (N,): the index of each item's range, repeated, and the position within it, (counts.sum(),) both."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
