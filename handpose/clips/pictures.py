"""Clips that are no video files: numbered photos, and animated WebP pictures, which FFmpeg does not read."""
from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..file_names import shown_name
from ..image import Photo, PhotoError, load_photo
from .reading import MAX_PIXELS, MIN_SIDE, USUAL_FPS, Cancelled, Clip, ClipError

log = logging.getLogger(__name__)

WEBP_HEADER = struct.Struct("<4sI4s4sIB3x3s3s")  # RIFF, bytes, WEBP, chunk's name, bytes, flags, width - 1, height - 1
WEBP_ANIMATED = 2  # of the flags of an extended WebP (chunk VP8X)
MOST_DAMAGED = 3  # numbered photos that are named in a warning


@dataclass(frozen=True)
class NumberedPhotos(Clip):
    """Photos one after another, each shown from its time on. What cannot be read is left out with a warning."""
    photos: tuple[tuple[float, Path], ...] = ()

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        damaged = []
        for time_s, file in self.photos:
            if self.cancelled is not None and self.cancelled():
                raise Cancelled
            try:
                photo = load_photo(file)
            except PhotoError as error:
                damaged.append(str(error))
                continue
            if (photo.width, photo.height) != (self.width, self.height):
                raise ClipError(f"{self.name} has pictures of {self.width} x {self.height} pixels, but "
                                f"{shown_name(file.name)} of {photo.width} x {photo.height}: give those of one clip.")
            yield time_s, photo.mirrored().rgb if self.mirrored else photo.rgb
        if damaged:
            log.warning("%s: %d pictures are left out (%s).", self.name, len(damaged), " ".join(damaged[:MOST_DAMAGED]))


def read_photos(files: Sequence[Path], times_s: Sequence[float], fps: float, name: str, *,
                cancelled: Callable[[], bool] | None = None) -> NumberedPhotos:
    """A clip of photos that are shown from these times (rising, in seconds) on, `fps` of them a second.

    The camera is the first one's, where its EXIF tells. Raises ClipError if none can be read.
    """
    first = _first_photo(files, name)
    _check_size(first.width, first.height, name)
    return NumberedPhotos(files[0], name, first.width, first.height, fps, len(files), times_s[-1] + 1 / fps, False,
                          cancelled=cancelled, focal_35mm=first.focal_35mm,
                          photos=tuple(zip(times_s, files, strict=True)))


def _first_photo(files: Sequence[Path], name: str) -> Photo:
    for file in files:
        try:
            return load_photo(file)
        except PhotoError as error:
            why = error
    raise ClipError(f"{name} holds no picture that can be read: {why}") from why


@dataclass(frozen=True)
class AnimatedWebp(Clip):
    """An animated WebP picture; what is transparent lies on white."""

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        time_s = 0.0
        try:
            with Image.open(self.path, formats=("WEBP",)) as image:
                for number in range(image.n_frames):
                    if self.cancelled is not None and self.cancelled():
                        raise Cancelled
                    image.seek(number)
                    rgba = image.convert("RGBA")
                    rgb = np.asarray(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))
                    yield time_s, np.ascontiguousarray(rgb[:, ::-1]) if self.mirrored else rgb
                    time_s += _shown_s(image)
        except Cancelled:
            raise
        except Exception as error:  # Pillow's decoders meet damaged data with nearly every kind of exception
            raise ClipError(f"{self.name} is damaged or cut short: copy it again, or save it as an MP4.") from error


def read_webp(path: Path, name: str, *, cancelled: Callable[[], bool] | None = None) -> AnimatedWebp:
    """Opens an animated WebP. Raises ClipError."""
    size = webp_animation_size(path)
    if size is None:
        raise ClipError(f"{name} is no animated WebP: give it as a photo.")
    _check_size(*size, name)
    try:
        with Image.open(path, formats=("WEBP",)) as image:
            frames = image.n_frames
            image.seek(0)
            image.load()
            fps = 1 / _shown_s(image)
    except Exception as error:  # as above
        raise ClipError(f"{name} is damaged or cut short: copy it again, or save it as an MP4.") from error
    return AnimatedWebp(path, name, *size, fps, frames, frames / fps, False, cancelled=cancelled)


def webp_animation_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an animated WebP, by its header alone; None of any other file, and of one that is missing."""
    try:
        with open(path, "rb") as file:
            head = file.read(WEBP_HEADER.size)
    except OSError:  # whoever reads the file says so
        return None
    if len(head) < WEBP_HEADER.size:
        return None
    riff, _, webp, chunk, _, flags, width, height = WEBP_HEADER.unpack(head)
    if (riff, webp, chunk) != (b"RIFF", b"WEBP", b"VP8X") or not flags & WEBP_ANIMATED:
        return None
    return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1


def is_animated(path: Path) -> bool:
    """Whether a GIF, WebP or PNG file holds more than one picture."""
    if path.suffix.lower() == ".webp":
        return webp_animation_size(path) is not None
    try:
        with Image.open(path, formats=("GIF", "PNG")) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # as above; whoever reads the file says what is wrong
        return False


def _shown_s(image: Image.Image) -> float:
    """How long the frame is shown that was loaded last."""
    return (image.info.get("duration") or 1000 / USUAL_FPS) / 1000


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE:
        raise ClipError(f"{name} has pictures of {width} x {height} pixels: give a clip of at least {MIN_SIDE} pixels "
                        f"a side and at most {MAX_PIXELS // 1_000_000} megapixels a picture (4K).")
