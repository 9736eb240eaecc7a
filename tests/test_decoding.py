"""The processes in which photos are decoded: their limits, their ends, and who may use them."""
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from bad_images import READABLE, blank_png, rotated, scene, write
from odd_uploads import exif_flood, one_tile_tiff, scans
from test_image import difference, refusal

from benchmarks.running_page import ROOT
from handpose.decoding import process
from handpose.image import load_photo


def limited(monkeypatch, **limits: float) -> None:
    """Has decoding processes that are started from now on have other limits than those of `decoding.limits`."""
    setting = "; ".join(f"child.{name} = {value}" for name, value in limits.items())
    process.end_idle()
    monkeypatch.setattr(process, "START", "import sys; sys.path[:] = sys.argv[1:]; from handpose.decoding import child"
                        f"; {setting}; child.main()")


@pytest.mark.skipif(os.name != "posix", reason="only POSIX counts a process's computing so")
def test_what_takes_long_to_decode_is_ended_and_the_next_photo_is_read(monkeypatch):
    limited(monkeypatch, CPU_S=0.3)
    for data in scans(1000, side=1024), exif_flood(600, 2500):
        assert "takes too much time" in refusal(data)
    assert load_photo(scans(2, side=1024)).width == 1024
    process.end_idle()


@pytest.mark.skipif(os.name != "posix", reason="only POSIX counts a process's computing so")
def test_a_photo_of_many_pixels_has_less_time_to_be_decoded(monkeypatch):
    limited(monkeypatch, CPU_S_PER_PIXEL=4 / 500**2)
    assert "takes too much time" in refusal(scans(100, side=1024))  # a fraction of a second
    assert load_photo(scans(100, side=400)).width == 400
    process.end_idle()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
def test_what_takes_much_memory_is_refused_and_the_next_photo_is_read(monkeypatch):
    limited(monkeypatch, MEMORY=100_000_000)
    for data in one_tile_tiff(8192), blank_png(12_000, 8_000):
        assert "too much" in refusal(data) or "too large" in refusal(data)
    assert difference(load_photo(rotated(6)).rgb, scene()) <= 4
    process.end_idle()


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has a process step back so")
def test_who_takes_long_lets_others_go_first_and_decodes_no_further_photo(monkeypatch):
    monkeypatch.setattr(process, "QUICK_S", 0.05)
    process.end_idle()
    decoder, mine = process.Decoder(), os.getpriority(os.PRIO_PROCESS, 0)
    slow = threading.Thread(target=decoder.decode, args=[scans(300, side=1024)])
    slow.start()
    try:
        for _ in range(500):
            if os.getpriority(os.PRIO_PROCESS, decoder.process.pid) == mine + process.SLOW_NICENESS:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("it never stepped back")
    finally:
        decoder.end()
        slow.join()
    assert decoder.photos >= process.MOST_PHOTOS


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_an_interrupt_is_the_programs_not_the_decoders():
    decoder = process.Decoder()
    try:
        assert decoder.decode(scans(2, side=64))[0].shape == (64, 64, 3)
        os.kill(decoder.process.pid, signal.SIGINT)
        assert decoder.decode(scans(2, side=64))[0].shape == (64, 64, 3)
    finally:
        decoder.end()


def test_the_clock_ends_a_process_that_does_nothing(monkeypatch):
    process.end_idle()
    monkeypatch.setattr(process, "START", "import time; time.sleep(600)")
    monkeypatch.setattr(process, "CLOCK_S", 0.2)
    assert "takes too much time" in refusal(rotated(1))


def test_processes_are_kept_replaced_when_they_died_and_ended():
    process.end_idle()
    load_photo(rotated(1))
    kept, = process._idle
    load_photo(rotated(1))
    assert process._idle == [kept] and kept.photos == 2
    kept.process.kill()
    kept.process.wait()
    load_photo(rotated(1))
    assert process._idle != [kept] and len(process._idle) == 1
    last = process._idle[0].process
    process.end_idle()
    assert not process._idle and last.poll() is not None


def test_a_script_without_a_main_guard_reads_photos(tmp_path):
    """And what it started ends with it, even where it is killed."""
    path, = write(tmp_path, READABLE, ["rotated6.jpg"])
    script = tmp_path / "script.py"
    script.write_text(f"from handpose import load_photo\nprint(load_photo({str(path)!r}).rgb.shape)\n"
                      "from handpose.decoding import process\nprint(process._idle[0].process.pid, flush=True)\n"
                      "import os\nos.kill(os.getpid(), 9)\n")
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
    *shape, pid = run.stdout.splitlines()
    assert shape == ["(64, 96, 3)"] and not run.stderr
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_fork_has_processes_of_its_own():
    load_photo(rotated(1))
    pid = os.fork()
    if not pid:
        status = 1
        try:
            status = 0 if not process._idle and difference(load_photo(rotated(6)).rgb, scene()) <= 4 else 1
            process.end_idle()
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0 and process._idle
    assert difference(load_photo(rotated(6)).rgb, scene()) <= 4
