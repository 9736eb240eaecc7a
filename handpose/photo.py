"""What counts as a photo: one that `load_photo` read, a file, or pixels that a program holds."""
from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from .image import MAX_PIXELS, MAX_SIDE, Photo, PhotoError, load_photo

REMEDY = "give load_photo's result, or an array (H, W, 3) of RGB, uint8"


def as_photo(photo: Any) -> Photo:
    """The photo that somebody means by a `Photo`, a file's path, a Pillow image or an array, the picture upright.

    Arrays are RGB (H, W, 3), RGBA (H, W, 4), which lies on white, or grey (H, W), each uint8, uint16 or floats 0..1.
    Raises PhotoError for all else.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, (str, os.PathLike)):
        return load_photo(photo)
    if isinstance(photo, Image.Image):
        photo = np.asarray(photo if photo.mode in ("RGB", "RGBA", "L") else photo.convert("RGBA"))
    if not isinstance(photo, np.ndarray):
        raise PhotoError(f"A {type(photo).__name__} is no photo: {REMEDY}.")
    rgb = _as_rgb(_as_bytes(_checked_shape(photo)))
    return Photo(np.ascontiguousarray(rgb))


def _checked_shape(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (3, 4):
        raise PhotoError(f"An array of shape {array.shape} has its channels first: transpose it to (H, W, 3).")
    if not (array.ndim == 2 or array.ndim == 3 and array.shape[2] in (3, 4)):
        raise PhotoError(f"An array of shape {array.shape} is no photo: {REMEDY}.")
    height, width = array.shape[:2]
    if not (height and width) or height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise PhotoError(f"A photo of {width} x {height} pixels is not read: give one of at most "
                         f"{MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} pixels a side.")
    return array


def _as_bytes(array: np.ndarray) -> np.ndarray:
    """The array in uint8."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array // 257).astype(np.uint8)
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
