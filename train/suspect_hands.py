"""Adds to the labels of whole photos what else may be a hand there, for the next detector not to learn that it is none.

    python -m train.suspect_hands FULL_PHOTOS_DIR labels.json --out suspected.json

The search of `train.label_hands` misses hands. What a detector finds beside the labelled ones, and what landmark model
or network do not deny, is suspected: neither hand nor background. What both deny stays background.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
from functools import cache, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose.detection.hand_detector import HandDetector, hand_box
from handpose.detection.landmarks import confirmed_landmarks
from handpose.detection.region import HandRegion, box_iou, merged
from handpose.estimator import HandEstimator
from handpose.image import load_photo
from handpose.whole_file import whole_file

# Of 1,052 regions that were looked at, a presence above .5 or a sureness above .1 held nearly all that were hands.
PRESENCE, SURENESS = 0.3, 0.06  # from here on a model does not deny a hand
LABELLED_IOU = 0.2  # of boxes, from which on a region is of a labelled hand


def is_labelled(region: HandRegion, boxes: np.ndarray) -> bool:
    """Whether a region is of a hand with one of these boxes (N, 2, 2)."""
    inside = ((region.center > boxes[:, 0]) & (region.center < boxes[:, 1])).all(1)
    return bool(inside.any() or (box_iou(np.reshape(hand_box(region), (2, 2)), boxes) >= LABELLED_IOU).any())


def suspected(rgb: np.ndarray, boxes: np.ndarray, estimator: HandEstimator) -> list[list[float]]:
    """The boxes of what may be hands in an image (H, W, 3) uint8 beside those of labelled ones (N, 2, 2)."""
    regions = [region for region in merged(estimator.detector(rgb, thorough=True)) if not is_labelled(region, boxes)]
    sure = estimator.predictor.surenesses(rgb, regions)
    return [[round(corner, 1) for corner in hand_box(region)] for region, sureness in zip(regions, sure, strict=True)
            if sureness >= SURENESS
            or confirmed_landmarks(rgb, region, estimator.landmark_model).presence >= PRESENCE]


def look(label: dict, photos: Path, detector: Path | None) -> dict:
    """The label of one photo, with what is suspected."""
    boxes = np.array([hand["box"] for hand in label["hands"]]).reshape(-1, 2, 2)
    found = suspected(load_photo(photos / label["file"]).rgb, boxes, _estimator(detector))
    return label | {"suspected": found}


@cache
def _estimator(detector: Path | None) -> HandEstimator:  # one for each process
    estimator = HandEstimator.load(threads=1)
    if detector:
        estimator.detector = HandDetector.load(detector, threads=1)
    return estimator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.suspect_hands", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of sources, as train.label_hands reads it")
    parser.add_argument("labels", type=Path, help="the file of train.label_hands")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--detector", type=Path, help="folder of another detector than the one that ships")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    labels = json.loads(args.labels.read_text())
    with multiprocessing.get_context("spawn").Pool(args.processes) as pool:
        labels = list(tqdm(pool.imap(partial(look, photos=args.photos, detector=args.detector), labels, chunksize=8),
                           total=len(labels), unit="photo"))
    with whole_file(args.out) as temporary:
        temporary.write_text(json.dumps(labels))
    print(f"{sum(len(label['suspected']) for label in labels)} suspected hands in {len(labels)} photos")


if __name__ == "__main__":
    main()
