"""Video files: any kind of clip in, upright RGB frames with their times out. FFmpeg decodes, by way of PyAV."""
from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ..camera import Camera
from ..exif import FOCAL_35MM_LIMITS
from ..file_names import shown_name
from .upright import upright_rgb, upright_size

# What a clip's name ends in, and the containers that are read. FFmpeg knows others that are no clips but lists of other
# files or addresses (concat, HLS, DASH), which a stranger's file must not make it open.
ANIMATION_SUFFIXES = frozenset((".gif", ".apng", ".webp"))  # of pictures that may move
VIDEO_SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".3gp", ".mpg", ".mpeg", ".mts", ".m2ts",
                            ".wmv", ".flv", ".ogv"))
CONTAINERS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg,gif,apng"
FOCAL_35MM = "com.apple.quicktime.camera.focal_length.35mm_equivalent"  # QuickTime's tag for what EXIF calls so

MAX_PIXELS = 4096 * 2304  # of one frame: 4K; a decoder keeps up to 20 of them
MAX_STREAMS = 16  # an action camera writes six
THREADS = 4  # of a decoder, each of which keeps frames of its own
OPEN_S = 5.0  # seconds in which a file must have shown what is in it
STALL_S = 10.0  # seconds of work after which a frame must have come
FRAME_S = 0.25  # seconds of work for a frame, on average: ten times what the largest take
MIN_SIDE = 32  # pixels; a hand of fewer tells nothing
USUAL_FPS, MAX_FPS = 30.0, 1000.0

log = logging.getLogger(__name__)


class ClipError(ValueError):
    """A file that cannot be used as a clip; the message is one sentence with the cause and the remedy."""


class Cancelled(Exception):
    """The work was called off; nothing of it is left."""


class Deadline:
    """Ends work that takes too long for what comes of it. It counts only the seconds between `resume` and `pause`."""

    def __init__(self, seconds: float, cancelled: Callable[[], bool] | None = None):
        self._left, self._cancelled, self._began = seconds, cancelled, time.monotonic()

    def check(self) -> None:
        """To be asked at every step. Raises Cancelled, and TimeoutError when the seconds are over."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
        if time.monotonic() - self._began > self._left:
            raise TimeoutError

    def pause(self, earned: float = 0.0, most: float = math.inf) -> None:
        """Something came of the work, which earns it more seconds, and somebody else goes on."""
        self._left = min(self._left - (time.monotonic() - self._began) + earned, most)

    def resume(self) -> None:
        self._began = time.monotonic()


@dataclass(frozen=True)
class Clip:
    """A clip as it is seen. Iterating decodes it: (time_s, rgb) for each frame, rgb (height, width, 3) uint8, upright.

    Times are seconds since the clip's beginning, strictly rising, as irregular as the file's. Damaged stretches are
    left out with a logged warning. `mirrored` flips frames left-right. Iterating raises ClipError where the clip turns
    out to be longer than it may be or takes too long to decode, and Cancelled. May be iterated again.
    """
    path: Path
    name: str  # what errors call it
    width: int  # pixels, upright
    height: int
    fps: float  # on average
    frames: int  # how many there should be; an estimate
    duration_s: float
    has_sound: bool
    start_s: float = 0.0  # where the file's own times begin
    max_seconds: float = math.inf
    max_frames: float = math.inf
    cancelled: Callable[[], bool] | None = None  # asked at every packet of the file
    mirrored: bool = False
    focal_35mm: float | None = None  # mm, where the file tells

    @property
    def camera(self) -> Camera | None:
        """The camera that the file tells of, None where it does not."""
        return Camera.of_photo(self.width, self.height, focal_35mm=self.focal_35mm) if self.focal_35mm else None

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        last, count = -math.inf, 0
        with open_container(self.path, self.name) as container:
            for frame in _decode(container, self.name, self.cancelled):
                time_s = last + 1 / self.fps if frame.time is None else frame.time - self.start_s
                if time_s <= last:
                    time_s = last + 1 / self.fps
                last, count = max(time_s, 0.0), count + 1
                _check_length(last, count, self.max_seconds, self.max_frames, self.name)
                rgb = upright_rgb(frame, self.width, self.height)
                yield last, np.ascontiguousarray(rgb[:, ::-1]) if self.mirrored else rgb


def read_clip(path: str | os.PathLike, name: str | None = None, *, largest: int | None = None,
              max_seconds: float = math.inf, max_frames: float = math.inf,
              cancelled: Callable[[], bool] | None = None) -> Clip:
    """Opens a video file and finds out what is in it, by decoding its first frame.

    Frames come out upright by the file's rotation, with square pixels, and with a longer side of at most `largest`
    pixels where that is given. `name` is what an error calls the clip; by default the file's own name. `cancelled` is
    asked at every packet of the file, here and when the clip is iterated.

    Raises ClipError if there is no such file, or it is no video, damaged, has too many pixels, is longer than
    `max_seconds` or `max_frames` or takes too long to decode; and Cancelled.
    """
    path = Path(path)
    name = shown_name(name or path.name or str(path))
    _check_file(path, name)
    with open_container(path, name) as container:
        stream = _video(container, name)
        _check_pixels(stream.codec_context.width, stream.codec_context.height, name)
        fps = _fps(stream)
        duration_s, frames = _length(container, stream)
        start_s = (container.start_time or 0) / av.time_base
        has_sound = bool(container.streams.audio)
        focal_35mm = _focal_35mm(container, stream)
        # A false claim about the length is found out while the clip is read.
        _check_length(duration_s, frames, max_seconds, max_frames, name)
        width, height = upright_size(stream, next(_decode(container, name, cancelled)))
    if not duration_s or not frames:
        duration_s, frames = _count(path, name, fps, max_frames, cancelled)
        fps = frames / duration_s
        _check_length(duration_s, frames, max_seconds, max_frames, name)
    _check_pixels(width, height, name)
    if min(width, height) < MIN_SIDE:
        raise ClipError(f"{name} is too small ({width} x {height} pixels): give a clip of at least {MIN_SIDE} x "
                        f"{MIN_SIDE} pixels.")
    if largest is not None and max(width, height) > largest:
        width, height = (max(1, round(side * largest / max(width, height))) for side in (width, height))
    return Clip(path, name, width, height, fps, frames, duration_s, has_sound, start_s, max_seconds, max_frames,
                cancelled, focal_35mm=focal_35mm)


# ---- the file and what it says of itself

def _check_file(path: Path, name: str) -> None:
    try:
        if path.is_dir():
            raise ClipError(f"{name} is a folder, not a clip: give the path of one video file.")
        if not path.exists():
            raise ClipError(f"There is no file {name}: check the path.")
        if not path.is_file():
            raise ClipError(f"{name} is a device, not a file: give the path of a video file.")
        if not path.stat().st_size:
            raise ClipError(f"{name} is empty: copy or download it again.")
    except OSError as error:
        raise ClipError(f"{name} cannot be read ({error.strerror}): check its path and permissions.") from error


def open_container(path: Path, name: str) -> av.container.InputContainer:
    """The file, opened by FFmpeg, which is kept from opening anything else. Raises ClipError."""
    try:
        # "file:" keeps FFmpeg from taking a name with a colon for a protocol. `options` go to the decoders of all
        # streams, which opening tries out; times are those without any result.
        return av.open(f"file:{path}", metadata_errors="replace", options={"max_pixels": str(MAX_PIXELS)},
                       container_options={"format_whitelist": CONTAINERS, "protocol_whitelist": "file",
                                          "max_streams": str(MAX_STREAMS)}, timeout=(OPEN_S, STALL_S))
    except PermissionError as error:
        raise ClipError(f"{name} cannot be read ({error.strerror}): check its permissions.") from error
    except (av.FFmpegError, ValueError, OSError) as error:
        raise ClipError(f"{name} is no video of a known kind, damaged or cut short: copy it again, or save it as an "
                        "MP4 in a video player.") from error


def _video(container: av.container.InputContainer, name: str) -> av.VideoStream:
    if not container.streams.video:
        raise ClipError(f"{name} holds no pictures, only {'sound' if container.streams.audio else 'other data'}: give "
                        "a video file.")
    stream = container.streams.best("video") or container.streams.video[0]
    if stream.codec_context is None:
        raise ClipError(f"{name} is in a video format that cannot be decoded: save it as an MP4 in a video player.")
    return stream


def _fps(stream: av.VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate < MAX_FPS else USUAL_FPS


def _length(container: av.container.InputContainer, stream: av.VideoStream) -> tuple[float, int]:
    """Seconds and frames as the file claims; 0 for what it does not tell."""
    duration = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    duration = duration or (container.duration or 0) / av.time_base
    return max(duration, 0.0), max(stream.frames or round(duration * _fps(stream)), 0)


def _focal_35mm(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """35-mm equivalent focal length (mm) that a QuickTime file tells, of all or of this stream."""
    for name, value in (*stream.metadata.items(), *container.metadata.items()):
        if name.startswith(FOCAL_35MM):  # perhaps with a language behind it
            try:
                focal = float(value)
            except ValueError:
                continue
            if FOCAL_35MM_LIMITS[0] <= focal <= FOCAL_35MM_LIMITS[1]:
                return focal
    return None


def _count(path: Path, name: str, fps: float, max_frames: float, cancelled: Callable[[], bool] | None
           ) -> tuple[float, int]:
    """Seconds and frames of a file that does not tell, as browsers record them: by reading it through, not decoding.

    Stops where there are more than `max_frames`.
    """
    frames, first, last = 0, math.inf, -math.inf
    deadline = Deadline(STALL_S, cancelled)
    with open_container(path, name) as container:
        stream = _video(container, name)
        try:
            for packet in container.demux():
                deadline.check()
                if packet.stream_index != stream.index:
                    continue
                frames += packet.size > 0
                if packet.pts is not None:
                    first, last = min(first, packet.pts), max(last, packet.pts)
                if frames > max_frames:
                    break
        except (av.FFmpegError, TimeoutError):  # iterating says so
            pass
        seconds = float((last - first) * stream.time_base) if last > first else 0.0
    frames = max(frames, 1)
    return (seconds * frames / (frames - 1) if frames > 1 and seconds else frames / fps), frames


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise ClipError(f"{name} is too large ({width} x {height} pixels): shrink it to at most "
                        f"{MAX_PIXELS // 1_000_000} megapixels a frame (4K).")


def _check_length(seconds: float, frames: int, max_seconds: float, max_frames: float, name: str) -> None:
    if seconds > max_seconds:
        raise ClipError(f"{name} is longer than {max_seconds:g} seconds: cut it to a shorter stretch.")
    if frames > max_frames:
        raise ClipError(f"{name} has more than {max_frames:g} frames: cut it to a shorter stretch, or save it with "
                        "fewer frames a second.")


# ---- frames

def _decode(container: av.container.InputContainer, name: str, cancelled: Callable[[], bool] | None
            ) -> Iterator[av.VideoFrame]:
    """All frames that can be decoded; a warning says what was left out. Raises ClipError if there are none or they take
    too long, and Cancelled."""
    stream = _video(container, name)
    stream.thread_type, stream.codec_context.thread_count = "AUTO", min(THREADS, os.cpu_count() or 1)
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    # Packets of other streams are taken, too, lest many of them pass where nobody checks.
    frames, damaged, first_damage, last, packets = 0, 0, "", 0.0, container.demux()
    deadline = Deadline(STALL_S, cancelled)
    while True:
        try:
            deadline.check()
            packet = next(packets)
            for frame in packet.decode() if packet.stream_index == stream.index else ():
                frames, last = frames + 1, frame.time or last
                deadline.pause(FRAME_S, STALL_S)
                yield frame
                deadline.resume()
        except StopIteration:
            break
        except TimeoutError as error:
            raise ClipError(f"{name} takes too long to decode after {last:.1f} s: save it as an MP4 in a video "
                            "player.") from error
        except (av.FFmpegError, ValueError) as error:
            damaged, first_damage = damaged + 1, first_damage or f"first after {last:.1f} s: {error}"
            if isinstance(error, (av.EOFError, av.ExitError)):
                break
    if damaged:
        log.warning("%s is damaged: frames are left out at %d places (%s).", name, damaged, shown_name(first_damage))
    if not frames:
        raise ClipError(f"{name} holds no frame that can be decoded: copy it again, or save it as an MP4 in a video "
                        "player.")
