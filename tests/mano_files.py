"""Files as MANO's download has them, of a hand that is not MANO: the open hand brought to 778 vertices, 1538 triangles.

`write_mano_pickle` writes what Python 2 wrote: protocol 2, byte strings, modules by their names of 2017, `shapedirs` a
`chumpy.reordering.Select` of ten out of twenty directions of a `chumpy.ch.Ch`, J_regressor a SciPy csc matrix.
"""
from __future__ import annotations

import functools
import heapq
import math
import pickle
import struct
from operator import mul
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from handpose.hand_model.model import MANO_TIP_VERTICES, OPEN_HAND

VERTICES, TRIANGLES, BORDER = 778, 1538, 16
REST_TURNS = {1: 3.0, 7: -4.0, 10: -2.0, 13: 8.0}  # degrees about y that a first joint is turned by in the rest pose
MEAN_FLEXION = (0.2, 0.3, 0.2)  # radians about z, of each finger's joints in the mean pose


@functools.cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(OPEN_HAND) as file:
        hand = {key: file[key].astype(float) for key in ("v_template", "shapedirs", "J_regressor", "weights")}
        faces, tips, kintree = file["f"], file["tip_vertices"].tolist(), file["kintree_table"].astype(np.int64)
    faces, owner = decimate(hand["v_template"], faces, set(tips))
    kept = np.unique(faces)
    order = [vertex for vertex in kept if vertex not in tips]
    for place, tip in sorted(zip(MANO_TIP_VERTICES, tips, strict=True)):
        order.insert(place, tip)
    place_of = {vertex: place for place, vertex in enumerate(order)}
    regressor = np.zeros((16, VERTICES))
    for vertex, column in enumerate(hand["J_regressor"].T):  # a removed vertex's share goes where it was merged to
        regressor[:, place_of[owner(vertex)]] += column
    weights, template, shapedirs = (hand[key][order] for key in ("weights", "v_template", "shapedirs"))
    template, shapedirs = _turn_rest_pose(template, shapedirs, weights, regressor)

    rng = np.random.default_rng(778)
    mean = np.zeros((15, 3))
    mean[:12, 2] = np.tile(MEAN_FLEXION, 4)
    mean[12:] = [[0.3, 0.2, 0], [0.1, -0.2, 0], [0.1, -0.3, 0]]
    components = np.linalg.qr(np.vstack([mean.ravel(), rng.normal(size=(44, 45))]).T)[0].T
    kintree[0, 0] = 4294967295  # as MANO writes -1
    smooth = np.einsum("vj,jcp->vcp", weights, rng.normal(size=(16, 3, 135)))
    return {"hands_components": components, "f": np.vectorize(place_of.get)(faces).astype(np.uint32),
            "J_regressor": regressor, "kintree_table": kintree, "J": regressor @ template,
            "hands_coeffs": rng.normal(size=(50, 45)), "weights": weights, "posedirs": 1e-3 * smooth,
            "v_template": template, "shapedirs": shapedirs, "bs_style": "lbs", "hands_mean": mean.ravel(),
            "bs_type": "lrotmin"}


def mano_arrays() -> dict[str, np.ndarray]:
    """A right hand with MANO's keys, shapes and dtypes (778 vertices, hands_mean and hands_components among them).

    Its rest pose differs from the open hand's by REST_TURNS, its pose blend shapes and pose space are invented.
    """
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in _arrays().items()}


def left_arrays(shapedirs_as_published: bool = True) -> dict[str, np.ndarray]:
    """The mirror image (x -> -x); with MANO_LEFT's mistake: its shapedirs are the right hand's, not mirrored."""
    right, flip = mano_arrays(), np.array([-1.0, 1, 1])
    turned = np.tile([1.0, -1, -1], 15)  # a mirrored axis-angle vector
    mirrored = {"v_template": right["v_template"] * flip, "J": right["J"] * flip, "f": right["f"][:, ::-1].copy(),
                "posedirs": right["posedirs"] * flip[:, None] * np.tile(np.outer(flip, flip).ravel(), 15),
                "hands_mean": right["hands_mean"] * turned, "hands_components": right["hands_components"] * turned}
    if not shapedirs_as_published:
        mirrored["shapedirs"] = right["shapedirs"] * flip[:, None]
    return {**right, **mirrored}


def write_mano_npz(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """The same keys as arrays, J_regressor dense."""
    np.savez(path, **arrays)


def write_mano_pickle(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """A pickle as Python 2 and chumpy wrote it (see the module)."""
    with open(path, "wb") as file:
        Python2Pickler(file, 2).dump(with_old_objects(arrays))


def with_old_objects(arrays: dict) -> dict:
    """The dictionary that MANO's pickle holds: Select and Ch for shapedirs, a csc matrix for J_regressor."""
    directions = arrays["shapedirs"]
    every = np.concatenate([directions, np.full_like(directions, 9.0)], 2)  # the second ten are not asked for
    indices = np.arange(every.size).reshape(every.shape)[:, :, :10].ravel()
    state = {"_dirty_vars": {"a"}, "_itr": None, "_depends_on_deps": {}, "_make_dense": False, "_make_sparse": False}
    source = Ch(**state, x=every)
    matrix = arrays["J_regressor"]
    rows = [np.flatnonzero(column) for column in matrix.T]
    sparse = csc_matrix(_shape=matrix.shape, maxprint=50, indices=np.concatenate(rows).astype(np.int32),
                        indptr=np.cumsum([0, *map(len, rows)]).astype(np.int32),
                        data=np.concatenate([matrix[row, column] for column, row in enumerate(rows)]))
    return {**arrays, "J_regressor": sparse,
            "shapedirs": Select(**state, a=source, idxs=indices, preferred_shape=directions.shape)}


class _Old:
    """An object of a library that is not at hand: it pickles as its attributes."""
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


Ch = type("Ch", (_Old,), {"__module__": "chumpy.ch"})
Select = type("Select", (_Old,), {"__module__": "chumpy.reordering"})
csc_matrix = type("csc_matrix", (_Old,), {"__module__": "scipy.sparse.csc"})


class Python2Pickler(pickle._Pickler):  # the one written in Python, whose parts can be replaced
    """Writes `str` and `bytes` as Python 2's byte strings and globals by the module names of its time."""
    dispatch = pickle._Pickler.dispatch.copy()
    OLD_MODULES = {"numpy._core.multiarray": "numpy.core.multiarray", "builtins": "__builtin__", "copyreg": "copy_reg"}

    def save_string(self, text):
        data = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(text)

    def save_global(self, thing, name=None):
        module = self.OLD_MODULES.get(thing.__module__, thing.__module__)
        self.write(pickle.GLOBAL + f"{module}\n{name or thing.__qualname__}\n".encode())
        self.memoize(thing)

    dispatch[str] = dispatch[bytes] = save_string
    dispatch[type] = save_global


def _turn_rest_pose(template, shapedirs, weights, regressor):
    """Another rest pose: the fingers turned by REST_TURNS at their first joints, their skin blended."""
    joints = regressor @ template
    points, blend = template.copy(), np.zeros((VERTICES, 3, 3))
    for joint in range(16):
        first = (joint - 1) // 3 * 3 + 1 if joint else 0
        turn = Rotation.from_euler("y", REST_TURNS.get(first, 0.0), degrees=True).as_matrix()
        points += weights[:, joint, None] * ((template - joints[first]) @ (turn - np.eye(3)).T)
        blend += weights[:, joint, None, None] * turn
    return points, np.einsum("vij,vjs->vis", blend, shapedirs)


def decimate(points: np.ndarray, faces: np.ndarray, fixed: set[int]):
    """Merges vertices into neighbours along the shortest edges, until VERTICES are left; `fixed` ones stay.

    Returns triangles (F, 3) of the old numbers, and the function that says where a vertex went.
    """
    triangles = {number: tuple(face) for number, face in enumerate(faces.tolist())}
    around = {vertex: set() for vertex in range(len(points))}
    for number, face in triangles.items():
        for vertex in face:
            around[vertex].add(number)
    merged = {}

    def neighbours(vertex):
        return {other for number in around[vertex] for other in triangles[number]} - {vertex}

    def on_border(vertex):
        return len(neighbours(vertex)) != len(around[vertex])

    places = points.tolist()  # plain numbers: NumPy is slow on three of them

    def normal(face):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (places[corner] for corner in face)
        bx, by, bz, cx, cy, cz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
        return by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx

    def may_merge(vertex, into, along_border):
        if into not in neighbours(vertex) or vertex in fixed or on_border(vertex) != along_border:
            return False
        if len(neighbours(vertex) & neighbours(into)) != (1 if along_border else 2):
            return False
        for number in around[vertex] - around[into]:  # no triangle may turn over
            before = normal(triangles[number])
            after = normal([into if corner == vertex else corner for corner in triangles[number]])
            if sum(map(mul, before, after)) < 0.3 * math.hypot(*before) * math.hypot(*after):
                return False
        return True

    def merge(vertex, into):
        merged[vertex] = into
        for number in around.pop(vertex):
            face = triangles[number]
            if into in face:
                for corner in face:
                    if corner != vertex:
                        around[corner].discard(number)
                del triangles[number]
            else:
                triangles[number] = tuple(into if corner == vertex else corner for corner in face)
                around[into].add(number)

    def run(along_border, count):
        length = lambda pair: math.dist(places[pair[0]], places[pair[1]])  # noqa: E731
        queue = [(length(pair), pair) for v in around for pair in ((v, n) for n in neighbours(v))]
        heapq.heapify(queue)
        while count:
            _, (vertex, into) = heapq.heappop(queue)
            if vertex in around and into in around and may_merge(vertex, into, along_border):
                merge(vertex, into)
                count -= 1
                for other in neighbours(into):
                    heapq.heappush(queue, (length((other, into)), (other, into)))
                    heapq.heappush(queue, (length((into, other)), (into, other)))

    run(True, sum(map(on_border, around)) - BORDER)
    run(False, len(around) - VERTICES)

    def owner(vertex):
        while vertex in merged:
            vertex = merged[vertex]
        return vertex

    return np.array(list(triangles.values())), owner
