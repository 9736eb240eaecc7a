"""A second opinion on pseudo-labels: the network's own, on what a landmark model cannot tell or does not know.

    python -m train.second_opinion PHOTOS_DIR LABELS.npz --checkpoint DIR --out NEW.npz

A trained network has seen exact depths in renders, and knows more of how a hand is turned than its teacher. It looks at
the photo in each of a label's views, given that view's landmarks; the mean of its joints takes a share of the label's
world points, from which `train.fit_hands` then fits the hand anew (self-training). Points in the photo stay.

Where the landmark model's views do not agree, the network labels the photo by itself: it is shown the hand in all
directions and as either side, then what it is surest of in several views, and its word counts if these agree. NEW.npz
says in `weight` (N,) how much each photo counts in training: those of which nobody is sure not at all, those that the
network gets wrong from the image alone most.
"""
from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import shutil
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from handpose import Camera, HandEstimator, load_photo
from handpose.crop import Crop, upright_box
from handpose.crop_predictor import CROP_SCALE
from handpose.detection.landmarks import MIN_PRESENCE, Landmarks
from handpose.prediction import HandPrediction
from handpose.whole_file import remove_temporaries, whole_file

from .data.labels import FOCAL_PER_BOX, VIEWS
from .scoring.image_alone import TURNS, looked_at, surest

SHARD = 32  # photos that are asked about together, and not again where a run was stopped
SHARE = 0.7  # of the network's joints in a label's; chosen with an eye on the 145 evaluation photos
AGREED = 0.05  # of the box, the mean spread up to which the landmark model's views agree
AGREED_ALONE, SURE_ALONE = 0.04, 0.4  # likewise the network's, and its mean sureness from which on it is believed
DOUBTED = 0.2  # of the box: where network and label are so far apart, one of them takes something else for the hand
WEIGHTS = 0.5, 3.0  # the least and the most that a photo counts
OF_ALONE = 2.0  # what a photo counts that the landmark model does not know


class Opinion(NamedTuple):
    """What the network makes of a photo, or of N photos, each array with one more axis then; NaN where it says nothing.

    Joints in metres are about their mean, in the camera's axes."""
    world: np.ndarray = np.full((21, 3), np.nan, np.float32)
    error: np.ndarray | float = np.nan  # mean distance, over the box, of what it sees in the image alone from the label
    points: np.ndarray = np.full((21, 3), np.nan, np.float32)  # pixels, where the label is its own
    spread: np.ndarray = np.full(21, np.nan, np.float32)  # of its views, likewise
    side: np.ndarray | str = ""  # likewise


def opinion(estimator: HandEstimator, rgb: np.ndarray, side: str, points: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Joints (21, 3), metres about their mean, camera axes: the mean over views of what the network makes of a hand.

    `points` (V, 21, 3) pixels and `world` (V, 21, 3) metres are the landmark model's, in the photo's own frame.
    """
    views = [Landmarks(p.astype(float), w.astype(float), 1.0, float(side == "right"))
             for p, w in zip(points, world, strict=True)]
    return mean_joints(estimator, estimator.predictor.predict_hands(rgb, views), points[..., :2])


def mean_joints(estimator: HandEstimator, hands: list[HandPrediction], seen: np.ndarray) -> np.ndarray:
    """The mean (21, 3), metres about its mean, of one hand's predictions; `seen` (..., 2) are its joints in pixels."""
    seen = seen.reshape(-1, 2)
    low, high = seen.min(0), seen.max(0)
    focal = FOCAL_PER_BOX * float((high - low).max())  # as the fit assumes
    camera = Camera(focal, focal, *((low + high) / 2), source="user")
    placed = [estimator.place_hand(camera, estimator.align(camera, hand)) for hand in hands]
    return np.mean([hand.joints_3d - hand.joints_3d.mean(0) for hand in placed], axis=0)


def error_alone(estimator: HandEstimator, rgb: np.ndarray, side: str, points: np.ndarray) -> float:
    """How far off, over the box, joints (21, 2) are in the image alone, in the crop about the label's."""
    hand, = looked_at(estimator, rgb, [estimator.predictor.crop_about(points, side == "left")])
    return float(np.linalg.norm(hand.joints_2d - points, axis=1).mean() / np.ptp(points, axis=0).max())


def label_alone(estimator: HandEstimator, rgb: np.ndarray, points: np.ndarray) -> Opinion:
    """The network's own label of a hand that is somewhere about points (21, 2); nothing where it is not sure of any."""
    size = estimator.crop_size
    center, extent, angle = upright_box(points)
    hand = surest(estimator, rgb, [Crop.around(center, CROP_SCALE * extent.max(), angle + turn, size, mirrored=mirror)
                                   for turn in TURNS for mirror in (False, True)], passes=3)
    center, extent, angle = upright_box(hand.joints_2d)
    views = looked_at(estimator, rgb, [
        Crop.around(center, CROP_SCALE * scale * extent.max(), angle + np.radians(turn), size, hand.crop.mirrored)
        for turn, scale, mirrored in VIEWS if not mirrored])
    seen = np.array([view.joints_2d for view in views])
    joints = np.median(seen, axis=0)
    spread = np.median(np.linalg.norm(seen - joints, axis=2), axis=0) / max(np.ptp(joints, axis=0).max(), 1e-6)
    if spread.mean() > AGREED_ALONE or np.mean([view.sureness for view in views]) < SURE_ALONE:
        return Opinion()
    depth = np.median([view.prediction.joints[:, 2] * view.crop.size / 2 / view.crop.scale for view in views], axis=0)
    return Opinion(mean_joints(estimator, views, seen), points=np.column_stack([joints, depth]), spread=spread,
                   side=hand.side)


def mix(world: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """World points (21, 3) of which `other` takes a share, both about their means and in the size of `world`."""
    world, other = (points - points.mean(0) for points in (world, other))
    scale = np.linalg.norm(world) / np.linalg.norm(other)
    return (1 - share) * world + share * scale * other


def weights_of(errors: np.ndarray) -> np.ndarray:
    """(N,) what photos count whose labels the network misses by so much (N,): those that it misses by the mean one, the
    others in proportion, and those of which nothing is known nothing."""
    seen = errors[errors < DOUBTED]
    usual = seen.mean() if len(seen) else DOUBTED
    weights = np.where(errors < DOUBTED, np.clip(errors / usual, *WEIGHTS), WEIGHTS[0])
    return np.where(np.isnan(errors), 0.0, weights)


@cache
def _estimator(checkpoint: str) -> HandEstimator:  # one for each process
    return HandEstimator.load(checkpoint, threads=1)


def _opinion(job: tuple) -> Opinion:
    checkpoint, path, side, points, world, agreed = job
    estimator, rgb, median = _estimator(checkpoint), load_photo(path).rgb, np.median(points[..., :2], axis=0)
    if not agreed:
        return label_alone(estimator, rgb, median.astype(float))
    return Opinion(opinion(estimator, rgb, side, points, world),
                   error_alone(estimator, rgb, side, median.astype(float)))


def _shard(jobs_and_file: tuple[list[tuple], Path]) -> Path:
    """Asks about the photos of a shard, if that is not there yet."""
    jobs, path = jobs_and_file
    if not path.is_file():
        said = Opinion(*map(np.array, zip(*map(_opinion, jobs), strict=True)))
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **said._asdict())
    return path


def opinions(checkpoint: str, photos: Path, labels: dict[str, np.ndarray], place: Path, processes: int) -> Opinion:
    """Of all labels of `train.pseudo_label`. In the folder `place` lie those that are known, and a stopped call goes on
    from them."""
    place.mkdir(exist_ok=True)
    remove_temporaries(place)
    columns = (labels[key] for key in ("set", "fname", "side", "view_points", "view_world"))
    jobs = [(checkpoint, photos / str(s) / str(f), str(side), points, world, bool(known))
            for s, f, side, points, world, known in zip(*columns, agreed(labels), strict=True)]
    shards = []
    for first in range(0, len(jobs), SHARD):
        some = jobs[first:first + SHARD]
        key = hashlib.sha256(repr([(name, path.parent.name, path.name, side, known, points.tobytes(), world.tobytes())
                                   for name, path, side, points, world, known in some]).encode()).hexdigest()
        shards.append((some, place / f"{key}.npz"))
    parts = []
    with tqdm(total=len(jobs), unit="photo") as bar, \
            multiprocessing.get_context("spawn").Pool(processes) if processes > 1 else nullcontext() as pool:
        for path in pool.imap(_shard, shards) if pool else map(_shard, shards):
            with np.load(path) as file:
                parts.append(Opinion(**file))
            bar.update(len(parts[-1].side))
    return Opinion(*map(np.concatenate, zip(*parts, strict=True)))


def agreed(labels: dict[str, np.ndarray]) -> np.ndarray:
    """(N,) bool: of which hands the landmark model's views agree, that they are hands and where."""
    return (labels["spread"].mean(1) < AGREED) & (labels["presence"] >= MIN_PRESENCE)


def add_opinion(photos: Path, labels_file: Path, checkpoint: str, out: Path, processes: int = 2, share: float = SHARE
                ) -> None:
    """Writes `labels_file` anew as `out`, with the network's opinion in it. Raises as it is read."""
    with np.load(labels_file) as file:
        labels = {key: file[key] for key in file.files}
    place = out.with_name(f"{out.name}.shards")
    said = opinions(checkpoint, photos, labels, place, processes)
    known, alone = agreed(labels), said.side != ""
    labels["weight"] = np.where(alone, OF_ALONE, weights_of(said.error)).astype(np.float32)
    labels["world"][known] = [mix(world, other, share) for world, other
                              in zip(labels["world"][known], said.world[known], strict=True)]
    labels["side"] = np.where(alone, said.side, labels["side"])
    for key in ("points", "world", "spread"):
        labels[key][alone] = getattr(said, key)[alone]
    print(f"{len(known)} hands, of which the landmark model's views do not agree on {(~known).sum()}: the network "
          f"labelled {alone.sum()} of these, and {(labels['weight'] == 0).sum()} hands are left out")
    with whole_file(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **labels)
    shutil.rmtree(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("labels", type=Path, help="the file of train.pseudo_label")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--share", type=float, default=SHARE, help="of the world points (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    add_opinion(args.photos, args.labels, args.checkpoint, args.out, args.processes, args.share)


if __name__ == "__main__":
    main()
