"""Prints how many of the hands in labelled photos are found, by kind of hand, in colour and in grey.

    python -m train.evaluate_detector PHOTOS/labels.json
    python -m train.evaluate_detector PHOTOS/labels.json --sheet found.jpg
    python -m train.evaluate_detector --without-hands DIR      # counts what is found where there is nothing
    python -m train.evaluate_detector --drawn FULL_PHOTOS      # the gloved and bare hands that training left out
    python -m train.evaluate_detector PHOTOS/labels.json --detector runs/detector --regions    # the detector alone

docs/evaluation.md says how the photos are labelled. None of this is for training.
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from handpose.detection.hand_detector import HandDetector, hand_box
from handpose.estimator import HandEstimator
from handpose.image import IMAGE_SUFFIXES, Photo, PhotoError, load_photo
from handpose.whole_file import whole_file

from .finding.pictures import held_out
from .label_hands import photos_of
from .scoring.found import Found, same_hand

PANEL, ACROSS = 300, 6  # px, panels
ALLOWED = (5, 20, 80, 320)  # false regions of the detector alone
FOUND, MISSED, FALSE = (60, 170, 60), (230, 140, 0), (220, 30, 60)  # RGB


def labelled_photos(file: Path) -> Iterator[tuple[Photo, list[dict]]]:
    """Each photo of a labels.json, and its hands. Raises PhotoError, OSError or ValueError."""
    for photo in json.loads(file.read_text()).values():
        for folder in (file.parent / "images", file.parent):
            if (folder / photo["image"]).is_file():
                yield load_photo(folder / photo["image"]), photo["hands"]
                break
        else:
            raise FileNotFoundError(f"{file} names {photo['image']}, which is not beside it: put it there.")


def drawn_photos(folder: Path) -> Iterator[tuple[Photo, list[dict]]]:
    """Each photo with drawn boxes, of a folder as `train.label_hands` takes it, that is held out; its hands are tagged
    with the boxes' class."""
    for path, boxes in photos_of(folder):
        if boxes and held_out(f"{path.parent.name}/{path.name}"):
            yield load_photo(path), [{"box": corners, "tags": [str(name)]} for name, *corners in boxes]


def grey(photo: Photo) -> Photo:
    """The same photo without its colours."""
    return Photo(np.repeat(cv2.cvtColor(photo.rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, 2), photo.focal_35mm)


def panel(photo: Photo, hands: list[dict], hits: list[bool], boxes: list, false: list[bool]) -> np.ndarray:
    """The photo in a square, with labelled hands that were found or missed, and what was found falsely."""
    scale = PANEL / max(photo.rgb.shape[:2])
    small = cv2.resize(photo.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:PANEL, :PANEL].copy()
    drawn = [(hand["box"], FOUND if hit else MISSED) for hand, hit in zip(hands, hits, strict=True)
             if not hand.get("ignore")] + [(box, FALSE) for box, wrong in zip(boxes, false, strict=True) if wrong]
    for box, color in drawn:
        u0, v0, u1, v1 = (int(round(value * scale)) for value in box)
        cv2.rectangle(small, (u0, v0), (u1, v1), color, 2)
    square = np.full((PANEL, PANEL, 3), 255, np.uint8)
    square[:small.shape[0], :small.shape[1]] = small
    return square


def evaluate(estimator: HandEstimator, photos: Iterator[tuple[Photo, list[dict]]]
             ) -> tuple[Found, Found, list[np.ndarray], list[float]]:
    """Counts in colour and in grey, and of each photo in colour a panel and the seconds that it took."""
    colour, without_colour, panels, seconds = Found(), Found(), [], []
    for photo, hands in tqdm(photos, unit="photo"):
        start = perf_counter()
        boxes = [hand.box.tolist() for hand in estimator(photo).hands]
        seconds.append(perf_counter() - start)
        hits, false = colour.add(hands, boxes)
        panels.append(panel(photo, hands, hits, boxes, false))
        without_colour.add(hands, [hand.box.tolist() for hand in estimator(grey(photo)).hands])
    return colour, without_colour, panels, seconds


def found_alone(detector: HandDetector, photos: Iterator[tuple[Photo, list[dict]]]) -> tuple[list[int], list[int]]:
    """How many labelled hands the detector's regions show where so many of them as ALLOWED show none, in colour and in
    grey. Neither landmark model nor network is asked; hands that score less than the detector tells are not found."""
    best, false = ([], []), ([], [])
    for photo, hands in tqdm(photos, unit="photo"):
        for row, shown in enumerate((photo, grey(photo))):
            scores = [0.0] * len(hands)
            for region in detector(shown.rgb, thorough=True):
                hit = [number for number, hand in enumerate(hands) if same_hand(hand["box"], hand_box(region))]
                for number in hit:
                    scores[number] = max(scores[number], region.score)
                if not hit:
                    false[row].append(region.score)
            best[row].extend(score for score, hand in zip(scores, hands, strict=True) if not hand.get("ignore"))
    most = [[*sorted(scores, reverse=True), *[0.0] * max(ALLOWED)] for scores in false]
    return tuple([sum(score > least[allowed] for score in scores) for allowed in ALLOWED]
                 for scores, least in zip(best, most, strict=True))


def write_sheet(panels: list[np.ndarray], path: Path) -> None:
    """All panels in rows, JPEG or PNG by the path's suffix."""
    blank = np.full((PANEL, PANEL, 3), 255, np.uint8)
    panels = panels + [blank] * (-len(panels) % ACROSS)
    rows = [np.hstack(panels[first:first + ACROSS]) for first in range(0, len(panels), ACROSS)]
    with whole_file(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, Image.registered_extensions()[path.suffix.lower()], quality=85)


def count_false(estimator: HandEstimator, folder: Path) -> tuple[int, int]:
    """How many hands are found in a folder of photos without any, and in how many photos."""
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    found = []
    for path in tqdm(photos, unit="photo"):
        found.append(len(estimator(load_photo(path)).hands))
        if found[-1]:
            print(path.name, found[-1])
    return sum(found), len(photos)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.evaluate_detector", description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path, nargs="?", help="labels.json, its photos beside it or in images/")
    parser.add_argument("--sheet", type=Path, help="also write a picture of hits, misses and false hands")
    parser.add_argument("--without-hands", type=Path, metavar="DIR", help="photos without hands: counts what is found")
    parser.add_argument("--drawn", type=Path, metavar="DIR", help="whole photos of train.label_hands: of those with "
                        "drawn boxes, the ones that are held out")
    parser.add_argument("--detector", type=Path, metavar="DIR", help="what train.run_detector wrote, in the place of "
                        "the detector that ships")
    parser.add_argument("--regions", action="store_true", help="of the detector alone: hands that its regions show "
                        f"at {', '.join(map(str, ALLOWED))} false ones")
    parser.add_argument("--checkpoint", help="folder of another network than the one that ships")
    args = parser.parse_args()
    if args.labels is None and args.without_hands is None and args.drawn is None:
        parser.error("give a labels.json, --without-hands DIR or --drawn DIR")
    if args.regions and (args.sheet or args.without_hands or args.checkpoint):
        parser.error("--regions is of the detector alone: leave out --sheet, --without-hands and --checkpoint")
    estimator = HandEstimator.load(args.checkpoint)
    try:
        if args.detector:
            estimator.detector = HandDetector.load(args.detector)
        for photos in ([labelled_photos(args.labels)] if args.labels else []) + (
                [drawn_photos(args.drawn)] if args.drawn else []):
            if args.regions:
                for name, counts in zip(("in colour", "in grey"), found_alone(estimator.detector, photos), strict=True):
                    print(f"{name:10} {' '.join(f'{count:4}' for count in counts)}")
                continue
            colour, without_colour, panels, seconds = evaluate(estimator, photos)
            for name, found in (("in colour", colour), ("in grey", without_colour)):
                print(f"{name:10} recall {found.recall():.3f}   false {found.false}   doubles {found.doubles}")
            print(f"a photo in colour takes {np.median(seconds):.2f} s in the median, {max(seconds):.2f} s at most")
            for tag in sorted(colour.total):
                print(f"{tag:20} {colour.found[tag]:3} of {colour.total[tag]:3}, in grey {without_colour.found[tag]}")
            if args.sheet:
                write_sheet(panels, args.sheet)
        if args.without_hands:
            found, photos = count_false(estimator, args.without_hands)
            print(f"{found} found in {photos} photos without hands")
    except (OSError, PhotoError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
