"""Many photos and clips at once: each is a job that one thread does from the first byte read to the last written.

The networks, FFmpeg and image codecs let other threads run meanwhile, so that one photo is decoded while another is in
the network and a third is written. Memory is bounded by what as many photos as there are threads take.
"""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tqdm import tqdm

from ..camera import Camera, told_camera
from ..clips.pictures import read_photos, read_webp
from ..clips.reading import Cancelled, Clip, ClipError, read_clip
from ..clips.turntable import write_turntable
from ..depth_files import write_depth
from ..drawing.overlay import draw_overlay
from ..estimator import MIN_SCORE, HandEstimator
from ..export import save_result
from ..file_names import shown_name
from ..hand import TrackedHand
from ..image import Photo, PhotoError, load_photo
from ..rig.files import write_rigs, write_usdz
from ..rig.motion import HandMotion, motions_of_clip, motions_of_photo
from .jobs import Job, Outcome

if TYPE_CHECKING:
    from ..clips.track_clip import Tracker
    from ..detection.region import HandBox

MOST_THREADS = 8  # more only wait for Python's lock
INTERRUPT_S = 0.5  # s in which Ctrl-C is heard even where it does not end a wait, as on Windows
Done = TypeVar("Done")
JOBS_AHEAD = 1000  # of the one whose outcome is next, lest a long clip keeps the threads idle


@dataclass(frozen=True)
class Options:
    """What is written, where to, of which hands, and with which camera.

    `camera`: what an estimator is told of it by name, `focal_px`, `fov_deg` or `camera`. `boxes` are those of the one
    photo. `mirrored`: pictures are flipped left-right before all else. Hands of another `side` and those of a score
    below `min_score` (None: the estimator's and the tracker's own) are left out. `max_hands` counts in a photo or a
    frame; None is all hands of a photo, and the tracker's own number. `smplx`: options of `export.write_smplx`, None
    for not at all. `person` is what `HandEstimator.for_person` was told.
    """
    out: Path
    camera: dict[str, Any] = field(default_factory=dict)
    boxes: list[HandBox] | None = None
    side: str | None = None
    mirrored: bool = False
    min_score: float | None = None
    max_hands: int | None = None
    overlay: bool = True
    mesh: str = "glb"
    npz: bool = False
    smplx: dict | None = None
    depth: bool = False
    rig: bool = False
    usdz: bool = False
    turntable: bool = False
    person: dict[str, Any] = field(default_factory=dict)


def do(job: Job, estimator: HandEstimator, options: Options, cancelled: Callable[[], bool] | None = None,
       progress: bool = True) -> Outcome:
    """Does one photo or clip. `progress` shows a bar over a clip's frames; `cancelled` may end it (Cancelled)."""
    source = job.source()
    try:
        hands, endings = (_do_clip(job, estimator, options, cancelled, progress) if job.is_clip else
                          _do_photo(job, estimator, options))
    except (PhotoError, ClipError) as error:
        return Outcome(error=str(error))
    except OSError as error:
        return Outcome(error=f"The results of {job.path} cannot be written to {options.out} ({error.strerror}): check "
                             "its permissions and free space.")
    except Cancelled:
        raise
    except Exception as error:  # one bad job must not end the others, whatever in it or in a library went wrong
        return Outcome(error=f"{shown_name(str(job.path))} cannot be done ({type(error).__name__}: "
                             f"{shown_name(str(error))}): check the options, or report the file.")
    return Outcome(hands, tuple(endings), source)


def _do_photo(job: Job, estimator: HandEstimator, options: Options) -> tuple[int, list[str]]:
    photo = open_photo(job, options)
    camera = told_camera_of(job, options, photo.width, photo.height)
    result = estimator(photo, camera=camera, boxes=options.boxes,
                       min_score=MIN_SCORE if options.min_score is None else options.min_score)
    hands = [hand for hand in result.hands if options.side in (None, hand.side)]
    result = replace(result, hands=hands[:options.max_hands])
    overlay = draw_overlay(photo.rgb, result.camera, result.hands) if options.overlay else None
    depth = write_depth(options.out, job.stem, result) if options.depth else []
    rigs = _write_rigs(job, options, lambda: motions_of_photo(result.hands, estimator.hand_models))
    films = write_turntable(options.out, job.stem, result) if options.turntable else []
    last = save_result(options.out, job.stem, job.image, result, overlay=overlay, mesh=options.mesh, npz=options.npz,
                       smplx=options.smplx)  # with the JSON at its end: where that lies, all others do too
    return len(result.hands), [*depth, *rigs, *films, *last]


def _do_clip(job: Job, estimator: HandEstimator, options: Options, cancelled: Callable[[], bool] | None,
             progress: bool) -> tuple[int, list[str]]:
    from ..clips.track_clip import track_clip, write_overlay

    clip = open_clip(job, options, cancelled)
    camera = told_camera_of(job, options, clip.width, clip.height)
    tracker = _tracker(estimator, options)
    overlay, npz = (options.out / f"{job.stem}{ending}" for ending in (".overlay.mp4", ".npz"))
    overlay.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(total=clip.frames, unit="frame", desc=job.path.name, leave=False, disable=not progress) as bar:
        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if options.overlay:
            arrays = write_overlay(clip, tracker, overlay, npz, camera, progress=show, cancelled=cancelled)
        else:
            arrays = track_clip(clip, tracker, camera, progress=show, cancelled=cancelled)
            arrays.save(npz)
    rigs = _write_rigs(job, options, lambda: motions_of_clip(arrays.arrays(), estimator.hand_models))
    return len(arrays.tracks), [".npz", *[".overlay.mp4"] * options.overlay, *rigs]


def open_photo(job: Job, options: Options) -> Photo:
    """The job's photo, flipped back where it is mirrored. Raises PhotoError."""
    photo = load_photo(job.path, str(job.path))
    return photo.mirrored() if options.mirrored else photo


def open_clip(job: Job, options: Options, cancelled: Callable[[], bool] | None) -> Clip:
    """The job's clip, flipped back where it is mirrored. Raises ClipError and Cancelled."""
    if job.photos:
        times, photos = zip(*job.photos, strict=True)
        clip = read_photos(photos, times, job.fps, str(job.path), cancelled=cancelled)
    elif job.path.suffix.lower() == ".webp":
        clip = read_webp(job.path, str(job.path), cancelled=cancelled)
    else:
        clip = read_clip(job.path, str(job.path), cancelled=cancelled)
    return replace(clip, mirrored=options.mirrored)


def told_camera_of(job: Job, options: Options, width: int, height: int) -> Camera | None:
    """The camera that the options tell of a picture of these pixels. Raises PhotoError, for its boxes, too."""
    try:
        for box in options.boxes or ():
            box.check_inside(width, height)
        return told_camera(width, height, **options.camera)
    except ValueError as error:
        raise PhotoError(f"{shown_name(str(job.path))} cannot be done with these options: {error}") from error


def _tracker(estimator: HandEstimator, options: Options) -> Tracker:
    from ..tracker import MAX_HANDS, HandTracker

    most = options.max_hands or MAX_HANDS
    if options.side is None and options.min_score is None:
        return HandTracker(estimator, max_hands=most)
    return _Chosen(HandTracker(estimator, max_hands=MAX_HANDS), options.side, options.min_score or 0, most)


class _Chosen:
    """A tracker of whose hands only those count that were asked for."""

    def __init__(self, tracker: Tracker, side: str | None, min_score: float, most: int):
        self._tracker, self._side, self._min_score, self._most = tracker, side, min_score, most
        self.guess_camera, self.reset, self.hand_models = tracker.guess_camera, tracker.reset, tracker.hand_models

    def __call__(self, rgb: np.ndarray, time_s: float, camera: Camera) -> list[TrackedHand]:
        return [one for one in self._tracker(rgb, time_s, camera)
                if self._side in (None, one.hand.side) and one.hand.score >= self._min_score][:self._most]


def _write_rigs(job: Job, options: Options, motions: Callable[[], list[HandMotion]]) -> list[str]:
    """Writes what the options ask for of hands with a skeleton; returns the files' endings."""
    writers = [write_rigs] * options.rig + [write_usdz] * options.usdz
    hands = motions() if writers else []
    return [ending for write in writers for ending in write(options.out, job.stem, hands)]


def usual_threads() -> int:
    """One more than there are cores, so that none is idle while a thread waits for a file or another thread."""
    return min((os.cpu_count() or 1) + 1, MOST_THREADS)


def run(jobs: list[Job], estimator: HandEstimator, options: Options, threads: int | None = None
        ) -> Generator[Outcome, None, None]:
    """Does all jobs, several at once; yields their outcomes in order. The estimator must serve several threads.

    When the iterator is closed or an exception ends it, photos that were begun are finished and clips are given up; no
    file is left half-written.
    """
    return in_order(jobs, lambda job, cancelled: do(job, estimator, options, cancelled), threads)


def in_order(jobs: list[Job], work: Callable[[Job, Callable[[], bool]], Done], threads: int | None = None
             ) -> Generator[Done, None, None]:
    """What `work(job, cancelled)` gives of each job, in order; several are worked on at once.

    When the iterator is closed or an exception ends it, no job is begun any more, and `cancelled()` is true.
    """
    stop = Event()
    waiting: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(threads or usual_threads(), thread_name_prefix="job") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job, stop.is_set))
                if len(waiting) >= JOBS_AHEAD:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        finally:
            stop.set()
            for future in waiting:
                future.cancel()


def _result(future: Future[Done]) -> Done:
    while not wait([future], timeout=INTERRUPT_S).done:
        continue
    return future.result()
