"""Frames as they are seen: turned upright by the file's rotation, with square pixels."""
from __future__ import annotations

import av
import numpy as np
from av.sidedata.sidedata import Type as SideData

SANE_ASPECT = (0.1, 10.0)  # width over height of a stored pixel


def upright_size(stream: av.VideoStream, frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height of a frame as it is seen: square pixels, upright."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width = round(frame.width * aspect) if SANE_ASPECT[0] < aspect < SANE_ASPECT[1] else frame.width
    return (frame.height, width) if _orientation(frame)[0] else (width, frame.height)


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """What turns the stored frame upright: whether to transpose it, then to mirror its columns, then its rows."""
    data = frame.side_data.get(SideData.DISPLAYMATRIX)
    if data is None:
        return False, False, False
    # Column p, row q of the stored frame are shown at column a p + c q, row b p + d q (but for a shift).
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].astype(float)
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0


def upright_rgb(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """The frame as it is seen, (height, width, 3) uint8: that size, whatever the file says of it by now."""
    transpose, mirror, upside_down = _orientation(frame)
    stored = (height, width) if transpose else (width, height)
    rgb = frame.reformat(*stored, "rgb24", interpolation="AREA").to_ndarray()
    rgb = rgb.transpose(1, 0, 2) if transpose else rgb
    return np.ascontiguousarray(rgb[::-1 if upside_down else 1, ::-1 if mirror else 1])
