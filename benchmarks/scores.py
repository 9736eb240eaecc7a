"""Of results of one score, how many are hands: whether a score of .9 is right nine times in ten.

    python -m benchmarks.scores PHOTOS/labels.json --drawn FULL_PHOTOS --without-hands DIR --picture FILE.png

The photos are those of `train.evaluate_detector`, in colour and in grey; how sure a hand must be to be reported was
chosen with an eye on them. A second result on one hand counts as a hand.
"""
from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose import HandEstimator, load_photo
from handpose.estimator import MIN_SCORE
from handpose.image import IMAGE_SUFFIXES
from handpose.whole_file import whole_file
from train.evaluate_detector import drawn_photos, grey, labelled_photos
from train.scoring.found import Found

from .reliability import Curve, draw

EDGES = (MIN_SCORE, 0.7, 0.9, 0.95, 0.98, 0.995, 1.0)  # between groups of scores


def measure(estimator: HandEstimator, photos) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) of all that is found in photos and their hands, in colour and in grey, and whether it is a hand."""
    scores, right = [], []
    for photo, hands in tqdm(photos, unit="photo"):
        for shown in (photo, grey(photo)):
            found = estimator(shown).hands
            _, false = Found().add(hands, [hand.box.tolist() for hand in found])
            scores += [hand.score for hand in found]
            right += [not wrong for wrong in false]
    return np.array(scores), np.array(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path, help="labels.json, its photos beside it or in images/")
    parser.add_argument("--drawn", type=Path, metavar="DIR", required=True, help="whole photos with drawn boxes")
    parser.add_argument("--without-hands", type=Path, metavar="DIR", required=True)
    parser.add_argument("--except", nargs="*", default=[], metavar="NAME", dest="showing",
                        help="of these, the stems of those that do show hands")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw doubts against shares that are no hands")
    args = parser.parse_args()
    empty = [path for path in sorted(args.without_hands.iterdir())
             if path.suffix.lower() in IMAGE_SUFFIXES and path.stem not in args.showing]
    scores, right = measure(HandEstimator.load(), chain(
        labelled_photos(args.labels), drawn_photos(args.drawn), ((load_photo(path), []) for path in empty)))
    doubts, wrong = [], []
    for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
        group = (scores >= low) & ((scores < high) | (high == EDGES[-1]))
        if group.any():
            # Half a wrong one is added, by Jeffreys' prior of a share: none of ten is not never.
            doubts.append(float(1 - scores[group].mean()))
            wrong.append(float((np.sum(~right[group]) + 0.5) / (group.sum() + 1)))
            print(f"score {low} to {high}: {group.sum()} results of mean score {scores[group].mean():.3f}, "
                  f"{np.sum(right[group])} are hands, {np.mean(right[group]):.3f}")
    print(f"in all {len(scores)} of mean score {scores.mean():.3f}, {np.sum(right)} are hands, {np.mean(right):.3f}")
    if args.picture:
        with whole_file(args.picture) as temporary:
            draw({"that it is a hand": [Curve("photos", 100 * np.array(doubts[::-1]), 100 * np.array(wrong[::-1]))]},
                 temporary, "doubt {}: 1 - score, %", "results that are no hand, %")
        print(args.picture)


if __name__ == "__main__":
    main()
