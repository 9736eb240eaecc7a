"""Gives memory back that large pictures took."""
from __future__ import annotations

import ctypes

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # mallopt's names for them, in glibc's malloc.h
LARGE = 1 << 20  # bytes


def return_freed_memory() -> None:
    """Has glibc (Linux) return a large block to the system when it is freed; elsewhere nothing is done or needed.

    By itself it would raise what it calls large up to 32 MB and cut pictures out of heaps that seldom shrink again, one
    heap for each of many threads. To be called before threads are started.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library: macOS, Windows, musl
        return
    mallopt(MMAP_THRESHOLD, LARGE)
    mallopt(ARENA_MAX, 2)
