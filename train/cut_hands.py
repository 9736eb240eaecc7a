"""Cuts the hands out of whole photos: photo sets with one hand an image, as `train.pseudo_label` reads them.

    python -m train.cut_hands FULL_PHOTOS_DIR --labels labels.json --out PHOTOS_DIR [--sources NAME ...]

`train.label_hands` says where the hands are. PHOTOS_DIR gets a folder whole_SOURCE for each source: square crops, and
`labels.npz` with roughly where the hand's joints are. Where the landmark model takes something else for the hand, as it
does with gloves, these are what it saw, moved into the box: other labels have to come from `train.second_opinion`.
"""
from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from handpose.detection.landmarks import LandmarkModel, Landmarks, landmarks_in_box
from handpose.detection.region import HandBox, box_iou
from handpose.image import load_photo
from handpose.whole_file import whole_file

from .fetch_photos import QUALITY, crop_hand, flip_error
from .finding.pictures import held_out

PREFIX = "whole_"  # of the sets' names: a photo set of the same source may be there, too
SMALLEST = 40  # px, the longer side of a box: less shows no fingers
SAME_HAND_IOU = 0.3  # of the box and the joints' box, from which on the landmark model is believed
JOINTS_IN_BOX = 0.8  # the joints' box over the hand's: joints end inside the skin


def hand_in_box(rgb: np.ndarray, box: HandBox, model: LandmarkModel) -> Landmarks:
    """What the landmark model sees in a box; moved into its middle, and as large, where that lies elsewhere."""
    hand = landmarks_in_box(rgb, box, model)
    corners = np.array([[box.u0, box.v0], [box.u1, box.v1]])
    if box_iou(hand.box, corners[None])[0] >= SAME_HAND_IOU:
        return hand
    scale = JOINTS_IN_BOX * np.ptp(corners, axis=0).max() / np.ptp(hand.box, axis=0).max()
    points = hand.points * scale
    points[:, :2] += corners.mean(0) - scale * hand.box.mean(0)
    return replace(hand, points=points)


def cut_photo(path: Path, label: dict, kinds: Collection[str], model: LandmarkModel) -> list[tuple[np.ndarray, dict]]:
    """A crop (S, S, 3) uint8 RGB of each hand of a photo, and its row of `labels.npz`."""
    cut = []
    rgb = load_photo(path).rgb
    for hand in label["hands"]:
        u0, v0, u1, v1 = hand["box"]
        if max(u1 - u0, v1 - v0) < SMALLEST or "kind" in hand and kinds and hand["kind"] not in kinds:
            continue
        box = HandBox(u0, v0, u1, v1, hand["side"] if hand["sure_side"] else None)
        found = hand_in_box(rgb, box, model)
        crop, joints = crop_hand(rgb, found)
        cut.append((crop, {"landmarks_px": joints, "handedness": found.side.capitalize(),
                           "flip_err": flip_error(rgb, found, model)}))
    return cut


def cut_hands(photos: Path, labels: Path, out: Path, sources: Collection[str] = (), kinds: Collection[str] = ()) -> int:
    """Writes the photo sets; returns how many hands they hold. Of hands whose makers drew their boxes only those of
    `kinds` are taken, and nothing of what is kept for measuring; both may be empty for all.

    Raises FileNotFoundError or ValueError with a sentence.
    """
    if not labels.is_file():
        raise FileNotFoundError(f"There is no {labels}: make it with train.label_hands.")
    by_source = defaultdict(list)
    for label in json.loads(labels.read_text()):
        source = label["file"].partition("/")[0]
        if (not sources or source in sources) and not held_out(label["file"]):
            by_source[source].append(label)
    absent = sorted(set(sources) - set(by_source))
    if absent:
        raise ValueError(f"{labels} knows no photos of {', '.join(absent)}: name other sources.")
    model, count = LandmarkModel.load(threads=1), 0
    for source, of_source in sorted(by_source.items()):
        folder, rows = out / f"{PREFIX}{source}", []
        folder.mkdir(parents=True, exist_ok=True)
        for label in tqdm(of_source, desc=source, unit="photo"):
            for crop, row in cut_photo(photos / label["file"], label, kinds, model):
                name = f"{len(rows):06d}.jpg"
                cv2.imwrite(str(folder / name), crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                rows.append({"fname": name, "photo": label["file"], **row})
        if rows:
            with whole_file(folder / "labels.npz") as temporary, open(temporary, "wb") as file:
                np.savez(file, **{key: np.array([row[key] for row in rows]) for key in rows[0]})
        count += len(rows)
    if not count:
        raise ValueError(f"No hand in {labels} is large enough, or of the kinds that were named: name others.")
    return count


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.cut_hands", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of sources, as train.label_hands reads it")
    parser.add_argument("--labels", type=Path, required=True, help="the file of train.label_hands")
    parser.add_argument("--out", type=Path, required=True, help="folder for the photo sets")
    parser.add_argument("--sources", nargs="*", default=[], help="only these (default: all)")
    parser.add_argument("--kinds", nargs="*", default=[], help="of drawn boxes, only those of these classes")
    args = parser.parse_args(argv)
    try:
        count = cut_hands(args.photos, args.labels, args.out, args.sources, args.kinds)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{count} hands in {args.out}")


if __name__ == "__main__":
    main()
