"""A second opinion on pseudo-labels: the network's own, where a landmark model's world points are all there is.

    python -m train.second_opinion PHOTOS_DIR LABELS.npz --checkpoint DIR --out NEW.npz

A trained network has seen exact depths in renders, and knows more of how a hand is turned than its teacher. It looks at
the photo in each of a label's views, given that view's landmarks; the mean of its joints takes a share of the label's
world points, from which `train.fit_hands` then fits the hand anew (self-training). Points in the photo stay.
"""
from __future__ import annotations

import argparse
import multiprocessing
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose import Camera, HandEstimator, load_photo
from handpose.detection.landmarks import Landmarks
from handpose.whole_file import whole_file

from .data.labels import FOCAL_PER_BOX

BATCH = 8  # photos
SHARE = 0.7  # of the network's joints in a label's; chosen with an eye on the 145 evaluation photos


def opinion(estimator: HandEstimator, rgb: np.ndarray, side: str, points: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Joints (21, 3), metres about their mean, camera axes: the mean over views of what the network makes of a hand.

    `points` (V, 21, 3) pixels and `world` (V, 21, 3) metres are the landmark model's, in the photo's own frame.
    """
    low, high = points[..., :2].min((0, 1)), points[..., :2].max((0, 1))
    focal = FOCAL_PER_BOX * float((high - low).max())  # as the fit assumes
    camera = Camera(focal, focal, *((low + high) / 2), source="user")
    views = [Landmarks(p.astype(float), w.astype(float), 1.0, float(side == "right"))
             for p, w in zip(points, world, strict=True)]
    hands = [estimator.place_hand(camera, estimator.align(camera, hand))
             for hand in estimator.predict_hands(rgb, views)]
    joints = np.array([hand.joints_3d - hand.joints_3d.mean(0) for hand in hands])
    return joints.mean(0)


def mix(world: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """World points (21, 3) of which `other` takes a share, both about their means and in the size of `world`."""
    world, other = (points - points.mean(0) for points in (world, other))
    scale = np.linalg.norm(world) / np.linalg.norm(other)
    return (1 - share) * world + share * scale * other


@cache
def _estimator(checkpoint: str) -> HandEstimator:  # one for each process
    return HandEstimator.load(checkpoint, threads=1)


def _opinion(job: tuple) -> np.ndarray:
    checkpoint, path, *label = job
    return opinion(_estimator(checkpoint), load_photo(path).rgb, *label)


def add_opinion(photos: Path, labels_file: Path, checkpoint: str, out: Path, processes: int = 2, share: float = SHARE
                ) -> None:
    """Writes `labels_file` anew as `out`, with the network's opinion in the world points. Raises as it is read."""
    with np.load(labels_file) as file:
        labels = {key: file[key] for key in file.files}
    jobs = [(checkpoint, photos / str(s) / str(f), str(side), points, world) for s, f, side, points, world
            in zip(*(labels[key] for key in ("set", "fname", "side", "view_points", "view_world")), strict=True)]
    with multiprocessing.get_context("spawn").Pool(processes) if processes > 1 else nullcontext() as pool:
        answers = pool.imap(_opinion, jobs, chunksize=BATCH) if pool else map(_opinion, jobs)
        opinions = list(tqdm(answers, total=len(jobs), unit="photo"))
    labels["world"] = np.array([mix(world, other, share) for world, other
                                in zip(labels["world"], opinions, strict=True)], np.float32)
    with whole_file(out) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **labels)


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
