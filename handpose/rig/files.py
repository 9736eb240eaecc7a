"""Hands with a skeleton as files.

    NAME.rig.glb            all hands, of a clip with their motion: see `rigged_glb`
    NAME.track1_right.bvh   of a clip, the motion of each hand, by the number of its track and its side: see `bvh`
    NAME.usdz               all hands for programs that read USD: see `usdz`
"""
from __future__ import annotations

import os
from collections.abc import Sequence

from ..export import write_contents
from .bvh import bvh_text
from .motion import HandMotion
from .rigged_glb import rigged_glb

GLB_ENDING, BVH_ENDING, USDZ_ENDING = ".rig.glb", ".bvh", ".usdz"


def bvh_contents(motions: Sequence[HandMotion]) -> dict[str, bytes]:
    """By its ending, the content of each hand's `.bvh`."""
    return {f".{motion.name}{BVH_ENDING}": bvh_text(motion).encode() for motion in motions}


def write_rigs(folder: str | os.PathLike, stem: str, motions: Sequence[HandMotion]) -> list[str]:
    """Writes the hands of a photo or a clip as GLB and BVH, `folder/stem.*`, making folders as needed.

    What an earlier run left of hands which are not there now is removed. Returns the files' endings. Raises OSError.
    """
    contents = {GLB_ENDING: rigged_glb(motions)} if motions else {}
    contents |= bvh_contents([motion for motion in motions if len(motion.times_s) > 1])
    return write_contents(folder, stem, contents, GLB_ENDING, f".track*{BVH_ENDING}")


def write_usdz(folder: str | os.PathLike, stem: str, motions: Sequence[HandMotion]) -> list[str]:
    """The same as USDZ. Raises ImportError without USD's library."""
    from .usdz import usdz_bytes
    return write_contents(folder, stem, {USDZ_ENDING: usdz_bytes(motions)} if motions else {}, USDZ_ENDING)
