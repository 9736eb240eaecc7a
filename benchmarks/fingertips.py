"""How far the mesh ends from fingertips that were labelled by eye: `python -m benchmarks.fingertips PHOTOS`

PHOTOS is a folder of photo sets as training takes it (train/README.md). `fingertips.csv` has 24 clear, bare hands of
some 20 people in nine sets: the crop and the photo that it is from, the side, the box around MediaPipe's points, and
where each finger that is seen ends: the outermost skin along it, without a nail that stands out, in pixels of the crop,
to about one pixel. Who labelled saw the photos alone, enlarged.

Printed, in per cent of the box of the hand's joints: how far, seen from a finger's outer joint, the label lies beyond
what the mesh's last phalanx reaches in that direction, or before it (negative). Of the sets that training holds out,
and of the others, whose photos were trained on.
"""
from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from handpose import HandEstimator, load_photo
from handpose.camera import Camera
from handpose.detection.region import HandBox
from handpose.hand import Hand
from handpose.hand_model.model import DISTAL_MANO_JOINTS, HandModel
from handpose.hand_model.skeleton import FINGERS, TIP_JOINTS

LABELS = Path(__file__).with_suffix(".csv")
HELD_OUT = ("barehand", "layarps", "mandalor", "slang1")  # by train/recipes/handpose.yaml
CLEARLY = 2.0  # per cent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--hand", type=Path, metavar="NPZ", help="another hand of the same joints, to compare")
    args = parser.parse_args()
    estimator = HandEstimator.load()
    if args.hand:
        model = HandModel.load(args.hand)
        estimator.hand_models = {"right": model, "left": model.left()}
    with open(LABELS, newline="") as file:
        rows = list(csv.DictReader(file))
    gaps = np.array([gaps_of(estimator, args.photos, row) for row in rows])
    held_out = np.array([row["set"] in HELD_OUT for row in rows])
    report("held-out sets", gaps[held_out])
    report("other sets", gaps[~held_out])


def gaps_of(estimator: HandEstimator, photos: Path, row: dict[str, str]) -> np.ndarray:
    """Per cent of the box (5,) from the mesh's end to the label, of a row of the labels; NaN where there is none."""
    box = HandBox(*(float(row[side]) for side in ("left", "top", "right", "bottom")), row["side"])
    result = estimator(load_photo(photos / row["set"] / row["photo"]), boxes=[box])
    tips = np.array([[float(row[f"{finger}_{axis}"] or "nan") for axis in "uv"] for finger in FINGERS])
    return gaps_between(result.hands[0], estimator.hand_models[row["side"]], result.camera, tips)


def gaps_between(hand: Hand, model: HandModel, camera: Camera, tips: np.ndarray) -> np.ndarray:
    """The same of a hand and the pixels (5, 2) where its fingers end."""
    pixels, gaps = camera.project(hand.vertices), []
    for tip, joint, bone in zip(tips, TIP_JOINTS, DISTAL_MANO_JOINTS, strict=True):
        start = hand.joints_2d[joint - 1]
        length = np.linalg.norm(tip - start)
        reached = ((pixels[model.weights[:, bone] > 0.5] - start) @ (tip - start) / length).max()
        gaps.append(100 * (length - reached) / np.ptp(hand.joints_2d, axis=0).max())
    return np.array(gaps)


def report(name: str, gaps: np.ndarray) -> None:
    by_finger = ", ".join(f"{finger} {value:.1f}" for finger, value in zip(FINGERS, np.nanmean(gaps, 0), strict=True))
    known = gaps[np.isfinite(gaps)]
    print(f"{name}: {len(gaps)} hands, {len(known)} fingertips, the mesh ends {known.mean():.2f} % of the box short "
          f"({by_finger}), {abs(known).mean():.2f} % off; {(known > CLEARLY).mean():.0%} by more than {CLEARLY:g} %")


if __name__ == "__main__":
    main()
