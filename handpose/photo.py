"""What counts as a photo: one that `load_photo` read, a file, or pixels that a program holds."""
from __future__ import annotations

import io
import os
from typing import Any

import numpy as np
from PIL import Image

from .image import MAX_PIXELS, MAX_SIDE, MIN_SIDE, Photo, PhotoError, load_photo

REMEDY = "give load_photo's result, or an array (H, W, 3) of RGB, uint8"
PNG_MODES = {"1", "L", "LA", "P", "I;16", "RGB", "RGBA"}  # of Pillow's images, those that a PNG holds as they are


def as_photo(photo: Any) -> Photo:
    """The photo that somebody means by a `Photo`, a file's path, a Pillow image or an array, the picture upright.

    Arrays are RGB (H, W, 3), RGBA (H, W, 4), which lies on white, or grey (H, W), each uint8, uint16 or floats 0..1.
    A Pillow image that was opened from a file counts as that file: turned upright, and with EXIF's lens.
    Raises PhotoError for all else.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, (str, os.PathLike)):
        return load_photo(photo)
    if isinstance(photo, Image.Image):
        return _of_pillow(photo)
    if not isinstance(photo, np.ndarray):
        raise PhotoError(f"A {type(photo).__name__} is no photo: {REMEDY}.")
    rgb = _as_rgb(_as_bytes(_checked_shape(photo)))
    return Photo(np.ascontiguousarray(rgb))


def _of_pillow(image: Image.Image) -> Photo:
    """The photo as a file of this picture would be read."""
    _check_size(*image.size)
    file = io.BytesIO()
    try:
        image.load()
        exif = _exif(image)
        if image.mode in ("I", "F"):  # which a PNG does not hold
            image.save(file, "TIFF", exif=exif)
        else:
            if image.mode not in PNG_MODES:
                image = image.convert("RGBA" if image.mode in ("PA", "RGBa") else "RGB")
            image.save(file, "PNG", exif=exif, compress_level=0)
    except Exception as error:  # Pillow's decoders meet damaged data with nearly every kind of exception
        raise PhotoError("The Pillow image is closed, damaged or of a rare kind: open a whole file anew, or give an "
                         "array (H, W, 3) of RGB, uint8.") from error
    return load_photo(file.getvalue())


def _exif(image: Image.Image) -> bytes:
    """The EXIF block; none where it is damaged, for the pixels are sound all the same."""
    try:
        return image.getexif().tobytes()
    except Exception:  # as above
        return b""


def _check_size(width: int, height: int) -> None:
    if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE or width * height > MAX_PIXELS:
        raise PhotoError(f"A photo of {width} x {height} pixels is not read: give one of {MIN_SIDE} to {MAX_SIDE} "
                         f"pixels a side and at most {MAX_PIXELS // 1_000_000} megapixels.")


def _checked_shape(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (3, 4):
        raise PhotoError(f"An array of shape {array.shape} has its channels first: transpose it to (H, W, 3).")
    if not (array.ndim == 2 or array.ndim == 3 and array.shape[2] in (3, 4)):
        raise PhotoError(f"An array of shape {array.shape} is no photo: {REMEDY}.")
    _check_size(array.shape[1], array.shape[0])
    return array


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """The array in uint8."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.newbyteorder("=") == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not 0 <= low <= high <= 1:  # nor NaN
            raise PhotoError(f"Floats from {low:g} to {high:g} are no photo: scale them to 0..1, or make them uint8.")
        return (array * np.asarray(255, array.dtype) + np.asarray(0.5, array.dtype)).astype(np.uint8)
    raise PhotoError(f"An array of {array.dtype} is no photo: {REMEDY}.")


def _as_rgb(array: np.ndarray) -> np.ndarray:
    """(H, W, 3) of a uint8 array with one, three or four channels."""
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, 2)
    if array.shape[2] == 4:
        image = Image.fromarray(array, "RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))
    return array
