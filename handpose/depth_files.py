"""Depth and masks of a photo's hands as files, pixel by pixel of the upright photo.

    NAME.depth.png             16 bits, millimetres along the camera's optical axis, 0 where there is no hand
    NAME.depth.npy             the same unrounded: (H, W) float32, metres, 0 where there is no hand
    NAME.hand0_right.mask.png  8 bits, 255 where this hand is seen, 0 elsewhere; one for each hand, numbered from 0 in
                               the order of the result, with its side

Where hands overlap, pixels are the nearer one's: see `drawing.depth.draw_depth`.
"""
from __future__ import annotations

import os
from glob import escape
from pathlib import Path

import numpy as np

from .drawing.depth import draw_depth
from .export import picture_bytes
from .hand import Result
from .whole_file import whole_file

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
    base = Path(folder) / stem
    base.parent.mkdir(parents=True, exist_ok=True)
    contents = depth_contents(result)
    stale = {file.name for file in base.parent.glob(f"{escape(base.name)}.hand*{MASK_ENDING}")}
    for name in stale - {base.name + ending for ending in contents}:
        base.with_name(name).unlink(missing_ok=True)
    for ending, content in contents.items():
        with whole_file(base.with_name(base.name + ending)) as temporary, open(temporary, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                np.save(file, content)
    return [*contents]
