"""What telling a person's size does to the distance of the hands: `python -m benchmarks.true_size --photos-3d DIR`

DIR holds photos of one person with true 3D joints; the lens is told. By what is told of the person: how far off the
distance of the hand's middle is in per cent, in the median, and by how much it is on the whole; and the mean distance
of joints without any alignment (CS-MPJPE), mm. The told length is the median over the photos of the true bones from the
wrist to the middle fingertip, one after another.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose import HandEstimator, load_photo
from handpose.hand import Hand
from handpose.person import common_betas
from train.scoring.measure import nearest
from train.scoring.test_sets import Case, photos_with_joints

MIDDLE_FINGER = [0, 9, 10, 11, 12]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos-3d", type=Path, metavar="DIR", required=True)
    cases = photos_with_joints(parser.parse_args().photos_3d)
    estimator = HandEstimator.load()
    predictions = [estimator.predict(load_photo(case.photo)) for case in tqdm(cases, unit="photo")]

    def hands(person: HandEstimator) -> list[Hand | None]:
        return [nearest(person.place(prediction, case.camera).hands, case)
                for prediction, case in zip(predictions, cases, strict=True)]

    unknown = hands(estimator)
    betas = common_betas(hand for hand in unknown if hand)
    bones = [np.linalg.norm(np.diff(case.goal_3d[MIDDLE_FINGER], axis=0), axis=1).sum() for case in cases]
    length = float(np.median(bones))
    print(f"{sum(hand is not None for hand in unknown)} of {len(cases)} hands found, {1000 * length:.0f} mm long")
    report("nothing told", unknown, cases)
    report("one person", hands(estimator.for_person(betas=betas)), cases)
    report("length", hands(estimator.for_person(length)), cases)
    report("length, one person", hands(estimator.for_person(length, betas)), cases)


def report(told: str, hands: list[Hand | None], cases: list[Case]) -> None:
    pairs = [(hand.joints_3d, case.goal_3d) for hand, case in zip(hands, cases, strict=True) if hand]
    ratio = np.array([np.linalg.norm(joints.mean(0)) / np.linalg.norm(goal.mean(0)) for joints, goal in pairs])
    apart = [1000 * np.linalg.norm(joints - goal, axis=1).mean() for joints, goal in pairs]
    print(f"{told:20} {100 * np.median(abs(ratio - 1)):5.1f} % off, {100 * (np.median(ratio) - 1):+5.1f} % on the "
          f"whole, CS-MPJPE {np.mean(apart):5.1f} mm")


if __name__ == "__main__":
    main()
