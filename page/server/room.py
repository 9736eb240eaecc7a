"""How much of the disk visitors' files may take: where an upload has no room, the oldest files make it."""
from __future__ import annotations

import math
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
LOOK_EVERY_S = 1.0  # while no more than PLENTY of the room is taken
PLENTY = 0.9
NEW_S = 10.0  # a file that has come or changed since then is about to be asked for


class Room:
    """The upload folder's room. Files in use, new ones and the page's own are never deleted to make more."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES):
        self.folder, self.most_bytes, self.most_files = folder, most_bytes, most_files
        self.own: set[Path] = set()
        self._lock = Lock()
        self._looked, self._bytes, self._count = -math.inf, 0, 0  # when last, and what was there or has come since

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
            spare = shutil.disk_usage(self.folder).free - SPARE - coming
            if self._is_surely_enough(wanted, coming, spare):
                return True
            files = sorted(self._files())
            self._looked, self._bytes, self._count = time.monotonic(), sum(size for _, size, _ in files), len(files)
            free, spare_files = min(self.most_bytes - coming - self._bytes, spare), self.most_files - len(files)
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
                self._bytes, self._count = self._bytes - size, self._count - 1
            return self._let_in(wanted, free >= wanted and spare_files > 0)

    def _is_surely_enough(self, wanted: int, coming: int, spare: int) -> bool:
        """Whether there is plenty of room, going by what was seen a moment ago: looking at each file takes long."""
        if time.monotonic() - self._looked > LOOK_EVERY_S:
            return False
        plenty = (self._bytes + coming + wanted <= PLENTY * self.most_bytes and self._count < PLENTY * self.most_files
                  and wanted <= spare)
        return self._let_in(wanted, plenty)

    def _let_in(self, wanted: int, yes: bool) -> bool:
        if yes:
            self._bytes, self._count = self._bytes + wanted, self._count + 1
        return yes

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
        own = set(map(str, self.own))
        for folder, _, names in os.walk(self.folder):  # several times as fast as Path.rglob
            for name in names:
                path = os.path.join(folder, name)
                if name == LOCK or path in own:
                    continue
                try:
                    about = os.lstat(path)
                except OSError:
                    continue
                yield max(about.st_mtime, about.st_ctime), about.st_size, Path(path)
