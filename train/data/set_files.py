"""The files of a data set, in a folder or straight from a .zip, and where what is remembered of them lies."""
from __future__ import annotations

import os
import zipfile
import zlib
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import BinaryIO

import numpy as np
from PIL import Image

from handpose.foreign_file import read_bytes

DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # what reading one raises
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # which are unpacked a piece at a time; the set's are deflated
ENCRYPTED = 1  # of a member's flags
MOST_IMAGE_BYTES, MOST_PIXELS = 16 << 20, 1 << 22  # FreiHAND's images have 20 kB and 224 x 224 pixels
NAMED = 3  # bad files that an error lists
MOST_BYTES = 8 << 30  # of the longest file, FreiHAND's vertices: 1.6 GB


class SetFiles:
    """The files of a set, by their names in it. May be read from any thread.

    `known` is a file at the set's top, for some archives hold the set in a folder of its own. Raises FileNotFoundError
    or ValueError where there is no such folder or .zip file.
    """

    def __init__(self, path: Path, known: str):
        self.path, self._zip, self._prefix, self._lock = path, None, "", Lock()
        if path.is_dir():
            return
        if not path.is_file():
            raise FileNotFoundError(f"There is no {path}: give the set's folder or .zip file.")
        try:
            self._zip = zipfile.ZipFile(path)
            if any(info.header_offset < 0 for info in self._zip.infolist()):
                raise zipfile.BadZipFile("a member before the file's beginning")
        except (*DAMAGED_ZIP, ValueError, OverflowError) as error:
            raise ValueError(f"{path} is no .zip file or only a part of one: fetch it again.") from error
        self._members = {info.filename: info for info in self._zip.infolist()}
        for info in self._zip.infolist():
            if info.flag_bits & ENCRYPTED or info.compress_type not in METHODS:
                raise ValueError(f"{path}: {ascii(info.filename[:80])} is encrypted or packed in a way that is not "
                                 "read: fetch the .zip again, or unpack it yourself.")
        found = [name for name in self._members if f"/{name}".endswith(f"/{known}")]
        if found:
            self._prefix = min(found, key=len).removesuffix(known)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._members if self._zip else (self.path / name).is_file()

    def open(self, name: str) -> BinaryIO:
        """A file, to be read a piece at a time. Raises one of DAMAGED_ZIP."""
        if self._zip is None:
            return open(self.path / name, "rb")
        self._check_size(name, MOST_BYTES)
        return self._zip.open(self._members[self._prefix + name])

    def read(self, name: str) -> bytes:
        """All of an image; nothing (b"") of one that is damaged or of an impossible size."""
        try:
            if self._zip is None:
                return read_bytes(self.path / name, MOST_IMAGE_BYTES)
            self._check_size(name, MOST_IMAGE_BYTES)
            with self._lock:  # one file handle for all threads
                return self._zip.read(self._members[self._prefix + name])
        except (FileNotFoundError, KeyError) as error:
            raise FileNotFoundError(f"{self.path} has no {name}: fetch it again.") from error
        except (*DAMAGED_ZIP, ValueError):
            return b""

    def _check_size(self, name: str, most: int) -> None:
        """zipfile unpacks no more of a member than what the archive says of its size."""
        size = self._members[self._prefix + name].file_size
        if size > most:
            raise zipfile.BadZipFile(f"{size} bytes are too many")

    def stamp(self, name: str) -> str:
        """Letters that change when a file does, or when files are put into or taken from a folder."""
        if self._zip and self._prefix + name in self._members:
            info = self._members[self._prefix + name]
            return f"{info.file_size:x}-{info.CRC:x}"
        state = (self.path if self._zip else self.path / name).stat()
        return f"{state.st_size:x}-{state.st_mtime_ns:x}"

    def numbers(self, folder: str) -> np.ndarray:
        """The numbers of the images in a folder, in order."""
        if self._zip:
            start = f"{self._prefix}{folder}/"
            names = [name[len(start):] for name in self._members if name.startswith(start)]
        else:
            names = os.listdir(self.path / folder) if (self.path / folder).is_dir() else []
        stems = (name[:-4] for name in names if name.endswith(".jpg"))
        return np.array(sorted(int(stem) for stem in stems if len(stem) == 8 and stem.isdecimal()), int)


def cache_folder(path: Path, given: str | Path | None) -> Path:
    """`given`, or the first that can be written of a folder beside the set and one in the user's cache."""
    beside = path / ".index" if path.is_dir() else path.with_name(path.name + ".index")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    users = home / "handpose" / f"{path.name}-{sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    for folder in (Path(given),) if given else (beside, users):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    raise ValueError(f"The index of {path} cannot be written to {folder}: give a `cache` folder that can be written.")


def check_held_out(path: Path, validation: int, count: int) -> None:
    """Raises ValueError where a set of `count` hands cannot spare so many."""
    if not 0 <= validation < count:
        raise ValueError(f"{path} has {count} hands, of which {validation} cannot be held out: choose fewer.")


def decode_jpeg(data: bytes) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB of a JPEG file's content; None of a damaged one or one that is too large."""
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as image:
            return np.array(image.convert("RGB")) if image.width * image.height <= MOST_PIXELS else None
    except Exception:  # Pillow's decoders meet damaged data with nearly every kind of exception
        return None


def listed(names: list[str]) -> str:
    """Such as "a, b, c and 7 more are", "a is"."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} {'is' if len(names) == 1 else 'are'}"
