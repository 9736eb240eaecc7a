"""What Pillow makes of an image file: RGB pixels, band by band, and the tags that tell its orientation and lens.

This runs in the decoding process, which imports nothing else, to start fast.
"""
from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import AvifImagePlugin as avif
from PIL import BmpImagePlugin as bmp
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL import GifImagePlugin as gif
from PIL import JpegImagePlugin as jpeg
from PIL import PngImagePlugin as png
from PIL import TiffImagePlugin as tiff
from PIL import WebPImagePlugin as webp

from .limits import MAX_PIXELS, MAX_SIDE, MIN_SIDE, TOO_COSTLY, TOO_LARGE, Refused

THREADS = 2  # of a decoder, each of which needs memory of its own
avif.DEFAULT_MAX_THREADS = THREADS
PLUGINS = jpeg, png, webp, avif, gif, bmp, tiff  # of which each registers its format

try:
    import pillow_heif
except ImportError:  # whoever may not have the GPL encoder in its wheels leaves it out: HEIC is then an unknown kind
    pass
else:  # Only the picture itself: no thumbnails, depth or gain maps.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=THREADS)

# Formats that are read: what phones, cameras, scanners and programs give. Others that Pillow knows are no photos; some
# start other programs (EPS runs Ghostscript), some are slow by nature (JPEG 2000, PPM as text).
# AVIF is tried before HEIF, whose reader also opens AVIF files of the common brand "mif1" but then cannot decode them.
FORMATS = [name for name in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "BMP", "TIFF") if name in Image.OPEN]

BAND_PIXELS = 1 << 20  # turned into RGB at once
TAGS = (ExifTags.Base.Orientation, ExifTags.Base.FocalLengthIn35mmFilm, ExifTags.Base.FocalLength,
        ExifTags.Base.FocalPlaneXResolution, ExifTags.Base.FocalPlaneYResolution,
        ExifTags.Base.FocalPlaneResolutionUnit, ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)


@dataclass(frozen=True)
class Picture:
    """An opened and decoded file, as it is stored: not yet upright."""
    image: Image.Image
    tags: dict[int, float]  # those of TAGS that the file has

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.image.size

    def bands(self) -> Iterator[bytes]:
        """The pixels, RGB and a byte each, from the top row on."""
        width, height = self.size
        step = max(1, BAND_PIXELS // width)
        for top in range(0, height, step):
            yield _to_rgb(self.image.crop((0, top, width, min(top + step, height)))).tobytes()


def decode(data: bytes, opened: Callable[[int, int], None] = lambda width, height: None) -> Picture:
    """The picture in an image file's bytes. `opened` hears of its width and height before the pixels are decoded.

    Raises Refused, and nothing else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's opinion of damaged tags
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(*image.size)
            opened(*image.size)
            image.load()
            _check_mode(image)
            return Picture(image, _tags(image))
    except Refused:
        raise
    except UnidentifiedImageError as error:
        raise Refused("is not an image of a known kind: open it in an image viewer and save it as a JPEG or "
                      "PNG.") from error
    except Image.DecompressionBombError as error:
        raise Refused(f"is too large: {TOO_LARGE}") from error
    except MemoryError as error:
        raise Refused(TOO_COSTLY) from error
    except Exception as error:  # Pillow's decoders meet damaged data with nearly every kind of exception
        raise Refused("is damaged, cut short, too large or of a rare kind: copy it again, or save it as a JPEG in an "
                      "image viewer.") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refused(f"is too large ({width} x {height} pixels): {TOO_LARGE}")
    if min(width, height) < MIN_SIDE:
        raise Refused(f"is too small ({width} x {height} pixels): give an image of at least {MIN_SIDE} x {MIN_SIDE} "
                      "pixels.")


def _check_mode(image: Image.Image) -> None:
    if image.mode == "P" and image.palette is None:
        raise ValueError("no palette")
    if image.mode == "F":
        raise Refused("has floating-point pixels: save it with 8 or 16 bits.")
    if image.mode == "I" and not (0 <= image.getextrema()[0] and image.getextrema()[1] <= 65535):
        raise Refused("has 32 bits a pixel: save it with 8 or 16.")


def _to_rgb(image: Image.Image) -> Image.Image:
    """The image in mode RGB; what is transparent lies on white."""
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion would clip at 255
        import numpy as np  # seldom needed, and slow to import
        return Image.fromarray(np.round(np.asarray(image) / 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _tags(image: Image.Image) -> dict[int, float]:
    """The EXIF tags of TAGS that are numbers (0/0 is NaN); none where the block is damaged."""
    try:
        exif = image.getexif()
        exif.update(exif.get_ifd(ExifTags.IFD.Exif))
        found = {tag: exif[tag] for tag in TAGS if tag in exif}
    except Exception:  # as above; the pixels are sound, and the photo is worth as much as one without EXIF
        return {}
    if image.format == "HEIF":  # whose reader turns the picture itself: the file's structure says how, not EXIF
        found.pop(ExifTags.Base.Orientation, None)
    numbers = {}
    for tag, value in found.items():
        try:
            numbers[int(tag)] = float(value)
        except (TypeError, ValueError):
            continue
    return numbers
