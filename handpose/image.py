"""Photo files: any kind of image file in, upright RGB pixels and the EXIF focal length out."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL.ExifTags import Base as Tag

from .decoding.limits import MAX_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE, TOO_LARGE, Refused
from .decoding.process import decode
from .exif import focal_35mm
from .file_names import shown_name

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "MAX_SIDE", "MIN_SIDE", "Photo", "PhotoError", "load_photo"]

# What a photo's name ends in; HEIC is among them even where it cannot be read, to be refused and not passed over.
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif",
                            ".avif", ".gif", ".bmp", ".tif", ".tiff"))

# What turns stored pixels (H, W, 3) upright, by EXIF's orientation tag. In HEIC and AVIF the file's structure says the
# orientation and EXIF's tag does not count: Pillow's AVIF reader puts it into the tag, pillow-heif turns the picture.
# (OpenCV turns large pictures faster than NumPy's views are copied.)
UPRIGHT = {2: lambda rgb: cv2.flip(rgb, 1), 3: lambda rgb: cv2.rotate(rgb, cv2.ROTATE_180),
           4: lambda rgb: cv2.flip(rgb, 0), 5: cv2.transpose,
           6: lambda rgb: cv2.rotate(rgb, cv2.ROTATE_90_CLOCKWISE), 7: lambda rgb: cv2.flip(cv2.transpose(rgb), -1),
           8: lambda rgb: cv2.rotate(rgb, cv2.ROTATE_90_COUNTERCLOCKWISE)}


class PhotoError(ValueError):
    """A file that cannot be used as a photo; the message is one sentence with the cause and the remedy."""


@dataclass(frozen=True)
class Photo:
    """A photo as it is seen: `rgb` (H, W, 3) uint8, upright.

    `focal_35mm` is the focal length in mm of a 35-mm camera with the same diagonal field of view, from EXIF; None where
    the file does not tell.
    """
    rgb: np.ndarray
    focal_35mm: float | None = None

    @property
    def width(self) -> int:
        return self.rgb.shape[1]

    @property
    def height(self) -> int:
        return self.rgb.shape[0]

    def mirrored(self) -> Photo:
        """The photo flipped left-right: what a mirrored one, as selfies often are, shows in truth."""
        return Photo(np.ascontiguousarray(self.rgb[:, ::-1]), self.focal_35mm)


def load_photo(source: str | os.PathLike | bytes | BinaryIO, name: str | None = None) -> Photo:
    """Reads a photo from a path, from the bytes of a file, or from an open binary file.

    The picture is turned upright as the file says. Grey, 16-bit, CMYK and palette pictures become 8-bit RGB,
    transparent ones lie on white, and of an animation the first frame counts, of a HEIC file the one it calls primary.
    The file is decoded in another process (see `decoding`), which is kept for the next photo.
    `name` is what an error calls the photo; by default the file's own name.

    Raises PhotoError if there is no such file, or it is no image, damaged, too large or too small, or would take more
    than 4 s of computing (of 100 megapixels: 1.9) or 800 MB to decode.
    """
    if name is None:
        path = getattr(source, "name", None) if hasattr(source, "read") else source
        name = Path(path).name or str(path) if isinstance(path, (str, os.PathLike)) else "The photo"
    name = shown_name(name)
    data = _read(source, name)
    try:
        stored, tags = decode(data)
    except Refused as error:
        raise PhotoError(f"{name} {error}") from error
    except OSError as error:
        raise PhotoError(f"{name} cannot be decoded, for no process can be started ({error.strerror}): close other "
                         "programs.") from error
    upright = UPRIGHT.get(tags.get(Tag.Orientation), lambda rgb: rgb)(stored)
    return Photo(upright, focal_35mm(tags, stored.shape[1], stored.shape[0]))


def _read(source: str | os.PathLike | bytes | BinaryIO, name: str) -> bytes:
    """All bytes of the source."""
    if hasattr(source, "read"):
        data = source.read()
    elif isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    else:
        path = Path(source)
        try:
            if path.is_dir():
                raise PhotoError(f"{name} is a folder, not an image: give the path of one image.")
            if not path.exists():
                raise PhotoError(f"There is no file {name}: check the path.")
            if not path.is_file():
                raise PhotoError(f"{name} is a device, not a file: give the path of an image.")
            if path.stat().st_size > MAX_BYTES:
                raise PhotoError(f"{name} is too large: {TOO_LARGE}")
            data = path.read_bytes()
        except OSError as error:
            raise PhotoError(f"{name} cannot be read ({error.strerror}): check its path and permissions.") from error
    if not data:
        raise PhotoError(f"{name} is empty: copy or download it again.")
    return data
