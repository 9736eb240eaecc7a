"""How often a gesture's name is right: `python -m benchmarks.gestures PHOTOS` with the photo sets digits and aslletters

PHOTOS holds the sets as `train.fetch_photos` makes them: photos of one hand whose paths tell a digit (218 persons count
to nine) or a letter of the American finger alphabet. What no gesture's name fits is there to be named wrongly.
Of the digits every third had a part in the choice of the thresholds, as all letters had: the others are "held out".
Letters that are movements (J, Z) are left out. Named are hands that are sure, as on the page.
"""
from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose import HandEstimator, load_photo
from handpose.gesture import gesture

DIGITS = {"1": "pointing", "2": "victory", "4": "four", "5": "open hand", "6": "three", "9": "OK"}
# K is a V with the thumb between its fingers, G and D point; the fists differ in where the thumb is.
LETTERS = {**dict.fromkeys("AESTMN", "fist"), **dict.fromkeys("VK", "victory"), **dict.fromkeys("DG", "pointing"),
           "W": "three", "F": "OK", "B": "four", "Y": "call"}
MOVEMENTS = "JZ"
CHOSEN_ON = 3  # every so many-th digit


def photos(folder: Path) -> list[tuple[Path, str | None, bool]]:
    """Each photo, the name that fits it, and whether it is held out."""
    listed = []
    for name in ("digits", "aslletters"):
        with np.load(folder / name / "labels.npz", allow_pickle=False) as labels:
            files, sources = labels["fname"].tolist(), labels["source_path"].tolist()
        for number, (file, source) in enumerate(zip(files, sources, strict=True)):
            if name == "digits":
                listed.append((folder / name / file, DIGITS.get(source.split("/")[1]), number % CHOSEN_ON > 0))
            elif (letter := Path(source).name[0]) not in MOVEMENTS:
                listed.append((folder / name / file, LETTERS.get(letter), False))
    return listed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--held-out", action="store_true", help="only photos that had no part in the choice")
    args = parser.parse_args()
    estimator = HandEstimator.load()
    said: dict[bool, dict[str, Counter]] = {True: defaultdict(Counter), False: defaultdict(Counter)}
    there = {True: Counter(), False: Counter()}
    for path, name, held_out in tqdm([one for one in photos(args.photos) if one[2] or not args.held_out]):
        hands = estimator(load_photo(path)).hands
        if hands and hands[0].certainty == "sure":
            there[held_out][name] += 1
            said[held_out][gesture(hands[0])][name] += 1
    for held_out, title in ((True, "held out"), (False, "chosen on")):
        print(f"{title}: {there[held_out].total()} sure hands, {there[held_out][None]} without a name")
        for name in sorted({*there[held_out], *said[held_out]} - {None}):
            answers = said[held_out][name]
            right, named = answers[name], answers.total()
            precision = f"{right / named:.3f}" if named else "-"
            there_are = there[held_out][name]
            print(f"  {name:10s} named {named:4d}, right {right:4d} of {there_are:4d}, precision {precision}")


if __name__ == "__main__":
    main()
