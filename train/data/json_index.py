"""Long JSON lists of numbers, read once and kept as .npy: opened in no time, and in memory only as they are used.

FreiHAND's vertices are 1.6 GB of text and would be ten times that as Python's lists; they are read a piece at a time.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib.format import write_array_header_1_0

from handpose.whole_file import whole_file

PIECE = 1 << 20  # bytes of text read at a time
LONGEST_ROW = 1 << 24  # bytes; a row of FreiHAND's vertices has about 50,000
REMEDY = "copy or download it again"


def index_json(stream: BinaryIO, name: str, row: tuple[int | None, ...], out: Path) -> None:
    """Writes a JSON list of N equally shaped arrays of numbers to `out`, a float32 .npy (N, *row), whole or not at all.

    None in `row` stands for a length that the first row decides. Axes of length 1 around a row do not count. `name` is
    what errors call the file. Raises ValueError where the list is cut short, a row has another shape or a number is
    missing or not finite.
    """
    with whole_file(out) as temporary, open(temporary, "wb") as file:
        if not _write_rows(file, stream, name, row):
            raise ValueError(f"{name} holds no rows: {REMEDY}.")


def _write_rows(file: BinaryIO, stream: BinaryIO, name: str, row: tuple[int | None, ...]) -> int:
    count = start = 0
    for text in _pieces(stream, name):
        try:
            values = json.loads(b"[" + text + b"]")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} is no list of numbers near its row {count}: {REMEDY}.") from error
        for value in values:
            numbers = _as_row(value, row, f"{name}: row {count}")
            if not count:
                row = numbers.shape
                _write_header(file, 0, row)
                start = file.tell()
            file.write(numbers.tobytes())
            count += 1
    if count:
        # NumPy leaves room in a header for the first axis to grow.
        file.seek(0)
        _write_header(file, count, row)
        assert file.tell() == start
    return count


def _write_header(file: BinaryIO, count: int, row: tuple[int, ...]) -> None:
    write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (count, *row)})


def _as_row(value, row: tuple[int | None, ...], where: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            numbers = np.array(value, "<f4")
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{where} is uneven or has something else than numbers: {REMEDY}.") from error
    kept = numbers.reshape([length for length in numbers.shape if length != 1])
    if len(kept.shape) != len(row) or any(want not in (None, have) for have, want in zip(kept.shape, row, strict=True)):
        have, want = (" x ".join("n" if length is None else str(length) for length in shape) or "1"
                      for shape in (numbers.shape, row))
        raise ValueError(f"{where} has {have} numbers instead of {want}: {REMEDY}.")
    if not np.isfinite(kept).all():
        raise ValueError(f"{where} has a value that is no finite number: {REMEDY}.")
    return kept


def _pieces(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The text between the list's outer brackets, cut at commas between rows."""
    rest, depth, begun = b"", 0, False
    while piece := stream.read(PIECE):
        codes = np.frombuffer(piece, np.uint8)
        depths = depth + np.cumsum((codes == ord("[")).astype(np.int32) - (codes == ord("]")))
        depth = int(depths[-1])
        commas = np.flatnonzero((codes == ord(",")) & (depths == 1))
        end = int(commas[-1]) if len(commas) else None
        rest += piece[:end]
        if not begun:
            rest = rest.lstrip()
            if rest and not rest.startswith(b"["):
                raise ValueError(f"{name} is no JSON list: {REMEDY}.")
            rest, begun = rest[1:], bool(rest)
        if end is not None:
            yield rest
            rest = piece[end + 1:]
        elif len(rest) > LONGEST_ROW:
            raise ValueError(f"{name} is no list of short rows: {REMEDY}.")
    rest = rest.rstrip()
    if depth or not begun or not rest.endswith(b"]"):
        raise ValueError(f"{name} is cut short: {REMEDY}.")
    yield rest[:-1]
