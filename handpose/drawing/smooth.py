"""A hand's surface as it is looked at: closed at the wrist and subdivided once.

For display only; files and numbers keep the hand model's own mesh.
"""
from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags, identity, vstack

EVENED = 3  # times that each vertex of a rim moves halfway to the middle of its neighbours along it


class SmoothSurface(NamedTuple):
    """How the vertices that are displayed follow from those of a mesh, and which triangles they make.

    Each is a weighted mean of the mesh's, whatever its pose: one matrix serves all poses.
    """
    weights: csr_matrix  # (W, V) float32, rows add up to 1
    faces: np.ndarray  # (G, 3) int32, wound as the mesh's are


def smooth(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The displayed vertices (W, 3) and triangles (G, 3) of a mesh (V, 3), (F, 3) that may be open at its wrist."""
    surface = smooth_surface(faces, len(vertices))
    return surface.weights @ vertices, surface.faces


def smooth_surface(faces: np.ndarray, count: int) -> SmoothSurface:
    """The display surface of triangles (F, 3) over `count` vertices; kept, as a hand model's never change."""
    return _surface(np.ascontiguousarray(faces, np.int32).tobytes(), count, subdivided=True)


def closed_surface(faces: np.ndarray, count: int) -> SmoothSurface:
    """The same surface, not subdivided; kept likewise."""
    return _surface(np.ascontiguousarray(faces, np.int32).tobytes(), count, subdivided=False)


@lru_cache(maxsize=16)
def _surface(faces: bytes, count: int, subdivided: bool) -> SmoothSurface:
    triangles = np.frombuffer(faces, np.int32).reshape(-1, 3)
    if not subdivided:
        return _close(triangles, count)
    lids, closed = closed_surface(triangles, count)
    weights, finer = _subdivide(closed, lids.shape[0])
    return SmoothSurface((weights @ lids).tocsr().astype(np.float32), finer)


def _close(faces: np.ndarray, count: int) -> SmoothSurface:
    """The surface with each hole closed by a fan round the middle of its rim.

    The vertices are the mesh's, those of a rim, which is jagged, evened along it, and then the middle of each rim.
    """
    directed = {tuple(edge) for edge in _edges(faces).tolist()}
    after = {end: start for start, end in directed if (end, start) not in directed}  # along the rims, seen from outside
    closed, lids = [faces], [identity(count, format="lil")]
    while after:
        rim = [next(iter(after))]
        while (vertex := after.pop(rim[-1], rim[0])) != rim[0]:
            rim.append(vertex)
        middle = np.full(len(rim), count + len(lids) - 1)
        closed.append(np.stack([rim, np.roll(rim, -1), middle], 1))
        evened = np.eye(len(rim))
        for _ in range(EVENED):
            evened = evened / 2 + (np.roll(evened, 1, 0) + np.roll(evened, -1, 0)) / 4
        lids[0][np.ix_(rim, rim)] = evened
        lids.append(csr_matrix(np.bincount(rim, minlength=count) / len(rim)))
    return SmoothSurface(vstack(lids).tocsr().astype(np.float32), np.concatenate(closed).astype(np.int32))


def _subdivide(faces: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray]:
    """One step of Loop's scheme (Smooth subdivision surfaces based on triangles, 1987) with Warren's weights, over a
    closed surface: the new vertices (V + E, V), the old ones first, and the four triangles of each (4 F, 3)."""
    edges, edge_of = np.unique(np.sort(_edges(faces), 1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(3, -1).T  # (F, 3): the edges that leave each corner of a face for the next
    opposite = csr_matrix((np.ones(faces.size), (edge_of.ravel(), faces[:, [2, 0, 1]].ravel())), (len(edges), count))
    ends = csr_matrix((np.ones(edges.size), (np.repeat(np.arange(len(edges)), 2), edges.ravel())), opposite.shape)
    neighbours = csr_matrix((np.ones(edges.size), (edges.ravel(), edges[:, ::-1].ravel())), (count, count))
    number = np.maximum(np.asarray(neighbours.sum(1)).ravel(), 1)
    pull = np.where(number == 3, 9 / 16, 3 / 8)  # of all neighbours together
    moved = diags(1 - pull) + diags(pull / number) @ neighbours
    middle = edge_of + count
    small = [np.stack([faces[:, k], middle[:, k], middle[:, k - 1]], 1) for k in range(3)]
    return (vstack([moved, ends * (3 / 8) + opposite * (1 / 8)]),
            np.concatenate([*small, middle]).astype(np.int32))


def _edges(faces: np.ndarray) -> np.ndarray:
    """The directed edges (3 F, 2) of triangles (F, 3): first of all faces the one that leaves their first corner."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
