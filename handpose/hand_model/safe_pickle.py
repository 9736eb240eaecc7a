"""Reads the arrays of a pickle as MANO's download holds them, without running any of what it names.

Unpickling means calling what the file says. Here whatever the file names becomes an inert `Record` that keeps what it
would have been called with, and only the few names that MANO's files hold are known; NumPy, SciPy and chumpy are not
asked for anything. Afterwards `to_array` works out the arrays of the records it knows.

Nor can a file take much more memory or time than its size: it may have few instructions, each of which makes one object
at most, and keys are texts, for a key of pairs of pairs of ... takes ages to be looked up.
"""
from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

MOST_INSTRUCTIONS = 100_000  # MANO's have a few hundred
MOST_VALUES = 10 ** 7  # of an array that is larger than what the file holds of it; MANO's have 0.3 million


class Record:
    """Stands for one object of the file: the arguments it was made with, and the state it was given; does nothing."""
    args: tuple = ()  # of the class, because unpickling may make objects without calling __init__
    state: Any = None

    def __init__(self, *args: Any):
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Ndarray(Record):
    """numpy's `_reconstruct`; state (version, shape, dtype, whether Fortran order, bytes)."""


class Frombuffer(Record):
    """numpy's `_frombuffer` (protocol 5): bytes, dtype, shape, order."""


class Dtype(Record):
    """numpy.dtype: args (code, ..), state (version, byte order, ..)."""


class CscMatrix(Record):
    """scipy.sparse.csc_matrix: its attributes."""


class Ch(Record):
    """chumpy.ch.Ch: its attributes; the value is `x`."""


class Select(Record):
    """chumpy.reordering.Select: its attributes; elements `idxs` of the flattened `a`, as `preferred_shape`."""


class Reconstructor(Record):
    """copy_reg._reconstructor (protocols 0 and 1): the class is its first argument, the state is the object's."""


class Encode(Record):
    """_codecs.encode: how Python 3 writes bytes in protocol 2, as text and "latin1"."""


class Nameless(Record):
    """What is named but of no use here: set, object, numpy.ndarray."""


KNOWN = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): Ndarray for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): Frombuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): Nameless, ("numpy", "dtype"): Dtype,
    **{(module, "csc_matrix"): CscMatrix for module in ("scipy.sparse.csc", "scipy.sparse._csc")},
    ("chumpy.ch", "Ch"): Ch, ("chumpy.reordering", "Select"): Select,
    **{(module, "_reconstructor"): Reconstructor for module in ("copy_reg", "copyreg")},
    **{(module, name): Nameless for module in ("__builtin__", "builtins") for name in ("object", "set")},
    ("_codecs", "encode"): Encode,
}


class _Refused(pickle.UnpicklingError):
    """The file names something that is not among KNOWN."""


def _with_texts(load: Callable[[Any], None], first: int, step: int) -> Callable[[Any], None]:
    """`load`, which puts values of the stack into a dictionary or set, for texts as keys: every `step`-th value."""
    def checked(self: _Unpickler) -> None:
        if not all(isinstance(key, str) for key in self.stack[first::step]):
            raise pickle.UnpicklingError("a key that is no text")
        load(self)
    return checked


class _Unpickler(pickle._Unpickler):  # the one written in Python, whose parts can be replaced
    dispatch = pickle._Unpickler.dispatch | {
        code[0]: _with_texts(pickle._Unpickler.dispatch[code[0]], first, step)
        for code, first, step in ((pickle.SETITEM, -2, 2), (pickle.SETITEMS, 0, 2), (pickle.DICT, 0, 2),
                                  (pickle.ADDITEMS, 0, 1), (pickle.FROZENSET, 0, 1))}

    def find_class(self, module: str, name: str) -> type[Record]:
        if (module, name) not in KNOWN:
            raise _Refused(ascii(f"{module}.{name}"[:80]))
        return KNOWN[module, name]


def load_records(data: bytes, path: str | Path) -> dict[str, Any]:
    """The dictionary that a pickle holds, its objects as records. Raises ValueError naming its file, `path`."""
    try:
        if next(islice(pickletools.genops(data), MOST_INSTRUCTIONS, None), None) is not None:
            raise pickle.UnpicklingError("too many instructions")
        content = _Unpickler(io.BytesIO(data), encoding="latin1").load()  # Python 2's byte strings, byte for byte
    except _Refused as error:
        raise ValueError(f"{path} names {error}, which no MANO file holds: it was refused and nothing of it ran; "
                         "take the file from https://mano.is.tue.mpg.de.") from error
    except Exception as error:  # pickle: "other exceptions may also be raised", whatever the bytes lead to
        raise ValueError(f"{path} is damaged or no pickle ({type(error).__name__}): download it again.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is a pickle but holds no dictionary of arrays: give MANO_RIGHT.pkl.")
    return content


def to_array(value: Any) -> np.ndarray:
    """The array that a record stands for (arrays, csc matrices as dense ones, chumpy's Ch and Select).

    Raises ValueError, TypeError, KeyError, IndexError or AttributeError for a record that is not well formed.
    """
    if isinstance(value, Reconstructor):
        record = value.args[0]()
        record.state = value.state
        value = record
    if isinstance(value, Ndarray):
        _, shape, dtype, fortran, data = value.state
        return _from_bytes(data, dtype, shape, "F" if fortran else "C")
    if isinstance(value, Frombuffer):
        return _from_bytes(*value.args)
    if isinstance(value, Ch):
        return to_array(_plain(value.state["x"]))
    if isinstance(value, Select):
        indices = to_array(_plain(value.state["idxs"]))
        if indices.size > MOST_VALUES:
            raise ValueError("selection of an impossible size")
        elements = to_array(_of_kind(value.state["a"], Ch)).ravel()[indices]
        return elements.reshape(value.state.get("preferred_shape", -1))
    if isinstance(value, CscMatrix):
        return _dense(value.state)
    raise TypeError(f"{type(value).__name__} is no array")


def _of_kind(value: Any, kind: type[Record]) -> Record:
    """The record itself, which must be of this kind: nesting stays as shallow as MANO's, whatever a file says."""
    actual = value.args[0] if isinstance(value, Reconstructor) else type(value)
    if actual is not kind:
        raise TypeError(f"{kind.__name__} expected")
    return value


def _plain(value: Any) -> Record:
    return value if isinstance(value, Frombuffer) else _of_kind(value, Ndarray)


def _from_bytes(data: Any, dtype: Any, shape: tuple, order: str) -> np.ndarray:
    code = dtype.args[0]
    if not (isinstance(dtype, Dtype) and re.fullmatch("[fiu][1248]", code)):
        raise TypeError("not numbers")
    if isinstance(data, Encode):
        data = data.args[0]
    data = data.encode("latin1") if isinstance(data, str) else bytes(data)
    big_endian = dtype.state is not None and dtype.state[1] == ">"
    return np.frombuffer(data, np.dtype(code).newbyteorder(">" if big_endian else "<")).reshape(shape, order=order)


def _dense(state: dict) -> np.ndarray:
    """Compressed sparse columns: column c holds data[indptr[c]:indptr[c + 1]] in rows indices[..]."""
    rows, columns = (int(length) for length in (state["_shape"] if "_shape" in state else state["shape"]))
    data, indices, indptr = (to_array(_plain(state[name])) for name in ("data", "indices", "indptr"))
    counts = np.diff(indptr.astype(np.int64))
    if (min(rows, columns) < 0 or rows * columns > MOST_VALUES or len(indptr) != columns + 1
            or np.any(counts < 0) or counts.sum() != len(data)):
        raise ValueError("sparse matrix of an impossible size")
    dense = np.zeros((rows, columns))
    np.add.at(dense, (indices, np.repeat(np.arange(columns), counts)), data)
    return dense
