"""The arrays of a hand model's file: MANO's own pickle, or an `.npz` with MANO's keys; checked before use."""
from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..foreign_file import read_bytes, read_npz
from ..shipped import shipped
from .safe_pickle import load_records, to_array
from .skeleton import MANO_PARENTS, MIRROR

OPEN_HAND = shipped("assets") / "open_hand.npz"
# Hands of one version have the same joints for the same parameters, whatever their skin: a network's answers for one
# fit all of them. A bake that moves joints or turns betas into others counts on.
OPEN_HAND_VERSION = 2
# Of a network and of a hand whose parameters it tells all the same: those of version 1 leave the tenth beta, breadth
# since version 2, at 0, for it was .1 mm of skin. The other way round the breadth would be lost.
FITTING = {(1, 2)}
MANO_VERTICES = 778
MOST_BYTES = 256 << 20  # in memory, of all arrays of an .npz together; MANO's take 8 MB
MOST_PICKLED = 64 << 20  # bytes of a pickle; MANO's have 4 MB
# Shapes, a letter standing for a number that is the same wherever it occurs.
REQUIRED_KEYS = {"v_template": ("V", 3), "shapedirs": ("V", 3, 10), "posedirs": ("V", 3, 135), "J_regressor": (16, "V"),
                 "weights": ("V", 16), "kintree_table": (2, 16), "f": ("F", 3)}
OPTIONAL_KEYS = {"hands_mean": (45,), "hands_components": (45, 45), "tip_vertices": (5,), "joint_offsets": (21, 3),
                 "version": ()}


def version_fits(of_network: int, of_hand: int) -> bool:
    """Whether the answers of a network for one version of the open hand are right for another."""
    return of_network == of_hand or (of_network, of_hand) in FITTING


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """A hand's arrays by MANO's names, left or right as in the file. Raises ValueError naming the file, OSError."""
    arrays = {".pkl": _read_pickle, ".npz": _read_npz}.get(path.suffix.lower(), _refuse)(path)
    missing = [key for key in REQUIRED_KEYS if key not in arrays]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: give a file with MANO's keys, such as MANO_RIGHT.pkl.")
    arrays["shapedirs"] = arrays["shapedirs"][..., :10]  # those who keep more have MANO's ten first
    _check(arrays, path)
    if is_left(arrays) and _shapes_of_other_hand(arrays):
        arrays["shapedirs"] = arrays["shapedirs"] * MIRROR[:, None]
    return arrays


def is_left(arrays: dict[str, np.ndarray]) -> bool:
    """Whether these are a left hand's, as MANO lays them: its fingers point along +x, a right hand's along -x."""
    wrist, middle = (arrays["J_regressor"] @ arrays["v_template"])[[0, 4]]
    return bool(middle[0] > wrist[0])


def _shapes_of_other_hand(arrays: dict[str, np.ndarray]) -> bool:
    """Whether a left hand has a right hand's shapedirs, as the published MANO_LEFT does (smplx's issue 48).

    The first direction is the hand's size: what makes it broader (z) must make it longer (x), not shorter.
    """
    centred = arrays["v_template"] - arrays["v_template"].mean(0)
    growth = (centred * arrays["shapedirs"][:, :, 0]).sum(0)
    return bool(growth[0] * growth[2] < 0)


def _read_pickle(path: Path) -> dict[str, np.ndarray]:
    try:
        data = read_bytes(path, MOST_PICKLED)
    except ValueError as error:
        raise ValueError(f"{path} cannot be MANO's ({error}): download it again.") from error
    records, arrays = load_records(data, path), {}
    for key in (key for key in (*REQUIRED_KEYS, *OPTIONAL_KEYS) if key in records):
        try:
            arrays[key] = to_array(records[key])
        except Exception as error:  # whatever a malformed record leads to
            raise ValueError(f"{path} holds no array of numbers as {key} ({error}): download it again.") from error
    return arrays


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_npz(path, MOST_BYTES)
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy each have their own for a damaged file
        cause = "is damaged or no .npz" if isinstance(error, BadZipFile) else f"cannot be read ({error})"
        raise ValueError(f"{path} {cause}: give MANO_RIGHT.pkl, or an .npz of plain arrays.") from error


def _refuse(path: Path) -> dict:
    raise ValueError(f"{path} is no hand model: give MANO_RIGHT.pkl, or an .npz with its keys.")


def _check(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Raises ValueError for arrays that are not a hand's as MANO has it."""
    sizes: dict[str, int] = {}
    for key, shape in {**REQUIRED_KEYS, **OPTIONAL_KEYS}.items():
        if key not in arrays:
            continue
        array = arrays[key]
        if array.ndim == len(shape):
            shape = tuple(sizes.setdefault(n, m) if isinstance(n, str) else n
                          for n, m in zip(shape, array.shape, strict=True))
        if array.shape != shape:
            raise ValueError(f"{path} holds {key} of shape {array.shape} where {shape} is meant: give a hand of MANO's "
                             "format, such as MANO_RIGHT.pkl.")
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{path} holds values in {key} that are no finite numbers: download it again.")
    vertices = sizes["V"]
    if tuple(arrays["kintree_table"][0, 1:].tolist()) != MANO_PARENTS[1:]:
        raise ValueError(f"{path} has another tree of joints than MANO's: give a hand such as MANO_RIGHT.pkl.")
    if "tip_vertices" not in arrays and vertices != MANO_VERTICES:
        raise ValueError(f"{path} has {vertices} vertices and does not say which are the fingertips: give MANO's "
                         f"{MANO_VERTICES}, or the key tip_vertices.")
    for key in ("f", "tip_vertices"):
        if key in arrays and arrays[key].size and not 0 <= arrays[key].min() <= arrays[key].max() < vertices:
            raise ValueError(f"{path} names vertices in {key} that it does not have: download it again.")
