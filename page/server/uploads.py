"""Files that visitors sent, and no others: whatever a request calls a file becomes an open file of the upload folder.

Requests name their file by its path on this machine, and Gradio checks that path only where it reads the file itself.
"""
from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from threading import Lock
from typing import Any, BinaryIO

import gradio as gr
import httpx
from gradio import processing_utils

from handpose.file_names import shown_name

LARGEST_CLIP = 500_000_000  # bytes: a minute of a phone's film
LARGEST_PHOTO = 100_000_000  # bytes; a largest photo as JPEG is half of that
NOT_UPLOADED = "There is no such upload on this page: upload the file again."  # whether or not such a file exists
NO_ADDRESSES = "This page fetches nothing from other hosts: upload the file instead of giving its address."
HASH = re.compile("[0-9a-f]{64}")  # Gradio's name for a file's folder, of what is in the file and a secret
RESULTS = re.compile("clip-[0-9a-f]{32}")  # the page's own name for the folder of a clip's results

# Opens no link, and waits neither for a pipe's other end nor for a device; 0 where a system does not have the flag.
CAREFULLY = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))

_in_use: Counter[Path] = Counter()
_guard = Lock()


class UploadError(ValueError):
    """What a request calls a file is none that may be opened; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class Upload:
    """An upload that is open, and is not deleted meanwhile."""
    name: str  # what the visitor calls it, on one line
    path: Path
    file: BinaryIO


@contextmanager
def open_upload(value: Any, largest: int) -> Iterator[Upload]:
    """The file that a request names: a path, or a dictionary that tells its "path", or that of its "video".

    Raises UploadError, with the same words for a file that may not be opened and for one that is not there, or with
    others where the upload has more than `largest` bytes.
    """
    if isinstance(value, dict) and "video" in value:
        value = value["video"]
    told = value if isinstance(value, dict) else {"path": value}
    path = served_path(told.get("path"))
    if path is None or not HASH.fullmatch(path.parent.name):
        raise UploadError(NOT_UPLOADED)
    name = one_line(told.get("orig_name")) or path.name
    with in_use(path):
        try:
            file = _open(path)
        except (OSError, ValueError):  # ValueError: a name that no file can have
            raise UploadError(NOT_UPLOADED) from None
        with file:
            if os.fstat(file.fileno()).st_size > largest:
                raise UploadError(f"{name} is larger than {largest // 1_000_000} MB: make it smaller first.")
            yield Upload(name, path, file)


def read_upload(value: Any, largest: int = LARGEST_PHOTO) -> tuple[bytes, str]:
    """Content and name of the file that a request names. Raises UploadError."""
    with open_upload(value, largest) as upload:
        return upload.file.read(), upload.name


def served_path(text: Any) -> Path | None:
    """The path, if it is one that an upload, an example or a result has in the upload folder; no file is looked at."""
    if not isinstance(text, str) or len(text) > 4096 or "\0" in text:
        return None
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    try:
        parent, name = PurePath(text).relative_to(folder).parts
    except ValueError:  # elsewhere, or not two levels down
        return None
    if name == ".." or (os.name == "nt" and ":" in name) or not (HASH.fullmatch(parent) or RESULTS.fullmatch(parent)):
        return None
    return folder / parent / name


def is_served(text: Any) -> bool:
    """Whether the path is one of `served_path`, and of a regular file to which no link leads."""
    path = served_path(text)
    try:
        return path is not None and os.path.realpath(path) == str(path) and stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _open(path: Path) -> BinaryIO:
    """Opens a regular file to which no link leads. Raises OSError and ValueError."""
    if os.path.realpath(path.parent) != str(path.parent):
        raise OSError("a link")
    descriptor = os.open(path, CAREFULLY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("no regular file")
    return os.fdopen(descriptor, "rb")


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keeps a file, or what lies in a folder, from being deleted to make room."""
    with _guard:
        _in_use[path] += 1
    try:
        yield
    finally:
        with _guard:
            _in_use[path] -= 1
            if not _in_use[path]:
                del _in_use[path]


def is_in_use(path: Path) -> bool:
    with _guard:
        return path in _in_use or path.parent in _in_use


def one_line(name: Any) -> str:
    """A file's name as a visitor gave it, without folders and nothing in it that a terminal or a log obeys."""
    if not isinstance(name, str):
        return ""
    return shown_name(re.split(r"[/\\]", name)[-1])


class _Nowhere(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise gr.Error(NO_ADDRESSES, print_exception=False)


def fetch_nothing() -> None:
    """Has Gradio refuse files that a request names by an address (http, https), which it would fetch of any size.

    Its own check of such addresses asks name servers, and lets shared address space (100.64.0.0/10) through.
    """
    processing_utils.async_transport = _Nowhere()
