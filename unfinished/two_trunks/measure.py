"""Counts labelled hands that a detector finds by itself, at so many false regions, in colour and in grey.

    PYTHONPATH=. python unfinished/two_trunks/measure.py DETECTOR_FOLDER PHOTOS/labels.json FULL_PHOTOS

Regions of both looks count by their scores, each as a square of its side; `train.evaluate_detector` measures what comes
of them.
"""
import sys
from pathlib import Path

from handpose.detection import hand_detector
from train.evaluate_detector import drawn_photos, grey, labelled_photos
from train.scoring.found import same_hand

ALLOWED = (5, 20, 80, 320)  # false regions
hand_detector.MIN_SCORE = 0.03


def scores(detector, photos) -> tuple[list[float], list[float]]:
    """The best score on each labelled hand that has any, and those of regions on none."""
    found, false = [], []
    for rgb, hands in photos:
        best = {}
        for region in detector(rgb, thorough=True):
            half = region.side / hand_detector.HAND_SCALE / 2
            box = [*(region.center - half), *(region.center + half)]
            hit = [row for row, hand in enumerate(hands) if same_hand(hand["box"], box)]
            best |= {row: max(best.get(row, 0), region.score) for row in hit if not hands[row].get("ignore")}
            false += [] if hit else [region.score]
        found += best.values()
    return found, sorted(false, reverse=True)


def main() -> None:
    folder, labels, drawn = map(Path, sys.argv[1:])
    detector = hand_detector.HandDetector.load(folder)
    for name, read in (("wild", lambda: labelled_photos(labels)), ("held out", lambda: drawn_photos(drawn))):
        for tint in ("colour", "grey"):
            photos = ((photo.rgb if tint == "colour" else grey(photo).rgb, hands) for photo, hands in read())
            found, false = scores(detector, photos)
            at = [false[most] if most < len(false) else 0 for most in ALLOWED]
            print(name, tint, [sum(score > least for score in found) for least in at], flush=True)


if __name__ == "__main__":
    main()
