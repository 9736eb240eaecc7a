"""Renders the pictures that ship with the page and the tests: hands of our own generator before painted backgrounds.

    python -m train.make_examples work/examples --poses work/fits.npz [--keep 3 9 ... --into assets/examples]

Without --keep it makes --count candidates and a sheet to choose from; with it, copies the chosen ones.
"""
from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import cv2
import numpy as np

from .synthesize import Job, synthesize


def paint_background(rng: np.random.Generator, width: int = 960, height: int = 720) -> np.ndarray:
    """An out-of-focus room, (height, width, 3) uint8: two tones that fade into each other and discs of light."""
    tones = np.uint8([[(rng.integers(180), rng.integers(20, 110), rng.integers(60, 210)) for _ in range(4)]])
    tones = cv2.cvtColor(tones, cv2.COLOR_HSV2BGR).reshape(2, 2, 3)
    picture = cv2.resize(tones, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    for _ in range(rng.integers(6, 16)):
        disc = np.zeros((height, width), np.float32)
        center = tuple(int(x) for x in rng.integers(0, (width, height)))
        cv2.circle(disc, center, int(rng.uniform(0.02, 0.16) * width), float(rng.uniform(0.1, 0.5)), -1)
        disc = cv2.GaussianBlur(disc, (0, 0), float(rng.uniform(2, 12)))[..., None]
        picture = picture * (1 - disc) + disc * rng.uniform(60, 255, 3).astype(np.float32)
    return np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--poses", required=True)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=int, nargs="*", default=[])
    parser.add_argument("--into", type=Path)
    args = parser.parse_args()
    backgrounds = args.out / "backgrounds"
    backgrounds.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(args.seed)
    for number in range(24):
        cv2.imwrite(str(backgrounds / f"{number:02d}.jpg"), paint_background(rng))
    renders = args.out / "renders"
    synthesize(Job(str(renders), args.poses, (str(backgrounds),), args.count, args.size, args.seed, shard=8))
    pictures = sorted((renders / "training" / "rgb").glob("*.jpg"))
    tiles = []
    for number, path in enumerate(pictures):
        tile = cv2.resize(cv2.imread(str(path)), (192, 192), interpolation=cv2.INTER_AREA)
        tiles.append(cv2.putText(tile, str(number), (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1))
    rows = [np.hstack(tiles[start:start + 8]) for start in range(0, len(tiles) - len(tiles) % 8, 8)]
    cv2.imwrite(str(args.out / "sheet.png"), np.vstack(rows))
    for number in args.keep:
        args.into.mkdir(parents=True, exist_ok=True)
        shutil.copy(pictures[number], args.into / f"hand{number:02d}.jpg")


if __name__ == "__main__":
    main()
