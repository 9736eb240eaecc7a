"""Hand models that a stranger may have made: nothing in them runs, and small files take neither memory nor time."""
import copyreg
import io
import os
import pickle
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from mano_files import (
    Ch,
    Python2Pickler,
    Select,
    csc_matrix,
    mano_arrays,
    with_old_objects,
)
from numpy.lib import format as npy

from handpose.hand_model import model_file
from handpose.hand_model.model import HandModel
from handpose.hand_model.safe_pickle import KNOWN


@pytest.fixture(scope="module")
def arrays():
    return mano_arrays()


pytestmark = pytest.mark.filterwarnings("ignore:Please import `csc_matrix`:DeprecationWarning")


# What does not belong there is refused, and never runs.

class Call:
    """Pickles as the call of a function."""
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def named(module: str, name: str, *arguments) -> bytes:
    """The call of module.name with these strings, written by hand: the name may have dots."""
    short = lambda text: pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()  # noqa: E731
    return (pickle.PROTO + b"\4" + short(module) + short(name) + pickle.STACK_GLOBAL + pickle.MARK
            + b"".join(map(short, arguments)) + pickle.TUPLE + pickle.REDUCE + pickle.STOP)


def attacks(marker):
    """Pickles that would make the file `marker` if unpickled, or reach beyond what they may name."""
    command = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w')"
    yield "system", pickle.dumps(Call(os.system, command))
    yield "eval", pickle.dumps(Call(eval, code), 2)
    yield "exec", pickle.dumps(Call(exec, code), 0)
    yield "python2", b"c__builtin__\neval\n(S" + repr(code).encode() + b"\ntR."
    yield "inst", b"(S" + repr(command).encode() + b"\nios\nsystem\n."
    yield "getattr", pickle.dumps(Call(getattr, Call(__import__, "os"), "system"))
    yield "beside arrays", pickle.dumps({"J": np.zeros((16, 3)), "hands_coeffs": Call(os.system, command)}, 2)
    yield "numpy.fromfile", named("numpy.core.multiarray", "fromfile", str(marker))
    yield "numpy.load", named("numpy", "load", str(marker))
    yield "numpy runstring", named("numpy.testing._private.utils", "runstring", code, "")
    yield "dotted", named("numpy.core.multiarray", "_reconstruct.__class__", str(marker))
    yield "dotted builtins", named("builtins", "object.__subclasses__")
    yield "module of a known one", named("numpy", "ndarray.tofile", str(marker))
    yield "name of two lines", named("chumpy\nch", "Ch")
    yield "other chumpy", named("chumpy.ch", "ChLambda", code)
    yield "extension", pickle.PROTO + b"\2" + pickle.EXT1 + b"\1."
    yield "room for 4 billion objects", pickle.PROTO + b"\2}r\xff\xff\xff\xffs."
    yield "persistent", b"Pposix.system\n."
    # Known names, used otherwise than MANO does.
    yield "codec", pickle.dumps({"v_template": Call(copyreg._reconstructor, Call(eval, code), object, None)}, 2)
    known = b"cchumpy.ch\nCh\n"
    yield "build on a class", b"\x80\2" + known + b"}(X\x0c\0\0\0__setstate__X\1\0\0\0xub."
    yield "items on a class", b"\x80\2" + known + b"(X\1\0\0\0aX\1\0\0\0bu."
    yield "append to a class", b"\x80\2" + known + b"X\1\0\0\0aa."


@pytest.mark.parametrize("name", [name for name, _ in attacks("/none")])
def test_hostile_pickles_are_refused_and_nothing_runs(tmp_path, name):
    marker, path = tmp_path / "made", tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(dict(attacks(marker))[name])
    before = {record: dict(vars(record)) for record in KNOWN.values()}
    with pytest.raises(ValueError) as error:
        HandModel.load(path)
    assert not marker.exists()
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert {record: dict(vars(record)) for record in KNOWN.values()} == before


def test_the_attacks_would_work_on_an_ordinary_unpickler(tmp_path):
    """Else the test above proves nothing."""
    for number, name in enumerate(("system", "eval", "python2", "inst", "beside arrays", "exec")):
        marker = tmp_path / str(number)
        pickle.loads(dict(attacks(marker))[name], encoding="latin1")
        assert marker.exists(), name


def test_hostile_npz_is_refused_and_nothing_runs(tmp_path, arrays):
    hostile = np.empty(1, object)
    hostile[0] = Call(os.system, f"touch {tmp_path / 'made'}")
    np.savez(tmp_path / "hand.npz", **{**arrays, "v_template": hostile})
    with pytest.raises(ValueError, match="hand.npz .*holds Python objects"):
        HandModel.load(tmp_path / "hand.npz")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("records", [
    {"shapedirs": "text"}, {"shapedirs": None}, {"weights": [1.0, 2.0]}, {"v_template": b"bytes"},
    {"v_template": np.array([{"a": 1}], object)}, {"f": np.array(["1"])},
    {"shapedirs": Select(a=Select(a=Ch(x=np.zeros(3)), idxs=np.arange(3)), idxs=np.arange(3))},  # nested
    {"shapedirs": Select(a=Ch(x=np.zeros(3)), idxs=np.array([9]), preferred_shape=(1,))},  # beyond the end
    {"shapedirs": Ch(y=1)}])
def test_malformed_records_are_named(tmp_path, arrays, records):
    with (tmp_path / "hand.pkl").open("wb") as file:
        Python2Pickler(file, 2).dump({**with_old_objects(arrays), **records})
    with pytest.raises(ValueError, match=f"hand.pkl holds no array of numbers as {next(iter(records))}"):
        HandModel.load(tmp_path / "hand.pkl")


def pairs(depth: int) -> bytes:
    """Makes a pair of twice the same pair of twice the same ...: small in memory, and ages to go through."""
    return pickle.EMPTY_TUPLE + (pickle.DUP + pickle.TUPLE2) * depth


BOMBS = {
    "a key of pairs": pickle.EMPTY_DICT + pairs(60) + pickle.NONE + pickle.SETITEM,
    "keys of pairs": pickle.EMPTY_DICT + pickle.MARK + pairs(60) + pickle.NONE + pickle.SETITEMS,
    "a dictionary of pairs": pickle.MARK + pairs(60) + pickle.NONE + pickle.DICT,
    "a set of pairs": pickle.EMPTY_SET + pickle.MARK + pairs(60) + pickle.ADDITEMS,
    "a frozen set of pairs": pickle.MARK + pairs(60) + pickle.FROZENSET,
    "an array's shape of pairs": pickle.EMPTY_DICT + b"X\1\0\0\0f" + b"cchumpy.ch\nCh\n" + pickle.EMPTY_TUPLE
    + pickle.REDUCE + pairs(60) + pickle.BUILD + pickle.SETITEM,
    "many sets": pickle.EMPTY_SET * 10 ** 7,
    "deep lists": pickle.EMPTY_LIST * 90_000 + pickle.APPEND * 89_999,
    "deep tuples": pickle.MARK * 45_000 + pickle.TUPLE * 45_000,
    "marks": pickle.MARK * 10 ** 6,
    "a long text": b"\x8e" + (2 ** 60).to_bytes(8, "little"),
    "a long frame": pickle.FRAME + (2 ** 60).to_bytes(8, "little"),
    "a long number": b"L" + b"9" * 10 ** 6 + b"L\n",
    "a far place": pickle.EMPTY_DICT + b"p" + b"9" * 4000 + b"\n"}


@pytest.mark.parametrize("name", BOMBS)
def test_small_pickles_take_neither_memory_nor_time(tmp_path, name):
    (tmp_path / "hand.pkl").write_bytes(pickle.PROTO + b"\4" + BOMBS[name] + pickle.STOP)
    with peak_memory(300e6), pytest.raises(ValueError, match="hand.pkl") as error:
        HandModel.load(tmp_path / "hand.pkl")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@contextmanager
def peak_memory(most: float):
    """Fails where Python and NumPy ask for more bytes than that."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ends", [[0, 10 ** 9], [0, -5], [0, 10 ** 18], [2 ** 62, -2 ** 62]])
def test_a_sparse_matrix_has_the_values_that_it_says(tmp_path, arrays, ends):
    matrix = csc_matrix(_shape=(16, 1), indices=np.zeros(3, np.int32), data=np.ones(3), indptr=np.array(ends))
    with (tmp_path / "hand.pkl").open("wb") as file:
        Python2Pickler(file, 2).dump({**with_old_objects(arrays), "J_regressor": matrix})
    with peak_memory(100e6), pytest.raises(ValueError, match="hand.pkl holds no array of numbers as J_regressor"):
        HandModel.load(tmp_path / "hand.pkl")


def test_a_selection_is_not_much_larger_than_the_file(tmp_path, arrays):
    many = Select(a=Ch(x=np.zeros(3)), idxs=np.zeros(2 * 10 ** 7, np.uint8))
    with (tmp_path / "hand.pkl").open("wb") as file:
        Python2Pickler(file, 2).dump({**with_old_objects(arrays), "shapedirs": many})
    with peak_memory(100e6), pytest.raises(ValueError, match="hand.pkl holds no array of numbers as shapedirs"):
        HandModel.load(tmp_path / "hand.pkl")


def declared(path, shape: tuple, dtype: str = "<f8", data: bytes = b"", **more: bytes) -> None:
    """An .npz of an array that says it has this shape."""
    with io.BytesIO() as member, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        npy.write_array_header_1_0(member, {"descr": dtype, "fortran_order": False, "shape": shape})
        archive.writestr("v_template.npy", member.getvalue() + data)
        for name, content in more.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("shape, dtype", [((4 * 10 ** 8,), "<f8"), ((2 ** 40, 2 ** 40), "<f8"), ((10 ** 7,), "<U1000"),
                                          ((-1,), "<f8"), ((-10 ** 9, -10 ** 9), "<f8"), ((1,) * 100, "<f8")])
def test_an_npz_is_read_only_if_what_it_declares_is_reasonable(tmp_path, shape, dtype):
    declared(tmp_path / "hand.npz", shape, dtype, bytes(10 ** 7))
    with peak_memory(100e6), pytest.raises(ValueError, match="hand.npz") as error:
        HandModel.load(tmp_path / "hand.npz")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_an_npz_of_many_large_arrays_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "MOST_BYTES", 10 ** 6)
    np.savez_compressed(tmp_path / "hand.npz", **{f"a{n}": np.zeros(30_000) for n in range(5)})
    with pytest.raises(ValueError, match="hand.npz cannot be read .the arrays would take more than 1000000 bytes"):
        HandModel.load(tmp_path / "hand.npz")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY\1\0\xff\xff", b"\x93NUMPY\1\0\x04\0((((",
                                     b"\x93NUMPY\2\0" + b"\xff" * 4, b"\x93NUMPY\1\0\x10\x27" + b"(" * 10_000])
def test_an_npz_of_something_else_is_refused(tmp_path, content):
    declared(tmp_path / "hand.npz", (3,), data=bytes(24), **{"f.npy": content})
    with pytest.raises(ValueError, match="hand.npz") as error:
        HandModel.load(tmp_path / "hand.npz")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize("ending", [".npz", ".pkl"])
def test_huge_files_and_other_kinds_are_not_read(tmp_path, ending):
    path = tmp_path / f"hand{ending}"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ValueError, match=f"hand{ending} has 1099511627776 bytes"):
        HandModel.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(FileNotFoundError, match=f"No hand model at .*hand{ending}"):
        HandModel.load(path)


def test_endless_nesting_is_refused(tmp_path, arrays):
    endless = Select(idxs=np.arange(3))
    endless.a = endless
    with (tmp_path / "hand.pkl").open("wb") as file:
        Python2Pickler(file, 2).dump({**with_old_objects(arrays), "shapedirs": endless})
    with pytest.raises(ValueError, match="hand.pkl holds no array"):
        HandModel.load(tmp_path / "hand.pkl")
