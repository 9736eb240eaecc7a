"""Fetches the real photos: openly licensed photo sets from GitHub at fixed commits, cropped to their hands.

    python -m train.fetch_photos work/photos [--sets digits emre] [--allow-missing]

`photo_sets.json` names each set's repository, commit, licence and whom to credit; `photo_hands.csv` the photos that
were chosen from it, with the side and the size in pixels of the hands in them. A repository's archive is read as it
comes in and nothing of it is kept but square crops of those hands, found again by this project's own detector, twice as
wide as the hand and at most 256 px. A set that is there already is left alone. One that cannot be had does not keep the
others away: what is missing is said at the end, and is no success unless --allow-missing says that it is.
"""
from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from handpose.crop import Crop
from handpose.detection.find_hands import find_hands
from handpose.detection.landmarks import LandmarkModel, Landmarks
from handpose.detection.palm_detector import PalmDetector
from handpose.image import load_photo

from .data.set_files import DAMAGED_ZIP

HERE = Path(__file__).parent / "data"
HOST = "https://codeload.github.com"
CROP_SCALE, LARGEST, QUALITY = 2.0, 256, 90  # the crop over the hand's box, px, of the JPEG
SAME_SIZE = 1.5  # a hand larger or smaller than listed by more than this factor is another one
OTHER_SIDE = 0.3  # what the wrong side costs beside the logarithm of that factor


@dataclass(frozen=True)
class PhotoSet:
    """One entry of `photo_sets.json`, and what `photo_hands.csv` lists of it."""
    name: str
    repository: str
    commit: str
    licence: str
    licence_file: str  # its path, of which the words `licence_says` are expected
    licence_says: str
    attribution: str
    hands: dict[str, list[tuple[str, float]]]  # photo's path -> side and larger side of the joints' box in px, of each
    archive: str | None = None  # a .zip within the repository that holds the rest

    def address(self, host: str) -> str:
        return f"{host}/{self.repository}/tar.gz/{self.commit}"


def photo_sets(folder: Path = HERE) -> list[PhotoSet]:
    """The sets that the project was trained and validated on."""
    hands: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    with open(folder / "photo_hands.csv", newline="") as file:
        for row in csv.DictReader(file):
            hands[row["set"]][row["path"]].append((row["side"], float(row["box_px"])))
    entries = json.loads((folder / "photo_sets.json").read_text())
    return [PhotoSet(name, hands=dict(hands[name]), **entry) for name, entry in entries.items()]


def read_archive(photo_set: PhotoSet, host: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of the listed photos and of the licence, in the archive's order."""
    wanted = {photo_set.licence_file, *photo_set.hands}
    with urlopen(photo_set.address(host), timeout=60) as response, \
            tarfile.open(fileobj=response, mode="r|gz") as archive:
        for member in archive:
            path = member.name.partition("/")[2]  # below the folder REPOSITORY-COMMIT
            if not member.isfile() or path not in (wanted if photo_set.archive is None else {photo_set.archive}):
                continue
            content = archive.extractfile(member).read()
            if photo_set.archive is None:
                yield path, content
                continue
            with zipfile.ZipFile(io.BytesIO(content)) as inner:
                yield from ((name, inner.read(name)) for name in inner.namelist() if name in wanted)


def choose(found: list[Landmarks], listed: list[tuple[str, float]]) -> list[Landmarks]:
    """Those of the hands found in a photo that are the listed ones, in the list's order."""
    away = np.array([[abs(np.log(np.ptp(hand.box, axis=0).max() / size)) for hand in found] for _, size in listed])
    wrong = np.array([[(hand.right > 0.5) != (side == "right") for hand in found] for side, _ in listed])
    rows, columns = linear_sum_assignment(away + OTHER_SIDE * wrong) if found else ((), ())
    return [found[column] for row, column in zip(rows, columns, strict=True) if away[row, column] < np.log(SAME_SIZE)]


def crop_hand(rgb: np.ndarray, hand: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """A square around a hand, the image's border continued beyond it, and the joints (21, 2) in the square's pixels."""
    low, high = hand.box
    side = CROP_SCALE * (high - low).max()
    size = min(LARGEST, round(side))
    crop = Crop.around((low + high) / 2, side, 0.0, size)
    margin = int(side)
    padded = cv2.copyMakeBorder(rgb, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    return Crop.around((low + high) / 2 + margin, side, 0.0, size).warp(padded), crop.to_crop(hand.points[:, :2])


def flip_error(rgb: np.ndarray, hand: Landmarks, model: LandmarkModel) -> float:
    """How far the landmarks of the mirror image are from the hand's own, over the larger side of their box."""
    mirrored = model(rgb, hand.region, mirrored=True).points
    return float(np.linalg.norm((mirrored - hand.points)[:, :2], axis=1).mean() / np.ptp(hand.box, axis=0).max())


def fetch_set(photo_set: PhotoSet, out: Path, detector: PalmDetector, model: LandmarkModel, host: str = HOST) -> int:
    """Writes the folder `out`/NAME whole or not at all; returns how many hands it holds.

    It holds crops, `labels.npz` as `train.pseudo_label` and `train.scoring.test_sets` read it, the repository's licence
    and whom to credit. Raises OSError or ValueError with a sentence on what failed.
    """
    missing, labels = {photo_set.licence_file, *photo_set.hands}, []
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".photos-", dir=out.parent) as temporary:
        folder = Path(temporary, photo_set.name)
        folder.mkdir()
        try:
            with tqdm(total=len(photo_set.hands), desc=photo_set.name, unit="photo") as bar:
                for path, content in read_archive(photo_set, host):
                    missing.discard(path)
                    if path == photo_set.licence_file:
                        (folder / "LICENSE.txt").write_bytes(content)
                        continue
                    bar.update()
                    rgb = load_photo(content, path).rgb
                    for hand in choose(find_hands(rgb, detector, model), photo_set.hands[path]):
                        image, joints = crop_hand(rgb, hand)
                        name = f"{len(labels):06d}.jpg"
                        cv2.imwrite(str(folder / name), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                        labels.append({"fname": name, "landmarks_px": joints, "source_path": path,
                                       "handedness": "Right" if hand.right > 0.5 else "Left",
                                       "flip_err": flip_error(rgb, hand, model)})
        except (OSError, HTTPException, tarfile.TarError, *DAMAGED_ZIP) as error:
            raise OSError(f"The photo set {photo_set.name} cannot be fetched from {photo_set.address(host)} ({error}): "
                          "try again, or leave the set out.") from error
        if missing:
            raise ValueError(f"The archive {photo_set.address(host)} lacks {len(missing)} of the files that "
                             f"photo_sets.json and photo_hands.csv name, {min(missing)} for one: correct them.")
        if photo_set.licence_says not in (folder / "LICENSE.txt").read_text(errors="replace"):
            raise ValueError(f"{photo_set.licence_file} of {photo_set.repository} does not say "
                             f"{photo_set.licence_says!r}: read it, and leave the set out if it may not be used.")
        if not labels:
            raise ValueError(f"No hand was found in the photos of {photo_set.name}: leave the set out.")
        (folder / "SOURCE.txt").write_text(
            f"https://github.com/{photo_set.repository} at {photo_set.commit}\n{photo_set.licence}; "
            f"{photo_set.attribution}; cropped to hands and resized\n")
        np.savez(folder / "labels.npz", **{key: np.array([label[key] for label in labels]) for key in labels[0]})
        os.replace(folder, out / photo_set.name)
    return len(labels)


def fetch_sets(sets: list[PhotoSet], out: Path, host: str = HOST) -> dict[str, str]:
    """Fetches those that are not there, all that can be had; returns what is missing: its name -> why, a sentence."""
    detector, model, missing = PalmDetector.load(), LandmarkModel.load(), {}
    for photo_set in sets:
        if (out / photo_set.name).is_dir():
            print(f"{photo_set.name}: there already")
            continue
        try:
            count = fetch_set(photo_set, out, detector, model, host)
        except (OSError, ValueError) as error:
            missing[photo_set.name] = str(error)
            print(f"{photo_set.name}: {error}", file=sys.stderr)
        else:
            print(f"{photo_set.name}: {count} of {sum(map(len, photo_set.hands.values()))} hands")
    return missing


def what_is_missing(missing: list[str], wanted: int, held_out: list[str], allowed: bool) -> str:
    """What could not be had of the sets, what that means for those that are held out, and how to go on."""
    lost = [name for name in missing if name in held_out]
    return (f"Missing are {len(missing)} of {wanted} sets: {', '.join(missing)}"
            + (f" (of which {', '.join(lost)} {'is' if len(lost) == 1 else 'are'} held out, so that nothing will be "
               "measured there)" if lost else "")
            + f". The same command tries them again{'' if allowed else '; --allow-missing goes on without them'}.")


def main(argv: list[str] | None = None) -> None:
    known = {photo_set.name: photo_set for photo_set in photo_sets()}
    parser = argparse.ArgumentParser(prog="python -m train.fetch_photos", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write the sets to, each a folder of crops")
    parser.add_argument("--sets", nargs="+", choices=known, default=list(known), metavar="SET",
                        help=f"only these of {', '.join(known)}")
    parser.add_argument("--host", default=HOST, help="a server of archives like GitHub's (default: %(default)s)")
    parser.add_argument("--allow-missing", action="store_true", help="sets that cannot be had are no failure, as long "
                        "as there are others")
    parser.add_argument("--held-out", nargs="*", default=[], metavar="SET", help="sets that are measured on, of which "
                        "it is said what it means that they are missing")
    args = parser.parse_args(argv)
    missing = fetch_sets([known[name] for name in args.sets], args.out, args.host)
    if missing:
        allowed = args.allow_missing and len(missing) < len(args.sets)
        parser.exit(not allowed, what_is_missing(list(missing), len(args.sets), args.held_out, allowed) + "\n")


if __name__ == "__main__":
    main()
