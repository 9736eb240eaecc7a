"""The decoding processes as those see them that have a photo to decode: started when needed, kept for the next photo.

They are no forks of this process, and do not import its main module as multiprocessing's would: a program needs no
`if __name__ == "__main__"` to read a photo.
"""
from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer

import numpy as np

from .limits import CLOCK_S, LENGTH, QUICK_S, SLOW_NICENESS, TOO_COSTLY, Refused

MOST_IDLE = 8  # processes that are kept, about 25 MB each
MOST_PHOTOS = 500  # that a process decodes before a fresh one takes its place, lest leaks of a decoder add up
# Ctrl-C is for the program, which lets a photo that was begun be finished. The process stays in the program's session:
# Linux gives each session an equal share of the cores, and one that decodes as much as one that does all the rest.
START = ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); import sys; sys.path[:] = sys.argv[1:]; "
         "from handpose.decoding.child import main; main()")
# What a thread of a decoder takes of the address space, which is what is limited.
FRUGAL = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1"}

_idle: list[Decoder] = []  # whose append and pop are atomic


def decode(data: bytes) -> tuple[np.ndarray, dict[int, float]]:
    """The stored pixels (H, W, 3) uint8 of an image file and its tags (see `picture.TAGS`).

    Raises Refused, also where the file takes more time or memory than `limits` allows; OSError where no process can be
    started.
    """
    decoder = _take()
    answer = None
    try:
        answer = decoder.decode(data)
    finally:
        if answer is None or decoder.photos >= MOST_PHOTOS or len(_idle) >= MOST_IDLE:
            decoder.end()
        else:
            _idle.append(decoder)
    if isinstance(answer, Refused):
        raise answer
    return answer


def _take() -> Decoder:
    """An idle decoder that is alive, else a new one."""
    while True:
        try:
            decoder = _idle.pop()
        except IndexError:
            return Decoder()
        if decoder.process.poll() is None:
            return decoder
        decoder.end()


class Decoder:
    """One process, which decodes one photo at a time."""

    def __init__(self):
        package_home = str(Path(__file__).resolve().parents[2])
        self.photos = 0
        # -I hides the variable that says so from it.
        options = ["-I", "-S", *["-B"] * sys.dont_write_bytecode]
        self.process = subprocess.Popen(
            [sys.executable, *options, "-c", START, *sys.path, package_home], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **FRUGAL},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0))

    def decode(self, data: bytes) -> tuple[np.ndarray, dict[int, float]] | Refused:
        """As the function; a process that did not live to answer is a refusal, and of no more use."""
        self.photos += 1
        clocks = [Timer(CLOCK_S, self.process.kill), Timer(QUICK_S, self._step_back)]
        for clock in clocks:
            clock.daemon = True
            clock.start()
        try:
            self.process.stdin.write(LENGTH.pack(len(data)))
            self.process.stdin.write(data)
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or "{}")
            if "refused" in answer:
                return Refused(answer["refused"])
            if "size" in answer:
                width, height = answer["size"]
                rgb = np.empty((height, width, 3), np.uint8)
                if self.process.stdout.readinto(memoryview(rgb).cast("B")) == rgb.nbytes:
                    return rgb, {int(tag): value for tag, value in answer["tags"].items()}
        except OSError:  # a broken pipe
            pass
        finally:
            for clock in clocks:
                clock.cancel()
        self.photos = MOST_PHOTOS
        return Refused(TOO_COSTLY)

    def _step_back(self) -> None:
        """Lets others go first from here on; there is no way back, so a fresh process decodes the next photo."""
        self.photos = MOST_PHOTOS
        with suppress(AttributeError, OSError):  # not on Windows; it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, self.process.pid, SLOW_NICENESS)

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:  # what could not be written before
                pass
        self.process.wait()


@atexit.register
def end_idle() -> None:
    """Ends the processes that wait for a photo."""
    while _idle:
        _idle.pop().end()


if hasattr(os, "register_at_fork"):  # a fork has no processes of its own yet, and must not talk to its parent's
    os.register_at_fork(after_in_child=_idle.clear)
