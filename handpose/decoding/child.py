"""What the decoding process does: one file after another comes in by its standard input, the pixels go out.

A request is the file's length (8 bytes, little-endian) and its bytes. The answer is a line of JSON, either
{"refused": sentence without its subject} or {"size": [width, height], "tags": {tag: number}}, then the RGB pixels.
"""
from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

from .limits import CPU_S, CPU_S_PER_PIXEL, LENGTH, MEMORY, Refused
from .picture import decode


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # lest a library prints into the answers
    _limit_memory()
    while head := sys.stdin.buffer.read(LENGTH.size):
        data = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        _limit_computing(CPU_S)
        _answer(data, answers)
        _limit_computing(0)


def _answer(data: bytes, answers: BinaryIO) -> None:
    try:
        picture = decode(data, lambda width, height: _leave_computing(CPU_S_PER_PIXEL * width * height))
    except Refused as error:
        _write(answers, json.dumps({"refused": str(error)}).encode() + b"\n")
        return
    _write(answers, json.dumps({"size": picture.size, "tags": picture.tags}).encode() + b"\n")
    for band in picture.bands():
        _write(answers, band)


def _write(answers: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[answers.write(left):]


def _limit_computing(seconds: float) -> None:
    """Has the system end this process when it has computed so long, on all its threads; 0 takes that back."""
    try:
        from signal import ITIMER_PROF, setitimer
    except ImportError:  # Windows, where only the parent's clock ends it
        return
    setitimer(ITIMER_PROF, seconds)


def _leave_computing(seconds: float) -> None:
    """Takes so many seconds off what is left of the limit."""
    try:
        from signal import ITIMER_PROF, getitimer
    except ImportError:
        return
    _limit_computing(max(getitimer(ITIMER_PROF)[0] - seconds, 0.01))  # 0 would take it back


def _limit_memory() -> None:
    """Has the system refuse this process more memory, where it can tell how much there is by now (Linux)."""
    try:
        import resource
        with open("/proc/self/statm") as file:
            limit = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a decoder that crashes leaves no core file
