"""Who goes first where many wait for a core."""
import threading

import pytest

from page.server.cores import CLIP, LIVE, PHOTO, Cores


def wait_until(true):
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it never came to that")


def test_a_photo_goes_before_a_camera_and_that_before_a_clip():
    cores, order = Cores(at_once=1), []
    with cores.work(PHOTO):
        waiting = []
        for kind in (CLIP, LIVE, PHOTO):
            def piece(kind=kind):
                with cores.work(kind):
                    order.append(kind)
            waiting.append(threading.Thread(target=piece))
            waiting[-1].start()
            wait_until(lambda: len(cores._due) == len(waiting))  # noqa: B023
        assert order == []
    for thread in waiting:
        thread.join(10)
    assert order == [PHOTO, LIVE, CLIP]


def test_what_waits_for_long_is_not_passed_for_ever(monkeypatch):
    clock = iter([0.0, 1.0, 1.0 + CLIP - PHOTO + 0.1])
    monkeypatch.setattr("page.server.cores.time.monotonic", lambda: next(clock))
    cores, order = Cores(at_once=1), []
    with cores.work(PHOTO):
        waiting = []
        for kind in (CLIP, PHOTO):  # the photo comes when the clip is overdue
            waiting.append(threading.Thread(target=lambda kind=kind: _piece(cores, kind, order)))
            waiting[-1].start()
            wait_until(lambda: len(cores._due) == len(waiting))  # noqa: B023
    for thread in waiting:
        thread.join(10)
    assert order == [CLIP, PHOTO]


def _piece(cores, kind, order):
    with cores.work(kind):
        order.append(kind)


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
