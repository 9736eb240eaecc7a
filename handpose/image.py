"""Photo files: any kind of image file in, upright RGB pixels and the EXIF focal length out."""
from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from .camera import DIAGONAL_35MM

try:
    import pillow_heif
except ImportError:  # whoever may not have the GPL encoder in its wheels leaves it out: HEIC is then an unknown kind
    pass
else:  # Only the picture itself: no thumbnails, depth or gain maps.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)

# Formats that are read. Others that Pillow knows are no photos, and some start other programs (EPS runs Ghostscript).
Image.init()  # fills Image.OPEN, the formats of this build of Pillow
# AVIF is tried before HEIF, whose reader also opens AVIF files of the common brand "mif1" but then cannot decode them.
FORMATS = [name for name in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM")
           if name in Image.OPEN]
# What a photo's name ends in; HEIC is among them even where it cannot be read, to be refused and not passed over.
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".apng", ".webp", ".heic", ".heif", ".hif",
                            ".avif", ".gif", ".bmp", ".tif", ".tiff", ".jp2", ".ppm", ".pgm"))

MAX_PIXELS = 100_000_000  # 300 MB as RGB, and several times that while it is drawn on
MAX_SIDE = 32_766  # OpenCV 4 warps no longer ones
MIN_SIDE = 32  # a hand of fewer pixels tells nothing
MAX_BYTES = 1_000_000_000  # no photo within MAX_PIXELS is larger
FOCAL_35MM_LIMITS = (6.0, 1500.0)  # mm; from fisheye to telescope: outside it, the tag is wrong
SENSOR_LIMITS = (2.0, 100.0)  # mm, diagonal: from the smallest webcam to medium format
MM_PER_RESOLUTION_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 1e-3}  # EXIF's FocalPlaneResolutionUnit

# What turns the stored picture upright, by EXIF's orientation tag. (ImageOps.exif_transpose does the same, but also
# writes the EXIF block anew, which fails where that is damaged.) In HEIC and AVIF the file's structure says the
# orientation and EXIF's tag does not count: Pillow's AVIF reader puts it into the tag, pillow-heif turns the picture.
UPRIGHT = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
           5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
           8: Image.Transpose.ROTATE_90}


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


def load_photo(source: str | os.PathLike | bytes | BinaryIO, name: str | None = None) -> Photo:
    """Reads a photo from a path, from the bytes of a file, or from an open binary file.

    The picture is turned upright as the file says. Grey, 16-bit, CMYK and palette pictures become 8-bit RGB,
    transparent ones lie on white, and of an animation the first frame counts, of a HEIC file the one it calls primary.
    `name` is what an error calls the photo; by default the file's own name.

    Raises PhotoError if there is no such file, or it is no image, damaged, too large or too small.
    """
    if name is None:
        path = getattr(source, "name", None) if hasattr(source, "read") else source
        name = Path(path).name or str(path) if isinstance(path, (str, os.PathLike)) else "The photo"
    name = "".join(letter if letter.isprintable() else "?" for letter in name)  # nothing that a terminal would obey
    data = _read(source, name)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size, name)
            image.load()
            exif = _exif(image)
            upright = _to_rgb(image, name)
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError(f"{name} is not an image of a known kind: open it in an image viewer and save it as a JPEG or "
                         "PNG.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(_too_large(name)) from error
    except Exception as error:  # Pillow's decoders meet damaged data with nearly every kind of exception
        raise PhotoError(f"{name} is damaged, cut short or of a rare kind: copy it again, or save it as a JPEG in an "
                         "image viewer.") from error
    orientation = exif.get(ExifTags.Base.Orientation)
    if orientation in UPRIGHT and image.format != "HEIF":
        upright = upright.transpose(UPRIGHT[orientation])
    return Photo(np.array(upright), _focal_35mm(exif, *image.size))


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
                raise PhotoError(_too_large(name))
            data = path.read_bytes()
        except OSError as error:
            raise PhotoError(f"{name} cannot be read ({error.strerror}): check its path and permissions.") from error
    if not data:
        raise PhotoError(f"{name} is empty: copy or download it again.")
    return data


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PhotoError(_too_large(name, f" ({width} x {height} pixels)"))
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"{name} is too small ({width} x {height} pixels): give an image of at least {MIN_SIDE} x "
                         f"{MIN_SIDE} pixels.")


def _too_large(name: str, size: str = "") -> str:
    return (f"{name} is too large{size}: shrink it to at most {MAX_PIXELS // 1_000_000} megapixels and "
            f"{MAX_SIDE} pixels a side.")


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """The image in mode RGB, not yet upright."""
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion would clip at 255
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise PhotoError(f"{name} has 32 bits a pixel: save it with 8 or 16.")
        return Image.fromarray(np.round(grey / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise PhotoError(f"{name} has floating-point pixels: save it with 8 or 16 bits.")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF tags, those of the camera's settings included; none where the block is damaged."""
    try:
        exif = image.getexif()
        exif.update(exif.get_ifd(ExifTags.IFD.Exif))
    except Exception:  # as above; the pixels are sound, and the photo is worth as much as one without EXIF
        return Image.Exif()
    return exif


def _focal_35mm(exif: Image.Exif, width: int, height: int) -> float | None:
    """35-mm equivalent focal length, mm: the tag of that name, else from focal length and sensor size."""
    focal = _number(exif, ExifTags.Base.FocalLengthIn35mmFilm)
    if not focal:  # 0 is EXIF's "unknown"
        unit = MM_PER_RESOLUTION_UNIT.get(_number(exif, ExifTags.Base.FocalPlaneResolutionUnit, 2))
        across = _number(exif, ExifTags.Base.FocalPlaneXResolution)
        down = _number(exif, ExifTags.Base.FocalPlaneYResolution, across)
        if not (unit and across and down):
            return None
        # The resolution is that of the picture as taken, which may have been shrunk since.
        sensor = unit * math.hypot(_number(exif, ExifTags.Base.ExifImageWidth, width) / across,
                                   _number(exif, ExifTags.Base.ExifImageHeight, height) / down)
        if not SENSOR_LIMITS[0] <= sensor <= SENSOR_LIMITS[1]:
            return None
        focal = _number(exif, ExifTags.Base.FocalLength, 0.0) * DIAGONAL_35MM / sensor
    return focal if FOCAL_35MM_LIMITS[0] <= focal <= FOCAL_35MM_LIMITS[1] else None


def _number(exif: Image.Exif, tag: int, default: float | None = None) -> float | None:
    """A tag's value as a number (0/0 is NaN), else the default."""
    try:
        return float(exif[tag])
    except (KeyError, TypeError, ValueError):
        return default
