"""Cuts out what the detector takes for hands where none is: crops in which the network learns to see no hand.

    python -m train.cut_false_hands FULL_PHOTOS_DIR --labels labels.json --backgrounds DIR --out OUT

`train.label_hands` says where the hands are: what touches one of them, or what may be one, is left out, and so are
photos that are held out and backgrounds in which a hand is found after all. Each photo is also looked at turned,
mirrored and recoloured.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from handpose.crop import Crop
from handpose.crop_predictor import CROP_SCALE
from handpose.detection.find_hands import find_hands
from handpose.detection.hand_detector import HAND_SCALE, HandDetector, hand_box
from handpose.detection.landmarks import LandmarkModel
from handpose.detection.region import HandRegion, box_covered
from handpose.network.checkpoint import CHECKPOINT
from handpose.whole_file import whole_file

from .finding.pictures import LabelledPicture, read_backgrounds, read_photos, recoloured, warped

SIZE = 128  # px, of a crop
TOUCHES = 0.1  # of a box or of the region, from which on one covers the other
EACH = 6  # crops of a look at most, the surest
QUALITY = 90
SCALE_PLAY, SHIFT_PLAY, TURN_PLAY = 0.15, 0.08, 0.4  # of the side's logarithm; of the side; radians


def false_regions(detector: HandDetector, rgb: np.ndarray, boxes: np.ndarray) -> list[HandRegion]:
    """What the detector finds in an RGB image (H, W, 3) uint8 away from all boxes (N, 4), surest first."""
    corners = boxes.reshape(-1, 2, 2)

    def touches(region: HandRegion) -> bool:
        box = np.reshape(hand_box(region), (2, 2))
        return bool((box_covered(box, corners) > TOUCHES).any()
                    or any(box_covered(one, box[None])[0] > TOUCHES for one in corners))
    return [region for region in detector(rgb, thorough=True) if not touches(region)]


def looks(rng: np.random.Generator, picture: LabelledPicture) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A picture as it is, and turned by quarters, mirrored and recoloured by chance; each with the boxes (N, 4) of what
    is, or may be, a hand."""
    rgb = picture.read()
    boxes = np.concatenate([picture.boxes, picture.doubtful])
    yield rgb, boxes
    size = max(rgb.shape[:2])
    view = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), 90 * int(rng.integers(4)), 1)
    if rng.random() < 0.5:
        view = view @ np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1]])
    all_doubtful = LabelledPicture.of(picture.path, (), (), (), boxes)
    turned, hands = warped(rgb, all_doubtful, view, size)
    yield recoloured(rng, turned), hands.doubtful


def cut(rng: np.random.Generator, rgb: np.ndarray, region: HandRegion) -> np.ndarray:
    """The crop (SIZE, SIZE, 3) that the network is shown of a region, with some play."""
    side = region.side * CROP_SCALE / HAND_SCALE * np.exp(rng.uniform(-SCALE_PLAY, SCALE_PLAY))
    center = region.center + rng.uniform(-SHIFT_PLAY, SHIFT_PLAY, 2) * side
    return Crop.around(center, side, region.angle + rng.uniform(-TURN_PLAY, TURN_PLAY), SIZE).warp(rgb)


def without_hands(pictures: list[LabelledPicture], detector: HandDetector) -> list[LabelledPicture]:
    """Those in which no hand is found."""
    model = LandmarkModel.load()
    return [picture for picture in tqdm(pictures, unit="photo") if not find_hands(picture.read(), detector, model)]


def cut_false_hands(photos: list[LabelledPicture], out: Path, detector: HandDetector, seed: int = 0) -> int:
    """Writes OUT/000000.jpg and so on; returns how many. What is there is written again."""
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    for number, picture in enumerate(tqdm(photos, unit="photo")):
        rng = np.random.default_rng([seed, number])
        for rgb, boxes in looks(rng, picture):
            for region in false_regions(detector, rgb, boxes)[:EACH]:
                data = cv2.imencode(".jpg", cut(rng, rgb, region)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
                with whole_file(out / f"{count:06d}.jpg") as temporary:
                    temporary.write_bytes(data.tobytes())
                count += 1
    return count


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m train.cut_false_hands", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of sources, as train.label_hands reads it")
    parser.add_argument("--labels", type=Path, required=True, help="the file of train.label_hands")
    parser.add_argument("--backgrounds", type=Path, help="folder of photos without hands")
    parser.add_argument("--detector", type=Path, default=CHECKPOINT, help="its folder (default: the shipped one's)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    try:
        detector = HandDetector.load(args.detector, args.threads)
        pictures = read_photos(args.photos, args.labels)
        if args.backgrounds:
            pictures += without_hands(read_backgrounds(args.backgrounds), detector)
        count = cut_false_hands(pictures, args.out, detector, args.seed)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{count} crops in {args.out}")


if __name__ == "__main__":
    main()
