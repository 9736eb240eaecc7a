"""The event loop's time, which addresses share: one that sends junk without end would else keep it from all others."""
from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

SHARE = 0.1  # of the loop's thread that an address may use for long; a live view of 15 pictures a second takes .05
BURST_S = 1.0  # of computing in which it may be ahead of that; to open the page takes .3
MOST_WAITING = 100  # requests of an address
COMPANY_S = 10.0  # for which an address that has asked counts as there


class LoopTime:
    """What each address has computed on the loop's thread beyond its share is its debt, which time pays. While others
    are there, requests of an address that owes more than BURST_S wait; who is alone never does."""

    def __init__(self, share: float = SHARE, burst_s: float = BURST_S, now: Callable[[], float] = time.monotonic,
                 computed: Callable[[], float] = time.thread_time):
        """`now` and `computed` tell seconds: of the clock, and of this thread's computing."""
        self.share, self.burst_s, self._now, self._computed = share, burst_s, now, computed
        self._debts: dict[str, float] = {}  # seconds, by address
        self._asked: dict[str, float] = {}  # when, likewise
        self._paid = now()  # until when
        self._waiting: Counter[str] = Counter()

    async def turn(self, address: str) -> bool:
        """Waits until the address may ask again; False at once where too many of its requests wait already."""
        if self._waiting[address] >= MOST_WAITING:
            return False
        self._waiting[address] += 1
        self._asked[address] = self._now()
        try:
            while (wait := self._wait_s(address)) > 0:
                await asyncio.sleep(min(wait, 1.0))
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # drops those that are back at zero
        return True

    def charged(self, address: str, work: Coroutine[Any, Any, None]) -> Awaitable[None]:
        """The same work, whose computing the address owes from then on."""
        return _Measured(work, self._computed, lambda seconds: self._owe(address, seconds))

    def _owe(self, address: str, seconds: float) -> None:
        self._debts[address] = self._debts.get(address, 0.0) + seconds

    def _wait_s(self, address: str) -> float:
        now = self._now()
        paid, self._paid = (now - self._paid) * self.share, now
        self._debts = {one: debt - paid for one, debt in self._debts.items() if debt > paid}
        self._asked = {one: asked for one, asked in self._asked.items() if now - asked < COMPANY_S}
        if not self._asked.keys() - {address}:
            return 0.0
        return (self._debts.get(address, 0.0) - self.burst_s) / self.share


class _Measured:
    """Work as an awaitable that tells what each of its steps between two waits has computed."""

    def __init__(self, work: Coroutine[Any, Any, None], computed: Callable[[], float], tell: Callable[[float], None]):
        self.work, self.computed, self.tell = work, computed, tell

    def __await__(self) -> Generator[Any, Any, None]:
        steps, answer, raised = self.work.__await__(), None, None
        while True:
            start = self.computed()
            try:
                awaited = steps.throw(raised) if raised else steps.send(answer)
            except StopIteration:
                return
            finally:
                self.tell(self.computed() - start)
            answer, raised = None, None
            try:
                answer = yield awaited
            except BaseException as error:  # a cancellation, for instance: it is the work's to answer
                raised = error
