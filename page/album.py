"""The photos that visitors gave lately, each under a key that only its visitor's browser knows.

They are remembered so that options, corrections and downloads need no second upload: as the JPEG that the page shows
and what the networks said, in memory alone.
"""
from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .analysis import Analysis

MOST_PHOTOS = 400
MOST_BYTES = 100_000_000  # of their JPEGs
KEPT_S = 1800.0  # after which a photo is forgotten, whatever was done with it since
SWEEP_EVERY_S = 30.0


@dataclass(frozen=True)
class _Page:
    analysis: Analysis
    owner: str  # the address that it came from
    since: float

    @property
    def size(self) -> int:
        return len(self.analysis.jpeg)


class Album:
    """Serves several threads. Where it is full, of the address with the most bytes the oldest photo makes room."""

    def __init__(self, most_photos: int = MOST_PHOTOS, most_bytes: int = MOST_BYTES, kept_s: float = KEPT_S,
                 now: Callable[[], float] = time.monotonic):
        self.most_photos, self.most_bytes, self.kept_s = most_photos, most_bytes, kept_s
        self._now, self._guard = now, threading.Lock()
        self._pages: OrderedDict[str, _Page] = OrderedDict()  # oldest first

    def add(self, analysis: Analysis, owner: str, before: str | None = None) -> None:
        """`before`: the key of what it was made from, and is as old as."""
        with self._guard:
            self._forget_old()
            made_from = self._pages.get(before or "")
            self._pages[analysis.key] = _Page(analysis, owner, made_from.since if made_from else self._now())
            while True:
                held = Counter()
                for one in self._pages.values():
                    held[one.owner] += one.size
                if len(self._pages) <= self.most_photos and held.total() <= self.most_bytes:
                    return
                most = held.most_common(1)[0][0]
                del self._pages[next(key for key, one in self._pages.items() if one.owner == most)]

    def get(self, key: Any) -> Analysis | None:
        """The photo of a key, if it is still there."""
        with self._guard:
            self._forget_old()
            page = self._pages.get(key) if isinstance(key, str) else None
            return page and page.analysis

    def drop(self, key: Any) -> None:
        with self._guard:
            self._pages.pop(key if isinstance(key, str) else "", None)

    def keep_swept(self) -> None:
        """Forgets what is old even if nobody comes."""
        def sweep_for_ever() -> None:
            while True:
                time.sleep(SWEEP_EVERY_S)
                with self._guard:
                    self._forget_old()

        threading.Thread(target=sweep_for_ever, name="sweep album", daemon=True).start()

    def _forget_old(self) -> None:
        oldest = self._now() - self.kept_s
        for key in [key for key, one in self._pages.items() if one.since < oldest]:
            del self._pages[key]
