"""The machine's cores, which all visitors share: who waits for little goes before who waits for much."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

AT_ONCE = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
PHOTO, LIVE, CLIP = 0.0, 0.4, 0.5  # seconds that one piece of such work lets later ones of a quicker kind go before it


class Cores:
    """At most `at_once` pieces of work at the same time; of those that wait, the one that is due first.

    Without it a photo would share the cores with clips and cameras, and everyone would wait for all of them.
    """

    def __init__(self, at_once: int = AT_ONCE):
        self._free, self._changed = at_once, threading.Condition()
        self._due: list[tuple[float, int]] = []  # of those that wait: when, and in which thread

    @contextmanager
    def work(self, kind: float) -> Iterator[None]:
        """Waits for a core; `kind` is PHOTO, LIVE or CLIP. Pieces should be short: a photo, a single picture."""
        ticket = time.monotonic() + kind, threading.get_ident()
        with self._changed:
            self._due.append(ticket)
            self._changed.wait_for(lambda: self._free and min(self._due) == ticket)
            self._due.remove(ticket)
            self._free -= 1
            self._changed.notify_all()  # another may be next now
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()


CORES = Cores()
