"""Renders whole pictures with hands of any size, for the finder, with their joints.

    python -m train.make_scenes OUT --backgrounds DIR [DIR ...] --count 4000

Picture k depends on the seed and k alone; those that are there are not made again. OUT/labels.json lists each picture
with its hands: joints in pixels and side.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from handpose.hand_model.model import HandModel
from handpose.hand_model.model_file import OPEN_HAND
from handpose.whole_file import whole_file

from .finding.scenes import SceneMaker


@cache
def _maker(backgrounds: tuple[str, ...]) -> SceneMaker:
    cv2.setNumThreads(1)
    return SceneMaker(HandModel.load(OPEN_HAND), backgrounds)


def make_scene(out: Path, backgrounds: tuple[str, ...], size: int, seed: int, index: int) -> dict:
    """Makes one picture and its label, if they are not there."""
    picture, note = out / f"{index:06d}.jpg", out / f"{index:06d}.json"
    if not note.is_file():
        rng = np.random.default_rng([seed, index])
        scene = _maker(backgrounds)(rng, size)
        with whole_file(picture) as temporary:
            temporary.write_bytes(cv2.imencode(".jpg", scene.rgb[..., ::-1],
                                               [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))])[1].tobytes())
        hands = [{"joints": joints.round(2).tolist(), "side": "right" if right else "left"}
                 for joints, right in zip(scene.joints_2d, scene.right, strict=True)]
        with whole_file(note) as temporary:
            temporary.write_text(json.dumps({"file": picture.name, "size": [size, size], "hands": hands}))
    return json.loads(note.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.make_scenes", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--backgrounds", nargs="+", required=True, help="folders of photos without hands")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--size", type=int, default=320, help="pixels a side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    make = partial(make_scene, args.out, tuple(args.backgrounds), args.size, args.seed)
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        labels = list(tqdm(pool.imap(make, range(args.count), chunksize=4), total=args.count, unit="picture"))
    with whole_file(args.out / "labels.json") as temporary:
        temporary.write_text(json.dumps(labels))
    print(f"{sum(len(label['hands']) for label in labels)} hands in {len(labels)} pictures")


if __name__ == "__main__":
    main()
