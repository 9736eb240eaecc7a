"""What perspective alignment should reckon with: errors by `estimator.LESS_PERSPECTIVE`, the true camera told or not.

    python -m benchmarks.perspective --renders work/test_renders --landmarks work/test_renders_landmarks.npz
    python -m benchmarks.perspective --photos-3d DIR

PA-MPJPE and root-relative error in mm, palm rotation in degrees, 2D error over the box in percent.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose import HandEstimator, estimator, load_photo
from train.scoring.measure import nearest
from train.scoring.metrics import error_2d, pa_mpjpe, palm_rotation, root_relative
from train.scoring.test_sets import Case, photos_with_joints, renders

FACTORS = (1.0, 1.25, 1.5, 2.0)


def errors(hand_estimator: HandEstimator, case: Case) -> dict[tuple[str, float], list[float]]:
    """By who tells the camera and by factor: the errors of the case's hand; empty where it is not found."""
    prediction, rows = hand_estimator.predict(load_photo(case.photo), found=case.found), {}
    for who, camera in (("true camera", case.camera), ("guessed", prediction.camera)):
        for estimator.LESS_PERSPECTIVE in FACTORS:
            hand = nearest(hand_estimator.place(prediction, camera).hands, case)
            if hand is None:
                return {}
            rows[who, estimator.LESS_PERSPECTIVE] = [
                pa_mpjpe(hand.joints_3d, case.goal_3d), root_relative(hand.joints_3d, case.goal_3d),
                palm_rotation(hand.joints_3d, case.goal_3d), 100 * error_2d(hand.joints_2d, case.goal_2d)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renders", type=Path, metavar="DIR")
    parser.add_argument("--landmarks", type=Path, metavar="FILE")
    parser.add_argument("--photos-3d", type=Path, metavar="DIR")
    args = parser.parse_args()
    cases = renders(args.renders, args.landmarks) if args.renders else []
    cases += photos_with_joints(args.photos_3d) if args.photos_3d else []
    hand_estimator, rows = HandEstimator.load(), {}
    for case in tqdm(cases, unit="photo"):
        for key, values in errors(hand_estimator, case).items():
            rows.setdefault(key, []).append(values)
    for (who, factor), values in rows.items():
        print(f"{who:12} {factor:4} ", *(f"{mean:7.2f}" for mean in np.mean(values, 0)), f"  {len(values)} hands")


if __name__ == "__main__":
    main()
