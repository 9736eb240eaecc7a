"""What a photo may be and may cost; both sides of the decoding know it."""
from __future__ import annotations

import struct

MAX_PIXELS = 100_000_000  # 300 MB as RGB, and several times that while it is drawn on
MAX_SIDE = 32_766  # OpenCV 4 warps no longer ones
MIN_SIDE = 32  # a hand of fewer pixels tells nothing
MAX_BYTES = 200_000_000  # of the file: the largest JPEGs of 100 megapixels are half of that

CPU_S = 3.7  # seconds of computing for decoding a photo, where the system counts them (not on Windows)
CPU_S_PER_PIXEL = 2.1e-8  # of them are left to finding hands in it, which takes that long (two cores at 2.5 GHz)
CLOCK_S = 20  # seconds for a photo, whoever else computes
QUICK_S = 0.5  # seconds after which a photo is a slow one, whose process steps back behind all else (not on Windows)
SLOW_NICENESS = 5  # against a busy machine it gets a quarter of a core
MEMORY = 800_000_000  # bytes for a photo beyond what an idle process has, where the system limits them (Linux)

TOO_LARGE = f"shrink it to at most {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} pixels a side."
TOO_COSTLY = "takes too much time or memory to decode: shrink it, or save it as a JPEG in an image viewer."
LENGTH = struct.Struct("<Q")  # of the file, which goes before it


class Refused(ValueError):
    """The file cannot be used as a photo; the message is a sentence that lacks its subject, the file's name."""
