"""How large each file is and how long it takes to make: `python -m benchmarks.outputs [--runs 20]`

Of an example photo of two hands, once its hands are known, and of a clip of ten seconds (300 frames of 640x480) where
two hands of our own generator wave, once they are followed. Times are of processors, all threads together, so that what
else the machine does counts little; medians of rounds in which formats take turns. A format is a line in
`photo_formats` or `clip_formats`.
"""
from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import WARM_UP
from handpose import HandEstimator, load_photo
from handpose.clips.arrays import ClipArrays
from handpose.clips.turntable import turntable_bytes
from handpose.depth_files import depth_contents
from handpose.drawing.overlay import draw_overlay
from handpose.drawing.renderer import warm_up
from handpose.export import json_bytes, mesh_bytes, npz_bytes, picture_bytes, zip_bytes
from handpose.rig.files import bvh_contents
from handpose.rig.motion import motions_of_clip, motions_of_photo
from handpose.rig.rigged_glb import rigged_glb
from train.make_clip import clip_camera
from train.synthesis.motions import stage

try:
    from handpose.rig.usdz import usdz_bytes
except ImportError:  # an extra
    usdz_bytes = None

PHOTO = Path(__file__).parent.parent / "assets" / "examples" / "two_hands.jpg"
WIDTH, HEIGHT, FPS, SECONDS = 640, 480, 30, 10

Formats = dict[str, Callable[[], bytes]]


def photo_formats(estimator: HandEstimator) -> Formats:
    """By the endings of the files, what makes them; several files as a zip."""
    photo = load_photo(PHOTO)
    result = estimator(photo)
    hands, models = result.hands, estimator.hand_models
    return {".json": lambda: json_bytes(PHOTO.name, result),
            ".npz": lambda: npz_bytes(result.camera, hands),
            ".glb": lambda: mesh_bytes(hands, "glb"),
            ".obj": lambda: mesh_bytes(hands, "obj"),
            ".ply": lambda: mesh_bytes(hands, "ply"),
            ".rig.glb": lambda: rigged_glb(motions_of_photo(hands, models)),
            **({".usdz": lambda: usdz_bytes(motions_of_photo(hands, models))} if usdz_bytes else {}),
            ".overlay.jpg": lambda: picture_bytes(draw_overlay(photo.rgb, result.camera, hands), "JPEG"),
            ".turntable.mp4": lambda: turntable_bytes(result, "mp4"),
            ".depth.png, .depth.npy, .mask.png, zipped": lambda: zip_bytes(depth_contents(result))}


def clip_formats(estimator: HandEstimator, folder: Path) -> Formats:
    """The same of a clip."""
    camera, times_s = clip_camera(WIDTH, HEIGHT), np.arange(SECONDS * FPS) / FPS
    collected = ClipArrays(camera, WIDTH, HEIGHT)
    for time_s, hands in zip(times_s, stage("wave", 2, times_s, camera, seed=3), strict=True):
        collected.add(time_s, hands)
    arrays, models = collected.arrays(), estimator.hand_models

    def npz() -> bytes:
        collected.save(folder / "clip.npz")
        return (folder / "clip.npz").read_bytes()

    return {".npz": npz,
            ".rig.glb": lambda: rigged_glb(motions_of_clip(arrays, models)),
            **({".usdz": lambda: usdz_bytes(motions_of_clip(arrays, models))} if usdz_bytes else {}),
            ".bvh of both hands": lambda: b"".join(bvh_contents(motions_of_clip(arrays, models)).values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    args = parser.parse_args()
    estimator = HandEstimator.load()
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        tables = {f"{PHOTO.name}, two hands": photo_formats(estimator),
                  f"a clip of {SECONDS} s, two hands": clip_formats(estimator, Path(folder))}
        sizes, times = {}, {}
        for _ in range(args.runs + WARM_UP):
            for about, formats in tables.items():
                for ending, make in formats.items():
                    start = time.process_time()
                    sizes[about, ending] = len(make())
                    times.setdefault((about, ending), []).append(1000 * (time.process_time() - start))
    print(f"{os.cpu_count()} cores, medians of {args.runs} runs")
    for about, formats in tables.items():
        print(f"\n| {about} | kB | ms |\n|---|---|---|")
        for ending in formats:
            middle = np.median(times[about, ending][WARM_UP:])
            print(f"| `{ending}` | {sizes[about, ending] / 1000:.0f} | {middle:.0f} |")


if __name__ == "__main__":
    main()
