"""Depth and masks of a photo's hands as files, pixel by pixel of the upright photo.

    NAME.depth.png             16 bits, millimetres along the camera's optical axis, 0 where there is no hand
    NAME.depth.npy             the same unrounded: (H, W) float32, metres, 0 where there is no hand
    NAME.hand0_right.mask.png  8 bits, 255 where this hand is seen, 0 elsewhere; one for each hand, numbered from 0 in
                               the order of the result, with its side

Where hands overlap, pixels are the nearer one's: see `drawing.depth.draw_depth`.
"""
from __future__ import annotations

import os

import numpy as np

from .drawing.depth import draw_depth
from .export import picture_bytes, write_contents
from .hand import Result

MASK_ENDING = ".mask.png"


def depth_contents(result: Result) -> dict[str, bytes | np.ndarray]:
    """By the ending of each depth file, its content; of an `.npy`, which has 4 bytes a pixel, the array."""
    image = draw_depth(result.hands, result.camera, result.width, result.height)
    masks = {f".hand{number}_{hand.side}{MASK_ENDING}": picture_bytes(image.mask(number), "PNG")
             for number, hand in enumerate(result.hands)}
    return {".depth.png": picture_bytes(image.millimetres, "PNG"), ".depth.npy": image.depth, **masks}


def write_depth(folder: str | os.PathLike, stem: str, result: Result) -> list[str]:
    """Writes a photo's depth and masks as `folder/stem.*`, making folders as needed; returns their endings.

    Masks that an earlier run left of hands which are not there now are removed. Raises OSError.
    """
    return write_contents(folder, stem, depth_contents(result), f".hand*{MASK_ENDING}")
