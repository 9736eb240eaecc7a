"""The machine's cores, which visitors share alike: who has computed little goes before who has computed much."""
from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from itertools import count

from handpose.network.onnx_session import usable_cores, usual_threads

# A piece of work has all threads that the networks are run by: of two that share them, each spends half its time
# waiting for threads of its own in a busy loop.
AT_ONCE = max(1, usable_cores() // usual_threads())
# Seconds that a piece counts for until it is over: a photo, its decoding, a picture of the live view, one of a clip.
PHOTO, DECODING, LIVE, CLIP = 0.2, 0.03, 0.06, 0.06

asker: ContextVar[Hashable] = ContextVar("asker", default="")  # the address for which this thread works


class Cores:
    """At most `at_once` pieces of work at the same time, and of those that wait the one whose address is behind.

    Start-time fair queuing (Goyal, Vin and Cheng, 1996): each address has a clock, which goes on by what it computes. A
    piece begins where its address's clock stands, but not before what was begun last, so that nobody saves up time by
    staying away, and when nothing is left to do, all begin anew. However much one address asks for, another with little
    to do waits for single pieces only. Other than there, the piece that would end first is next, so that a short one
    need not wait for a long one of everybody else.
    """

    def __init__(self, at_once: int = AT_ONCE):
        self._free, self._changed, self._number = at_once, threading.Condition(), count()
        self._now = 0.0  # the clock of what was begun last
        self._clocks: dict[Hashable, float] = {}  # of the addresses that are ahead of it
        self._line: list[tuple[float, int]] = []  # of what waits: its end, and a number to tell equals apart
        self._begun = 0  # pieces that are not over

    def work(self, seconds: float) -> AbstractContextManager[None]:
        """Waits for a core and holds it; `seconds` is PHOTO, LIVE or CLIP. Pieces should be short."""
        return self._in_turn(seconds, 1)

    def beside(self, seconds: float) -> AbstractContextManager[None]:
        """Waits for its turn as `work` does, but holds no core: what follows is another process's work, which may take
        long and is charged for, but others need not wait until it is over."""
        return self._in_turn(seconds, 0)

    @contextmanager
    def _in_turn(self, seconds: float, cores: int) -> Iterator[None]:
        address = asker.get()
        with self._changed:
            begin = max(self._clocks.get(address, 0.0), self._now)
            self._clocks[address] = begin + seconds
            ticket = begin + seconds, next(self._number)
            self._line.append(ticket)
            self._changed.wait_for(lambda: self._free >= cores and ticket == min(self._line))
            self._line.remove(ticket)
            self._free, self._begun = self._free - cores, self._begun + 1
            self._now = max(begin, self._now)
            self._clocks = {one: clock for one, clock in self._clocks.items() if clock > self._now}
            self._changed.notify_all()  # another may be next now
        began = time.monotonic()
        try:
            yield
        finally:
            with self._changed:
                self._clocks[address] = self._clocks.get(address, self._now) + time.monotonic() - began - seconds
                self._free, self._begun = self._free + cores, self._begun - 1
                if not self._line and not self._begun:  # nobody had to wait for anybody
                    self._clocks.clear()
                self._changed.notify_all()


CORES = Cores()
