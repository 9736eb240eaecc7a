"""Where visitors' files lie: in a folder of this process's own, swept while it runs and deleted when it ends."""
from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "handpose-page-"
LOCK = "in-use.lock"  # held as long as the process lives, however it dies


@cache
def use_own_folder() -> Path:
    """Has Gradio, and whatever else makes temporary files in this process, use a new folder; returns it.

    It lies in GRADIO_TEMP_DIR if that is set, else where the system keeps temporary files. It is deleted when the
    process ends, and folders there of earlier pages that were killed are deleted now. To be called before Gradio is
    imported; again (`gradio app.py` runs a changed file anew), it is the same folder.
    """
    base = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    base.mkdir(parents=True, exist_ok=True)
    base = base.resolve()  # no link leads to a visitor's file
    for lock in base.glob(f"{PREFIX}*/{LOCK}"):
        _delete_if_left(lock)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))  # which nobody else may read
    lock = FileLock(folder / LOCK)
    lock.acquire()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(lock.release)  # runs first: Windows deletes no open file
    os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(folder)
    return folder


def _delete_if_left(path: Path) -> None:
    """Deletes the folder that holds this lock if no process holds the lock."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):  # in use, or another user's
        return
    lock.release()
    shutil.rmtree(path.parent, ignore_errors=True)


def sweep(folder: Path, kept: float, own: set[Path]) -> None:
    """Deletes files and empty folders that have not changed for `kept` seconds, except `own`."""
    for path in set(folder.rglob("*")) - own:
        try:
            if time.time() - max(path.stat().st_mtime, path.stat().st_ctime) > kept:  # a moved file's mtime may be old
                path.rmdir() if path.is_dir() else path.unlink()
        except OSError:  # a folder with files, or something gone already, or being read on Windows: next time
            continue
