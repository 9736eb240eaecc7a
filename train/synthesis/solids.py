"""Solid bodies that know how far any point is from their surface, and what that surface looks like as triangles.

Metres, in the body's own frame; `distance` is negative inside. Distances to bodies that are turned, boxed or round are
exact (Hart, Sphere tracing, 1996; Quilez, Distance functions, 2008).
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .arm import tube_faces

Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]  # vertices (V, 3), faces (F, 3), corner coordinates (F, 3, 2)


class Solid(Protocol):
    def distance(self, points: np.ndarray) -> np.ndarray:
        """(N,) metres from the surface, of points (N, 3)."""

    def mesh(self) -> Mesh:
        """Outwards-wound triangles; coordinates are 0..1 around and metres along."""


@dataclass(frozen=True)
class Turned:
    """A closed body turned about z: radius (K,) at each height (K,), from the bottom up and, if hollow, down inside."""
    radii: np.ndarray
    heights: np.ndarray
    sides: int = 20

    def distance(self, points: np.ndarray) -> np.ndarray:
        r, z = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
        radii, heights = np.r_[0, self.radii, 0], np.r_[self.heights[0], self.heights, self.heights[-1]]
        nearest, inside = np.full(len(points), np.inf), np.zeros(len(points), bool)
        for (a, b), (c, d) in zip(zip(radii, heights, strict=True), zip(radii[1:], heights[1:], strict=False),
                                  strict=False):
            length = (c - a) ** 2 + (d - b) ** 2
            t = np.clip(((r - a) * (c - a) + (z - b) * (d - b)) / max(length, 1e-12), 0, 1)
            np.minimum(nearest, (r - a - t * (c - a)) ** 2 + (z - b - t * (d - b)) ** 2, out=nearest)
            if b != d:  # seen outwards from the point, an odd number of walls lies before one that is inside
                inside ^= ((z > b) != (z > d)) & (r < a + (z - b) / (d - b) * (c - a))
        return np.where(inside, -1, 1) * np.sqrt(nearest)

    def mesh(self) -> Mesh:
        angles = np.arange(self.sides) / self.sides * 2 * np.pi
        radii = np.concatenate([[1e-4], self.radii, [1e-4]])
        heights = np.concatenate([self.heights[:1], self.heights, self.heights[-1:]])
        ring = np.stack([np.cos(angles), np.sin(angles)], -1)
        vertices = np.concatenate([radii[:, None, None] * ring,
                                   np.repeat(heights[:, None, None], self.sides, 1)], -1).reshape(-1, 3)
        faces = tube_faces(len(radii), self.sides)
        coords = np.column_stack([np.arange(len(vertices)) % self.sides / self.sides,
                                  np.repeat(heights, self.sides)])[faces]
        coords[..., 0] += coords[..., 0].max(1, keepdims=True) - coords[..., 0] > .5
        return vertices, faces, coords


@dataclass(frozen=True)
class Box:
    """A box of half these sides (3,), about the origin."""
    half: np.ndarray

    def distance(self, points: np.ndarray) -> np.ndarray:
        beyond = np.abs(points) - self.half
        return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(1), 0)

    def mesh(self) -> Mesh:
        vertices, coords = [], []
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        for axis in range(3):  # corners of its own for each side: no smoothing over the edges
            for sign in (-1, 1):
                side = np.roll(np.column_stack([np.full(4, sign), sign * square[:, 0], square[:, 1]]), axis, 1)
                vertices.append(side * self.half)
                coords.append((square + 1) / 2 * [1, .08])
        quads = np.arange(24).reshape(6, 4)
        faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        return np.concatenate(vertices), faces, np.concatenate(coords)[faces]


@dataclass(frozen=True)
class Ring:
    """A torus about z; `radius` is that of its middle line."""
    radius: float
    thickness: float  # radius of the tube
    sides: int = 28

    def distance(self, points: np.ndarray) -> np.ndarray:
        return np.hypot(np.hypot(points[:, 0], points[:, 1]) - self.radius, points[:, 2]) - self.thickness

    def mesh(self) -> Mesh:
        around, across = self.sides + 1, 9
        turn = np.arange(around) / self.sides * 2 * np.pi
        tube = np.arange(across) / across * 2 * np.pi
        r = self.radius + self.thickness * np.cos(tube)
        vertices = np.stack([np.cos(turn)[:, None] * r, np.sin(turn)[:, None] * r,
                             np.broadcast_to(-self.thickness * np.sin(tube), (around, across))], -1).reshape(-1, 3)
        faces = tube_faces(around, across)
        coords = np.column_stack([np.arange(len(vertices)) % across / across,
                                  np.repeat(turn * self.radius, across)])[faces]
        coords[..., 0] += coords[..., 0].max(1, keepdims=True) - coords[..., 0] > .5
        return vertices, faces, coords


@dataclass(frozen=True)
class Capsules:
    """Round rods from `start` to `end` (K, 3) of radii (K,): what a hand is to what it touches. Not drawn."""
    start: np.ndarray
    end: np.ndarray
    radii: np.ndarray

    def distance(self, points: np.ndarray) -> np.ndarray:
        way = self.end - self.start
        squared = np.maximum((way ** 2).sum(1), 1e-12)
        along = points @ way.T - (self.start * way).sum(1)
        to_start = (points ** 2).sum(1)[:, None] - 2 * points @ self.start.T + (self.start ** 2).sum(1)
        t = np.clip(along / squared, 0, 1)
        return (np.sqrt(np.maximum(to_start - 2 * t * along + t * t * squared, 0)) - self.radii).min(1)

    def moved(self, rotation: np.ndarray, place: np.ndarray) -> Capsules:
        """Turned by `rotation` (3, 3), which may mirror, then put at a place (3,)."""
        return Capsules(self.start @ rotation.T + place, self.end @ rotation.T + place, self.radii)


@dataclass(frozen=True)
class Placed:
    """A solid turned by a rotation (3, 3) and put at a place (3,)."""
    solid: Solid
    place: np.ndarray = field(default_factory=lambda: np.zeros(3))
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))

    def distance(self, points: np.ndarray) -> np.ndarray:
        return self.solid.distance((points - self.place) @ self.rotation)

    def mesh(self) -> Mesh:
        vertices, faces, coords = self.solid.mesh()
        return vertices @ self.rotation.T + self.place, faces, coords

    def moved(self, rotation: np.ndarray, place: np.ndarray) -> Placed:
        return Placed(self.solid, self.place @ rotation.T + place, rotation @ self.rotation)


def distance(solids: list[Solid], points: np.ndarray) -> np.ndarray:
    """(N,) to the nearest of them; of points inside of several, not the exact depth but at most that."""
    return np.min([solid.distance(points) for solid in solids], axis=0)
