"""The event loop's time: who keeps it from others waits, and nobody else."""
import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from page.server.loop_time import COMPANY_S, LoopTime


class Clock:
    """Seconds of the clock and of computing, which go on only as a test says; sleep takes no time."""

    def __init__(self, monkeypatch):
        self.now = self.computed = 0.0
        self.real_sleep = asyncio.sleep
        monkeypatch.setattr("page.server.loop_time.asyncio.sleep", self.sleep)

    async def sleep(self, seconds):
        self.now += max(seconds, 0.001)
        await self.real_sleep(0)

    def compute(self, seconds):
        self.now += seconds
        self.computed += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def loop_time(clock):
    return LoopTime(share=0.1, burst_s=1.0, now=lambda: clock.now, computed=lambda: clock.computed)


def run(work):
    """In a loop of its own, whatever other tests left running in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def request(loop_time, clock, address, seconds, steps=4):
    """A request that computes for so long, with pauses in which others compute; how long it waited before."""
    began = clock.now
    assert await loop_time.turn(address)
    waited = clock.now - began

    async def work():
        for _ in range(steps):
            clock.compute(seconds / steps)
            await clock.real_sleep(0)

    await loop_time.charged(address, work())
    return waited


def test_in_the_long_run_an_address_has_its_share_and_another_does_not_wait(loop_time, clock):
    async def both():
        waits = []
        for _ in range(200):
            await request(loop_time, clock, "flooder", 0.1)
            waits.append(await request(loop_time, clock, "guest", 0.001))
        return waits

    waits = run(both())
    assert max(waits) == 0
    assert 200 * 0.1 <= 0.1 * clock.now + 1.0 + 0.2  # its share, what it may be ahead, and one request


def test_who_is_alone_never_waits(loop_time, clock):
    async def alone():
        await request(loop_time, clock, "who left", 0.5)
        clock.now += 2 * COMPANY_S
        return [await request(loop_time, clock, "guest", 0.5) for _ in range(20)]

    assert max(run(alone())) == 0 and "who left" not in loop_time._asked


def test_what_others_compute_meanwhile_is_not_charged(loop_time, clock):
    async def together():
        await asyncio.gather(request(loop_time, clock, "flooder", 8.0), request(loop_time, clock, "guest", 0.004))
        return await request(loop_time, clock, "guest", 0), await request(loop_time, clock, "flooder", 0)

    loop_time.share = 0.5
    guest, flooder = run(together())
    assert guest == 0 and flooder == pytest.approx((8.0 - 1.0) / 0.5 - 8.0, rel=0.05)


def test_too_many_that_wait_are_refused(loop_time, clock, monkeypatch):
    monkeypatch.setattr("page.server.loop_time.MOST_WAITING", 3)

    async def crowd():
        await request(loop_time, clock, "flooder", 40.0)
        await request(loop_time, clock, "guest", 0.9)
        turns = [asyncio.ensure_future(loop_time.turn("flooder")) for _ in range(3)]
        await clock.real_sleep(0)
        refused = not await loop_time.turn("flooder")
        assert await loop_time.turn("guest")
        return refused, await asyncio.gather(*turns)

    refused, admitted = run(crowd())
    assert refused and all(admitted) and not loop_time._waiting


@pytest.mark.parametrize("error", [ValueError("of the work itself"), asyncio.CancelledError()])
def test_what_is_raised_comes_through_and_is_charged(loop_time, clock, error):
    cleaned_up = []

    async def work():
        try:
            clock.compute(2.0)
            await clock.real_sleep(0)
            raise error
        finally:
            cleaned_up.append(True)

    async def fails():
        with pytest.raises(type(error)):
            await loop_time.charged("flooder", work())

    run(fails())
    assert cleaned_up and loop_time._debts["flooder"] == pytest.approx(2.0)


def test_a_cancelled_request_cleans_up(loop_time, clock):
    cleaned_up = []

    async def work():
        try:
            for _ in range(10_000):
                await clock.real_sleep(0)  # which a cancellation reaches as an exception alone
        finally:
            cleaned_up.append(True)

    async def cancel():
        async def asked():
            await loop_time.charged("guest", work())

        task = asyncio.ensure_future(asked())
        await clock.real_sleep(0)
        await clock.real_sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancel())
    assert cleaned_up
