"""How much of the disk visitors' files may take: where an upload has no room, the oldest files make it."""
from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Thread

from .temporary import LOCK, sweep
from .uploads import is_in_use

MOST_BYTES = 4_000_000_000  # HANDPOSE_UPLOADS_GB says otherwise
MOST_FILES = 10_000
SPARE = 100_000_000  # bytes of the disk that are left to others
SWEEP_EVERY = 60  # seconds
NEW_S = 10.0  # a file that has come or changed since then is about to be asked for


class Room:
    """The upload folder's room. Files in use, new ones and the page's own are never deleted to make more."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES):
        self.folder, self.most_bytes, self.most_files = folder, most_bytes, most_files
        self.own: set[Path] = set()
        self._lock = Lock()

    @classmethod
    def of_environment(cls, folder: Path) -> Room:
        """Raises ValueError, saying what is wrong, where HANDPOSE_UPLOADS_GB is no size."""
        told = os.environ.get("HANDPOSE_UPLOADS_GB", "")
        try:
            size = float(told or MOST_BYTES / 1e9)
        except ValueError:
            size = 0
        if not 0.01 <= size <= 1e6:
            raise ValueError(f"HANDPOSE_UPLOADS_GB must be a number of gigabytes from 0.01 on, not {told[:40]!r}.")
        return cls(folder, int(size * 1e9))

    def make(self, wanted: int, coming: int = 0) -> bool:
        """Whether there is room for a file of so many bytes beside `coming` bytes of uploads under way."""
        with self._lock:
            files = sorted(self._files())
            free = self.most_bytes - coming - sum(size for _, size, _ in files)
            free = min(free, shutil.disk_usage(self.folder).free - SPARE - coming)
            spare_files = self.most_files - len(files)
            for changed, size, path in files:  # oldest first
                if free >= wanted and spare_files > 0:
                    break
                if time.time() - changed < NEW_S or is_in_use(path):
                    continue
                try:
                    path.unlink()
                except OSError:  # gone already, or being read on Windows
                    continue
                free, spare_files = free + size, spare_files + 1
            return free >= wanted and spare_files > 0

    def keep_swept(self, kept: float) -> None:
        """Deletes from now on every file that is older than `kept` seconds or too much, but none that is there already.

        Gradio's `delete_cache` knows the files that its components were given, not those of uploads that were broken
        off or too large. What is there when the page starts are copies of its own examples.
        """
        self.own = set(self.folder.rglob("*"))

        def sweep_for_ever() -> None:
            while True:
                time.sleep(min(SWEEP_EVERY, kept))
                sweep(self.folder, kept, self.own)
                self.make(0)

        Thread(target=sweep_for_ever, name="sweep uploads", daemon=True).start()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """When each visitor's file came or changed last, how many bytes it has, and its path."""
        for path in set(self.folder.rglob("*")) - self.own:
            try:
                about = path.lstat()
            except OSError:
                continue
            if path.name != LOCK and not path.is_dir():
                yield max(about.st_mtime, about.st_ctime), about.st_size, path
