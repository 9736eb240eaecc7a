"""Labels for whole photos that have none: where each hand is, which way it points and which one it is.

    python -m train.label_hands FULL_PHOTOS_DIR --out labels.json

FULL_PHOTOS_DIR holds one folder of photos for each source, with an `index.jsonl` whose lines name a photo's `file` and,
where its makers drew any, its `boxes` [class, u0, v0, u1, v1]. Where there are boxes, they say where the hands are.
Elsewhere an exhaustive search does: the palm detector over many views of the photo, at a low score, and the landmark
model over each palm, several times. A thing on which these passes do not agree is neither hand nor background: it is
written down as doubtful, and training leaves it out.
"""
from __future__ import annotations

import argparse
import json
import multiprocessing
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose.detection.landmarks import LandmarkModel, Landmarks, landmarks_in_box
from handpose.detection.palm_detector import PalmDetector, tile_starts
from handpose.detection.region import HandBox, HandRegion, box_iou, distinct
from handpose.image import load_photo
from handpose.whole_file import whole_file

from .finding.pictures import box_of

MIN_PALM = 0.25  # score of a palm that is looked at
PADDINGS = (1.0, 1.5)  # frames around the photo
TILE_SHARES = (0.6, 0.35)  # tiles' sides over the photo's longer side
VIEWS = ((0.0, 1.0, False), (12.0, 1.1, True))  # turn in degrees, scale, mirrored: passes after the first
HAND_PRESENCE, NO_PRESENCE = 0.85, 0.2  # of all passes the least: from here on there is a hand; below, nothing
SAME_HAND_IOU = 0.4  # of the joints' boxes


def search(rgb: np.ndarray, detector: PalmDetector) -> list[HandRegion]:
    """Everything in an image (H, W, 3) uint8 that may be a hand, surest first."""
    height, width = rgb.shape[:2]
    regions = [region for padding in PADDINGS for region in detector.detect(rgb, padding)]
    for share in TILE_SHARES:
        tile = round(share * max(width, height))
        for top in tile_starts(height, tile):
            for left in tile_starts(width, tile):
                for region in detector.detect(rgb[top:top + tile, left:left + tile]):
                    regions.append(HandRegion(region.center + [left, top], region.side, region.angle, region.score))
    return distinct(regions)


def passes(rgb: np.ndarray, region: HandRegion, model: LandmarkModel) -> tuple[Landmarks, float]:
    """Landmarks of what is in a region, framed anew by the first pass, and the least presence of all passes."""
    first = model(rgb, region)
    if first.presence < NO_PRESENCE:
        return first, first.presence
    frame = first.region
    answers = [model(rgb, HandRegion(frame.center, frame.side * scale, frame.angle + np.radians(turn)), mirrored)
               for turn, scale, mirrored in VIEWS]
    right = np.mean([answer.right for answer in answers])
    best = answers[0]
    return (Landmarks(best.points, best.world, best.presence, float(right)),
            min(first.presence, *(answer.presence for answer in answers)))


def hand_label(landmarks: Landmarks, presence: float) -> dict:
    """A hand as JSON-ready values: box and centre in pixels, angle as in HandRegion, in radians."""
    return {"box": box_of(landmarks.points[:, :2]).round(1).tolist(),
            "side": landmarks.side, "sure_side": bool(abs(landmarks.right - 0.5) > 0.35),
            "angle": round(float(landmarks.region.angle), 3), "presence": round(float(presence), 3)}


def label_searched(rgb: np.ndarray) -> dict:
    """The hands of a photo that nobody drew boxes on, and what is doubtful."""
    answers = [passes(rgb, region, _landmark_model()) for region in search(rgb, _palm_detector())]
    kept: list[tuple[Landmarks, float]] = []
    for landmarks, presence in sorted(answers, key=lambda answer: -answer[1]):
        others = np.array([other.box for other, _ in kept]).reshape(-1, 2, 2)
        if presence >= NO_PRESENCE and (box_iou(landmarks.box, others) < SAME_HAND_IOU).all():
            kept.append((landmarks, presence))
    labels = [hand_label(*answer) for answer in kept]
    return {"hands": [label for label in labels if label["presence"] >= HAND_PRESENCE],
            "doubtful": [label["box"] for label in labels if label["presence"] < HAND_PRESENCE]}


def label_drawn(rgb: np.ndarray, boxes: list[list]) -> dict:
    """The hands of a photo with drawn boxes; direction and side where the landmark model is sure of them."""
    hands = []
    for name, *corners in boxes:
        landmarks = landmarks_in_box(rgb, HandBox(*map(float, corners)), _landmark_model())
        hand = {"box": corners, "side": None, "sure_side": False, "angle": None, "presence": None, "kind": name}
        inside = box_iou(landmarks.box, np.array(corners, float).reshape(1, 2, 2))[0] > 0.3
        if landmarks.presence >= 0.5 and inside:
            hand |= {name: value for name, value in hand_label(landmarks, landmarks.presence).items() if name != "box"}
        hands.append(hand)
    return {"hands": hands, "doubtful": []}


def label_photo(task: tuple[Path, list | None]) -> dict:
    """The labels of one photo."""
    path, boxes = task
    rgb = load_photo(path).rgb
    label = label_searched(rgb) if boxes is None else label_drawn(rgb, boxes)
    return {"file": f"{path.parent.name}/{path.name}", "size": [rgb.shape[1], rgb.shape[0]], **label}


def photos_of(folder: Path) -> list[tuple[Path, list | None]]:
    """Every photo of every source in a folder, and the boxes that its makers drew."""
    photos = []
    for index in sorted(folder.glob("*/index.jsonl")):
        for line in index.read_text().splitlines():
            entry = json.loads(line)
            photos.append((index.parent / entry["file"], entry.get("boxes")))
    return photos


@cache
def _landmark_model() -> LandmarkModel:  # one for each process
    return LandmarkModel.load(threads=1)


@cache
def _palm_detector() -> PalmDetector:
    return PalmDetector.load(threads=1, min_score=MIN_PALM)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.label_hands", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of sources, each with an index.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    photos = photos_of(arguments.photos)
    if not photos:
        parser.error(f"{arguments.photos} holds no source: give a folder whose sub-folders hold an index.jsonl")
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        labels = list(tqdm(pool.imap(label_photo, photos, chunksize=8), total=len(photos), unit="photo"))
    with whole_file(arguments.out) as temporary:
        temporary.write_text(json.dumps(labels))
    print(f"{sum(len(label['hands']) for label in labels)} hands in {len(labels)} photos")


if __name__ == "__main__":
    main()
