"""A clip in, the same clip with its hands drawn over it and their parameters as arrays out."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np

from ..camera import Camera
from ..drawing.overlay import draw_overlay
from ..hand import Hand, TrackedHand
from ..hand_model.model import HandModel
from ..whole_file import whole_file
from .arrays import ClipArrays
from .reading import VIDEO_SUFFIXES, Cancelled, Clip, ClipError, read_clip
from .writing import CRF, ClipWriter

__all__ = ["VIDEO_SUFFIXES", "Cancelled", "Clip", "ClipArrays", "ClipError", "ClipWriter", "read_clip", "track_clip",
           "write_overlay"]

Draw = Callable[[np.ndarray, Camera, list[Hand]], np.ndarray]


class Tracker(Protocol):
    """What follows the hands: a `handpose.tracker.HandTracker`."""
    hand_models: Mapping[str, HandModel]  # by side, of the hands that it gives

    def __call__(self, rgb: np.ndarray, time_s: float, camera: Camera) -> list[TrackedHand]: ...
    def guess_camera(self, frames: Iterable[tuple[float, np.ndarray]]) -> Camera: ...
    def reset(self) -> None: ...


Progress = Callable[[int, int], None]  # frames done, frames that there should be


def track_clip(clip: Clip, tracker: Tracker, camera: Camera | None = None, *, show: Callable | None = None,
               progress: Progress | None = None, cancelled: Callable[[], bool] | None = None) -> ClipArrays:
    """Follows the hands through a clip. `camera` defaults to the file's own or, where that does not tell, to a guess
    over its first frames, which is kept.

    The next frame is decoded on another thread meanwhile, and `show(time_s, rgb, camera, hands)` is called for each
    frame in order on a third. `progress` hears of each frame; `cancelled` is asked before each. Raises ClipError and
    Cancelled.
    """
    camera = camera or clip.camera or tracker.guess_camera(clip)
    arrays = ClipArrays(camera, clip.width, clip.height, tracker.hand_models)
    tracker.reset()
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as ahead, \
            ThreadPoolExecutor(1, thread_name_prefix="show") as beside:
        shown = None
        for time_s, rgb in _one_ahead(clip, ahead):
            if cancelled is not None and cancelled():
                raise Cancelled
            tracked = tracker(rgb, time_s, camera)
            arrays.add(time_s, tracked)
            if shown is not None:
                shown.result()  # one frame waits at most, and errors come out
            if show is not None:
                shown = beside.submit(show, time_s, rgb, camera, [one.hand for one in tracked])
            if progress is not None:
                progress(len(arrays), max(len(arrays), clip.frames))
        if shown is not None:
            shown.result()
    return arrays


def _one_ahead(items: Iterable, thread: ThreadPoolExecutor) -> Iterator:
    """The items, each of which is made on the thread while the caller works on the one before."""
    iterator, end = iter(items), object()
    coming = thread.submit(next, iterator, end)
    while (item := coming.result()) is not end:
        coming = thread.submit(next, iterator, end)
        yield item


def write_overlay(clip: Clip, tracker: Tracker, overlay: str | os.PathLike,
                  npz: str | os.PathLike | None = None, camera: Camera | None = None, *, draw: Draw = draw_overlay,
                  crf: int = CRF, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
                  ) -> ClipArrays:
    """Writes a clip with its hands drawn over it as MP4 (H.264, with the clip's sound), and their parameters as `.npz`.

    `draw(rgb, camera, hands)` gives each picture, of the clip's size; `crf` is x264's quality, 0 best .. 51. The rest
    as in `track_clip`. Both files appear whole, or neither does where an exception ends the work: ClipError, Cancelled,
    OSError. Returns what the `.npz` holds.
    """
    with ExitStack() as undo:
        with nullcontext() if npz is None else whole_file(npz) as waiting:
            with ClipWriter.open(overlay, clip.width, clip.height, clip.fps, crf, sound_of=clip) as writer:
                arrays = track_clip(
                    clip, tracker, camera, progress=progress, cancelled=cancelled,
                    show=lambda time_s, rgb, camera, hands: writer.write(draw(rgb, camera, hands), time_s))
                if waiting is not None:
                    arrays.save(waiting)
            undo.callback(Path(overlay).unlink)  # if the arrays cannot take their name
        undo.pop_all()
    return arrays
