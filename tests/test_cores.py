"""Who goes first where many wait for a core."""
import threading
from contextvars import copy_context

import pytest

from page.server.cores import LIVE, PHOTO, Cores, asker


class Clock:
    """Stands still but for what pieces of work take."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("page.server.cores.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def wait_until(true):
    for _ in range(2000):
        if true():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it never came to that")


def in_thread(address, work):
    def run():
        asker.set(address)
        work()

    thread = threading.Thread(target=copy_context().run, args=[run])
    thread.start()
    return thread


class Crowd:
    """Pieces of work at one core that come in a known order; `order` tells in which they are done."""

    def __init__(self, clock):
        self.cores, self.clock, self.order, self.threads = Cores(at_once=1), clock, [], []

    def ask(self, address, took, pieces=1):
        """Asks for so many pieces, each of which then takes so many seconds, one after the other."""
        def work():
            for _ in range(pieces):
                with self.cores.work(PHOTO):
                    self.order.append(address)
                    self.clock.now += took

        waiting = len(self.cores._line)
        self.threads.append(in_thread(address, work))
        wait_until(lambda: len(self.cores._line) > waiting)

    def done(self):
        for thread in self.threads:
            thread.join(30)
        return "".join(self.order)


def test_who_asks_for_little_waits_for_single_pieces_of_who_asks_for_much(clock):
    crowd = Crowd(clock)
    with crowd.cores.work(PHOTO):
        for _ in range(6):
            crowd.ask("f", 0.2)
        crowd.ask("a", 0.2)
        crowd.ask("b", 0.2)
    assert crowd.done()[:4] in ("fabf", "abff")  # not "ffffffab"


def test_shares_are_alike_whatever_a_piece_takes(clock):
    crowd = Crowd(clock)
    with crowd.cores.work(PHOTO):
        for _ in range(3):
            crowd.ask("f", 0.3, 20)  # one address with three visitors, whose pieces are long
        crowd.ask("a", 0.1, 60)
    order = crowd.done()
    both = order[:order.rindex("a") + 1][4:]
    assert 0.3 * both.count("f") == pytest.approx(0.1 * both.count("a"), abs=1.0)


def test_nobody_saves_up_time_by_staying_away(clock):
    crowd = Crowd(clock)
    with crowd.cores.beside(0.03):  # so that there is always something to do
        asker.set("f")
        for _ in range(50):
            with crowd.cores.work(PHOTO):
                clock.now += 0.2
        asker.set("")
        with crowd.cores.work(PHOTO):
            crowd.ask("f", 0.2, 5)
            crowd.ask("a", 0.2, 5)
        order = crowd.done()
    assert "aaa" not in order and "fff" not in order


def test_what_computes_elsewhere_holds_no_core_and_is_charged_for(clock):
    crowd = Crowd(clock)
    with crowd.cores.work(PHOTO):
        decoded = in_thread("f", lambda: _decode(crowd, 4.0))  # while the only core is taken
        decoded.join(30)
        crowd.ask("f", 0.2)
        for _ in range(3):
            crowd.ask("a", 0.2)
    assert crowd.done() == "aaaf"


def _decode(crowd, took):
    with crowd.cores.beside(0.03):
        crowd.clock.now += took


def test_no_more_work_at_once_than_there_are_cores_and_one_that_fails_frees_its_own():
    cores, at_work, most = Cores(at_once=2), [], []
    lock = threading.Lock()

    def piece():
        with pytest.raises(RuntimeError), cores.work(LIVE):
            with lock:
                at_work.append(1)
                most.append(len(at_work))
            threading.Event().wait(0.01)
            with lock:
                at_work.pop()
            raise RuntimeError
    threads = [threading.Thread(target=piece) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 8 and max(most) == 2


def test_addresses_are_forgotten_when_they_are_behind(clock):
    cores = Cores(at_once=1)
    for number in range(1000):
        asker.set(f"address {number}")
        with cores.work(PHOTO):
            clock.now += 0.2
    asker.set("")
    assert len(cores._clocks) < 10
