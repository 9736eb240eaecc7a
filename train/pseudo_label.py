"""Labels for photos that have none: the landmark model's answers over several views of each hand, and their median.

    python -m train.pseudo_label PHOTOS_DIR --out FILE.npz
    python -m train.pseudo_label RENDERS_DIR --out FILE.npz --views 2    # a folder of train.synthesize

Turning, scaling and mirroring a view changes what the model says by about as much as it errs, so that the median over
views is a better label than any one of them and their spread says how far to trust it.

PHOTOS_DIR holds one folder of images for each set, each image with one hand. A set's `labels.npz`, if there is one,
gives `fname` (N,) and `landmarks_px` (N, 21, 2 or 3), roughly where the hand is; else the palm detector says so.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose.detection.landmarks import LandmarkModel, region_of
from handpose.detection.palm_detector import HandRegion, PalmDetector
from handpose.image import IMAGE_SUFFIXES, load_photo
from handpose.whole_file import remove_temporaries, whole_file

from .data.labels import VIEWS

LABEL_NAMES = ("points", "world", "presence", "right")
SHARD = 64  # photos that are labelled together, and not again where a run was stopped


@dataclass(frozen=True)
class ViewLabels:
    """The landmark model's answers for V views of one hand, each in the frame of the image as it is.

    `points` (V, 21, 3) image pixels; `world` (V, 21, 3) metres, the image's axes; `presence` (V,); `right` (V,) the
    probability of an anatomically right hand (see `handpose.detection.landmarks.Landmarks`).
    """
    points: np.ndarray
    world: np.ndarray
    presence: np.ndarray
    right: np.ndarray

    def median(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Median points (21, 3), median world (21, 3), and spread (21,).

        The spread is the median distance of the views from the median point, over the larger side of the hand's box.
        """
        points = np.median(self.points, axis=0)
        box = np.ptp(points[:, :2], axis=0).max()
        spread = np.median(np.linalg.norm(self.points[..., :2] - points[:, :2], axis=-1), axis=0) / max(box, 1e-6)
        return points, np.median(self.world, axis=0), spread


def label_region(model: LandmarkModel, rgb: np.ndarray, region: HandRegion, views: tuple = VIEWS) -> ViewLabels:
    """What the model says of the hand in a region of an RGB image (H, W, 3) uint8, in each view."""
    answers = [model(rgb, HandRegion(region.center, region.side * scale, region.angle + np.radians(turn)), mirrored)
               for turn, scale, mirrored in views]
    return ViewLabels(*(np.array([getattr(answer, name) for answer in answers]) for name in LABEL_NAMES))


def label_crop(model: LandmarkModel, rgb: np.ndarray, landmarks_px: np.ndarray, views: tuple = VIEWS) -> ViewLabels:
    """The same for a hand whose landmarks (21, 2 or 3) are roughly known, in pixels of the image."""
    return label_region(model, rgb, region_of(np.asarray(landmarks_px, float)[:, :2]), views)


def list_photos(folder: Path) -> list[tuple[Path, np.ndarray | None]]:
    """Every image of every set in a folder, with its rough landmarks where the set has labels; or every render."""
    if (folder / "training" / "rgb").is_dir():
        with np.load(folder / "labels.npz") as labels:
            return [(folder / "training" / "rgb" / f"{index:08d}.jpg", joints)
                    for index, joints in enumerate(labels["joints_2d"])]
    photos = []
    for photo_set in sorted(path for path in folder.iterdir() if path.is_dir()):
        if (photo_set / "labels.npz").is_file():
            with np.load(photo_set / "labels.npz") as labels:
                photos += [(photo_set / str(name), landmarks)
                           for name, landmarks in zip(labels["fname"], labels["landmarks_px"], strict=True)]
        else:
            photos += [(path, None) for path in sorted(photo_set.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]
    return photos


def label_photo(views: int, photo: tuple[Path, np.ndarray | None]) -> ViewLabels | None:
    """The first `views` of VIEWS of one photo of `list_photos`; None where nobody knows of a hand in it."""
    path, landmarks = photo
    rgb = load_photo(path).rgb
    if landmarks is not None:
        return label_crop(_landmark_model(), rgb, landmarks, VIEWS[:views])
    regions = _palm_detector()(rgb)
    return label_region(_landmark_model(), rgb, regions[0], VIEWS[:views]) if regions else None


@cache
def _landmark_model() -> LandmarkModel:  # one for each process
    return LandmarkModel.load(threads=1)


@cache
def _palm_detector() -> PalmDetector:
    return PalmDetector.load(threads=1)


@dataclass(frozen=True)
class Shard:
    """Some of the photos, labelled together: a file whose name says of what it is."""
    folder: Path
    photos: list[tuple[Path, np.ndarray | None]]
    views: int

    @cached_property
    def file(self) -> Path:
        said = [[f"{path.parent.name}/{path.name}", path.stat().st_size,
                 None if landmarks is None else np.asarray(landmarks).tolist()] for path, landmarks in self.photos]
        return self.folder / f"{hashlib.sha256(json.dumps([self.views, said]).encode()).hexdigest()}.npz"

    def read(self) -> list[tuple[Path, ViewLabels]]:
        """The photos with a hand, and what the model says of them."""
        with np.load(self.file) as file:
            labels = zip(*(file[name] for name in LABEL_NAMES), strict=True)
            return [(self.photos[row][0], ViewLabels(*answer)) for row, answer in zip(file["row"], labels, strict=True)]


def label_shard(shard: Shard) -> Shard:
    """Labels the photos of a shard that is not there yet."""
    if not shard.file.is_file():
        found = [(row, labels) for row, photo in enumerate(shard.photos)
                 if (labels := label_photo(shard.views, photo)) is not None]
        with whole_file(shard.file) as temporary, open(temporary, "wb") as file:
            np.savez(file, row=np.array([row for row, _ in found], int), **{
                name: np.array([getattr(labels, name) for _, labels in found], np.float32) for name in LABEL_NAMES})
    return shard


def label_folder(folder: Path, out: Path, processes: int = 2, views: int = len(VIEWS)) -> int:
    """Label every photo of every set, write one .npz, return how many hands it holds.

    Keys, N hands in V views: `set`, `fname` (N,); `views` (V, 3) turn in degrees, scale, mirrored; `view_points`,
    `view_world` (N, V, 21, 3), `view_presence`, `view_right` (N, V) as in `ViewLabels`; `points`, `world` (N, 21, 3)
    and `spread` (N, 21) as in `ViewLabels.median`; `presence`, `right` (N,) medians; `side` (N,) "left" or "right".

    Until all are labelled, those that are lie in the folder OUT.shards, and a run that was stopped goes on from them.
    """
    photos = list_photos(folder)
    if not photos:
        raise ValueError(f"{folder} holds no set: give a folder whose sub-folders hold images.")
    absent = next((path for path, _ in photos if not path.is_file()), None)
    if absent:
        raise FileNotFoundError(f"{absent}, which a labels.npz names, is missing: put it there, or take its row out.")
    place = out.with_name(f"{out.name}.shards")
    place.mkdir(exist_ok=True)
    remove_temporaries(place)
    shards = [Shard(place, photos[first:first + SHARD], views) for first in range(0, len(photos), SHARD)]
    with tqdm(total=len(photos), unit="photo") as bar, \
            multiprocessing.get_context("spawn").Pool(processes) if processes > 1 else nullcontext() as pool:
        found = []
        for shard in pool.imap(label_shard, shards) if pool else map(label_shard, shards):
            found += shard.read()
            bar.update(len(shard.photos))
    if not found:
        raise ValueError(f"No hand was found in any of the {len(photos)} photos of {folder}.")
    paths, labels = zip(*found, strict=True)
    points, world, spread = (np.array(values, np.float32) for values in zip(*(x.median() for x in labels), strict=True))
    right = np.array([np.median(x.right) for x in labels], np.float32)
    arrays = {f"view_{name}": np.array([getattr(x, name) for x in labels], np.float32)
              for name in LABEL_NAMES}
    arrays |= {"points": points, "world": world, "spread": spread, "right": right,
               "presence": np.median(arrays["view_presence"], axis=1), "side": np.where(right > 0.5, "right", "left"),
               "set": np.array([path.parent.name for path in paths]), "fname": np.array([path.name for path in paths]),
               "views": np.array(VIEWS[:views], np.float32)}
    with whole_file(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)
    shutil.rmtree(place)
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m train.pseudo_label", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of sets, each a folder of images with one hand each")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--views", type=int, default=len(VIEWS), help="how many views of each hand")
    arguments = parser.parse_args()
    if not arguments.photos.is_dir():
        parser.error(f"{arguments.photos} is not a folder")
    try:
        count = label_folder(arguments.photos, arguments.out, arguments.processes, arguments.views)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"{count} hands labelled in {arguments.out}")


if __name__ == "__main__":
    main()
