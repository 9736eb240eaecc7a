"""A forearm that grows out of the hand model's open wrist, and what is worn on it: sleeves, watches, bangles."""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

FLARE = .075  # m towards the fingers, over which a hand becomes twice as wide as its wrist
LENGTH = .75  # m: out of the picture from nearly every side


def border_loop(faces: np.ndarray) -> np.ndarray:
    """The vertices (N,) around a mesh's one hole, in the order in which the missing faces would see them."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = {(a, b) for a, b in edges.tolist()}
    follower = defaultdict(list)
    for a, b in directed:
        if (b, a) not in directed:
            follower[b].append(a)
    start = min(follower)
    loop = [start]
    while (vertex := follower[loop[-1]][0]) != start:
        loop.append(vertex)
    if len(loop) != len(follower):
        raise ValueError(f"The hand's mesh must have one hole, at the wrist; {len(follower)} border vertices do not "
                         f"form one loop (found one of {len(loop)}).")
    return np.array(loop)


def tube_faces(rings: int, sides: int) -> np.ndarray:
    """Triangles (F, 3) between rings of vertices numbered ring by ring."""
    ring, side = np.meshgrid(np.arange(rings - 1), np.arange(sides), indexing="ij")
    a, b = ring * sides + side, ring * sides + (side + 1) % sides
    c, d = a + sides, b + sides
    return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], 2).reshape(-1, 3)


@dataclass(frozen=True)
class Forearm:
    """A bent tube about a centre line that starts in the wrist's border.

    loop (N, 3): the border, camera frame; frame (3, 3): columns back of the hand, thumb side, away from the fingers.
    `bend` (2,): radians by which the arm turns away from the hand's line, towards its back and towards its thumb;
    `growth` (2,): thickness and width of the full forearm relative to the wrist's.
    """
    loop: np.ndarray
    frame: np.ndarray
    bend: np.ndarray
    growth: np.ndarray

    @property
    def angles(self) -> np.ndarray:
        """Direction (N,) of each border vertex about the arm, radians from the back of the hand."""
        local = (self.loop - self.loop.mean(0)) @ self.frame
        return np.arctan2(local[:, 1], local[:, 0])

    def rings(self, distances: np.ndarray, widening: np.ndarray | float = 0.0, angles: np.ndarray | None = None
              ) -> np.ndarray:
        """Vertices (K, N, 3) at distances (K,) from the border, `widening` metres (broadcast to K, N) off the skin.

        Where the distance is negative, towards the fingers, they flare as the hand does."""
        distances = np.asarray(distances, float)
        centre = self.loop.mean(0)
        local = (self.loop - centre) @ self.frame
        order = np.argsort(self.angles)
        own = self.angles[order]
        angles = own[np.argsort(order)] if angles is None else angles
        border = np.stack([np.interp(angles, own, local[order, k], period=2 * np.pi) for k in range(3)], -1)
        radii = np.abs(local[:, :2]).max(0)
        full = _smoothstep(distances / .20)[:, None]
        ellipse = np.stack([np.cos(angles), np.sin(angles)]) * (radii * (1 + (self.growth - 1) * full))[:, :, None]
        fade = _smoothstep(distances / .06)[:, None]
        section = (1 - fade[..., None]) * border[:, :2] + fade[..., None] * np.moveaxis(ellipse, 1, 2)
        section = section * (1 + np.clip(-distances / FLARE, 0, 1.2))[:, None, None]
        section = section * (1 + np.asarray(widening)[..., None] / np.linalg.norm(section, axis=-1, keepdims=True))
        lift = (1 - fade) * border[:, 2]  # the border is not quite plane

        path = np.linspace(min(distances.min(), 0), max(distances.max(), .01), 80)
        turn = _smoothstep(path / .07)[:, None] * self.bend
        step = np.gradient(path)[:, None]
        direction = np.stack([np.sin(turn[:, 0]), np.sin(turn[:, 1]), np.cos(turn[:, 0]) * np.cos(turn[:, 1])], -1)
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        line = np.cumsum(direction * step, 0)
        line -= [np.interp(0, path, c) for c in line.T]
        at = [np.stack([np.interp(distances, path, c) for c in v.T], -1) for v in (line, direction)]
        along = at[1] / np.linalg.norm(at[1], axis=1, keepdims=True)
        back = np.array([1.0, 0, 0]) - along * along[:, :1]
        back /= np.linalg.norm(back, axis=1, keepdims=True)
        side = np.cross(along, back)
        points = (at[0][:, None] + section[..., :1] * back[:, None] + section[..., 1:] * side[:, None]
                  + lift[..., None] * along[:, None])
        return centre + points @ self.frame.T


def _smoothstep(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def skin_rings(forearm: Forearm) -> tuple[np.ndarray, np.ndarray]:
    """The bare arm's vertices (K, N, 3) beyond the border, and their distances (K,) from it."""
    distances = np.array([.006, .013, .021, .03, .04, .052, .066, .085, .11, .14, .18, .23, .3, .4, .55, LENGTH])
    return forearm.rings(distances), distances


def sleeve(forearm: Forearm, start: float, end: float, thickness: float, folds: np.ndarray, sides: int = 24
           ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tube around the arm from `start` to `end` (m from the border), `thickness` metres off the skin.

    folds (R, S): relative bulges, stretched over its length and width. Returns vertices (V, 3), faces (F, 3) and
    corner coordinates (F, 3, 2) = turn (0..1) and distance in metres. The ends are closed down to the skin.
    """
    count = int(np.clip((end - start) / .012, 2, 22))
    distances = np.concatenate([[start], start + (end - start) * np.linspace(0, 1, count) ** 1.4, [end]])
    angles = np.arange(sides) / sides * 2 * np.pi - np.pi
    rows = np.linspace(0, folds.shape[0] - 1, count).astype(int)
    columns = np.arange(sides) * folds.shape[1] // sides
    widening = np.zeros((count + 2, sides))
    widening[1:-1] = thickness * (1 + folds[rows][:, columns])
    widening[[0, -1]] = -.002
    vertices = forearm.rings(distances, widening, angles).reshape(-1, 3)
    faces = tube_faces(count + 2, sides)
    turn = np.arange(len(vertices)) % sides / sides
    coords = np.column_stack([turn, np.repeat(distances, sides)])[faces]
    coords[..., 0] += (coords[..., 0].max(1, keepdims=True) - coords[..., 0] > .5)  # across the seam
    return vertices, faces, coords
