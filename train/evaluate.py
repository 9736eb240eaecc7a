"""Prints a checkpoint's errors (CONVENTIONS: train/metrics.py) on photos with true 3D joints and on held-out data.

    python -m train.evaluate --photos-3d DIR [--recipe train/recipes/first.yaml] [--checkpoint STEM]

DIR holds images/ and labels.npz with `names` (N,), `joints` (N, 21, 3) metres and `camera` (N, 4) fx, fy, cx, cy. Every
row is measured on the hands that the detector found; none of DIR is for training or for tuning.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose.camera import Camera
from handpose.estimator import HandEstimator
from handpose.image import load_photo
from handpose.landmarks import find_hands
from handpose.network import CHECKPOINT

from .metrics import error_2d, pa_mpjpe, palm_rotation, root_relative
from .run import Recipe, evaluate_samples, load_sources


def photos_with_truth(estimator: HandEstimator, folder: Path) -> dict[str, dict[str, float]]:
    """Mean errors by method: the network with landmarks (aligned and not), without, the landmark model, one hand."""
    with np.load(folder / "labels.npz") as file:
        labels = {key: file[key] for key in file.files}
    methods = {"with landmarks": (True, True), "not aligned": (True, False), "image alone": (False, True)}
    rows: dict[str, list[tuple]] = {name: [] for name in (*methods, "landmark model", "constant hand")}
    missed = 0
    goals = labels["joints"].astype(float)
    constant = np.median(goals - goals[:, :1], axis=0)
    for name, goal, intrinsics in tqdm(list(zip(labels["names"], goals, labels["camera"], strict=True)), unit="photo"):
        rgb = load_photo(folder / "images" / str(name)).rgb
        truth = Camera(*map(float, intrinsics)).project(goal)
        camera = Camera.of_photo(rgb.shape[1], rgb.shape[0])
        found = find_hands(rgb, estimator.detector, estimator.landmark_model)
        if not found:
            missed += 1
            continue
        marks = min(found, key=lambda marks: np.linalg.norm((marks.points[:, :2] - truth).mean(0)))
        for row, (use_landmarks, estimator.refinement) in methods.items():
            hand = estimator.pose(rgb, camera, [marks], use_landmarks)[0]
            rows[row].append((hand.joints_3d, goal, hand.joints_2d, truth))
        rows["landmark model"].append((marks.world, goal, marks.points[:, :2], truth))
        rows["constant hand"].append((constant, goal, np.full_like(truth, np.nan), truth))
    print(f"{folder}: {missed} of {len(goals)} not found")
    return {name: _means(*(np.array(part, float) for part in zip(*row, strict=True))) for name, row in rows.items()}


def _means(joints: np.ndarray, goal: np.ndarray, uv: np.ndarray, goal_uv: np.ndarray) -> dict[str, float]:
    return {"PA-MPJPE mm": pa_mpjpe(joints, goal).mean(), "root-relative mm": root_relative(joints, goal).mean(),
            "palm rotation deg": palm_rotation(joints, goal).mean(), "2D / box": error_2d(uv, goal_uv).mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos-3d", type=Path, help="folder of photos with true 3D joints")
    parser.add_argument("--recipe", type=Path, help="also measure on what this recipe holds out")
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    args = parser.parse_args()
    estimator = HandEstimator.load(args.checkpoint)
    if args.photos_3d:
        table = photos_with_truth(estimator, args.photos_3d)
        for name, means in table.items():
            print(f"{name:16s}" + "".join(f"  {key} {value:7.3f}" for key, value in means.items()))
    if args.recipe:
        _, validation = load_sources(Recipe.load(args.recipe).data, "cpu")
        skeleton = estimator.hand_models["right"].joints_only()
        for name, samples in validation.items():
            for given in (True, False):
                means = evaluate_samples(estimator.network, samples, skeleton, given)
                print(f"held-out {name}, {'with landmarks' if given else 'image alone'}"
                      + "".join(f"  {key} {value:7.3f}" for key, value in means.items()))


if __name__ == "__main__":
    main()
