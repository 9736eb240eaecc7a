"""Reading of files that a stranger may have made: regular ones only, and no more than is said to be reasonable."""
from __future__ import annotations

import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

if TYPE_CHECKING:
    import numpy as np


def check_regular(path: Path, most: int) -> int:
    """The size of a regular file, in bytes. Raises ValueError, a part of a sentence, where it is empty, larger than
    `most` or something else (a FIFO, a device, a link to one), OSError where there is none.

    The kernel's own files, which may keep a reader waiting for ever, say that they are empty.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(f"{path.name} is no regular file")
    if not 0 < state.st_size <= most:
        raise ValueError(f"{path.name} has {state.st_size} bytes where 1 to {most} are meant")
    return state.st_size


def read_bytes(path: Path, most: int) -> bytes:
    """All of a file of at most `most` bytes. Raises as `check_regular`."""
    size = check_regular(path, most)
    with path.open("rb") as file:
        return file.read(size)


def read_npz(path: Path, most: int) -> dict[str, np.ndarray]:
    """The arrays of an `.npz`, which may take `most` bytes together; never Python objects.

    What an array takes is known from its header, before any of it is read. Raises ValueError, a part of a sentence,
    OSError, and what zipfile, zlib and NumPy raise for damaged files.
    """
    from numpy.lib import format as npy  # slow to import, and the command's --help reads none

    check_regular(path, most)
    arrays, left = {}, most
    with ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = npy.read_magic(file)
                read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read_header(file)
            left -= math.prod(shape) * dtype.itemsize
            if left < 0 or min(shape, default=0) < 0:
                raise ValueError(f"the arrays would take more than {most} bytes")
            if dtype.hasobject:
                raise ValueError("it holds Python objects, which are not read")
            with archive.open(member) as file:
                arrays[member.filename.removesuffix(".npy")] = npy.read_array(file, allow_pickle=False)
    return arrays
