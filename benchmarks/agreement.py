"""How well `handpose` finds hands, and how far its landmarks agree with labels made by the original MediaPipe.

    python -m benchmarks.agreement PHOTOS_DIR [--limit 40] [--empty DIR] [--hands DIR --side left]

PHOTOS_DIR holds sets of crops with `labels.npz` (`fname`, `landmarks_px`, `handedness`, made on the whole photos that
the crops come from). `--empty` is a folder of photos without hands, `--hands` one of photos with one hand of `--side`
each. One row for each set:

found      a hand is reported within a fifth of the box of the labelled one, after all looks
first      the same, with the detector's first look alone
error      median over joints and hands of the distance to the label, one pass from the first look's region as in
           MediaPipe, over the larger side of the labelled joints' box
hands      the same of what is found after all looks
side       of the hands found, those on the labelled side
"""
from __future__ import annotations

import argparse
import multiprocessing
from functools import cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose.detection.landmarks import MIN_PRESENCE
from handpose.estimator import HandEstimator
from handpose.image import IMAGE_SUFFIXES, load_photo

NEAR = 0.2  # of the box; a hand whose joints are farther off in the mean is another one


@cache
def _estimator() -> HandEstimator:  # one for each process
    return HandEstimator.load(threads=1)


def nearest(hands: list, label: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Distances (21,) to the label of the hand nearest to it, in boxes, and P(right); None if none is near."""
    box = np.ptp(label, axis=0).max()
    errors = [np.linalg.norm(hand.points[:, :2] - label, axis=1) / box for hand in hands]
    best = min(range(len(hands)), key=lambda i: errors[i].mean(), default=None)
    if best is None or errors[best].mean() > NEAR:
        return None, np.nan
    return errors[best], hands[best].right


def compare(job: tuple[Path, np.ndarray]) -> tuple:
    """(first look's errors, those of all that is found, its P(right)) for one labelled crop."""
    path, label = job
    rgb, estimator = load_photo(path).rgb, _estimator()
    first = [estimator.landmark_model(rgb, region) for region in estimator.detector(rgb)]
    sure = [hand for hand in first if hand.presence >= MIN_PRESENCE]
    return nearest(sure, label)[0], *nearest(estimator.find(rgb), label)


def rights(path: Path) -> list[float]:
    """P(right) of each hand found in a photo."""
    return [hand.right for hand in _estimator().find(load_photo(path).rgb)]


def agreement_rows(pool, folder: Path, limit: int) -> list[str]:
    rows, everything = [f"{'set':12}{'crops':>7}{'found':>8}{'first':>8}{'error':>8}{'hands':>8}{'side':>8}"], []
    for labels_file in tqdm(sorted(folder.glob("*/labels.npz")), unit="set"):
        with np.load(labels_file) as labels:
            names, landmarks, sides = labels["fname"], labels["landmarks_px"].astype(float), labels["handedness"]
        chosen = np.unique(np.linspace(0, len(names) - 1, limit or len(names)).round().astype(int))
        jobs = [(labels_file.parent / str(names[i]), landmarks[i, :, :2]) for i in chosen]
        right = sides[chosen] == "Right"
        results = [(*answer, truth) for answer, truth in zip(pool.imap(compare, jobs, chunksize=4), right, strict=True)]
        rows.append(agreement_row(labels_file.parent.name, results))
        everything += results
    return [*rows, agreement_row("all", everything)]


def agreement_row(name: str, results: list[tuple]) -> str:
    first, final, right, truth = zip(*results, strict=True)
    seen_first, seen = ([errors for errors in group if errors is not None] for group in (first, final))
    sides = [(r > 0.5) == t for r, t in zip(right, truth, strict=True) if not np.isnan(r)]
    return (f"{name:12}{len(results):7}{len(seen) / len(first):8.1%}{len(seen_first) / len(first):8.1%}"
            f"{_median(seen_first):8.2%}{_median(seen):8.2%}{_mean(sides):8.1%}")


def _median(errors: list[np.ndarray]) -> float:
    return float(np.median(errors)) if errors else np.nan


def _mean(values: list) -> float:
    return float(np.mean(values)) if values else np.nan


def photos_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of sets, each with images and labels.npz")
    parser.add_argument("--limit", type=int, default=40, help="crops of each set, evenly spaced; 0 for all")
    parser.add_argument("--empty", type=Path, help="folder of photos without a hand")
    parser.add_argument("--hands", type=Path, help="folder of photos with one hand each")
    parser.add_argument("--side", choices=("left", "right"), help="the side of all of them")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        print("\n".join(agreement_rows(pool, arguments.photos, arguments.limit)))
        if arguments.empty:
            paths = photos_of(arguments.empty)
            claimed = [path.name for path, found in zip(paths, pool.imap(rights, paths), strict=True) if found]
            print(f"photos without a hand: a hand is claimed in {len(claimed)} of {len(paths)}", *claimed)
        if arguments.hands:
            found = list(pool.imap(rights, photos_of(arguments.hands)))
            sure = [answer[0] for answer in found if answer]
            print(f"photos with a hand: found in {len(sure)} of {len(found)}, "
                  f"more than one hand in {sum(len(answer) > 1 for answer in found)}", end="")
            print(f", best one {arguments.side} in {sum((r > 0.5) == (arguments.side == 'right') for r in sure)}"
                  if arguments.side else "")


if __name__ == "__main__":
    main()
