"""Of joints that are said to be known to s, how many lie within s: on renders, and on photos with true 3D joints.

    python -m benchmarks.joint_errors --renders work/test_renders --photos-3d DIR --side left --picture FILE.png
    python -m benchmarks.joint_errors --renders work/test_renders --fit    # prints the constants of joint_errors

Renders are those of `train.synthesize`. The constants are fitted to every second hand that is found in them, by
quantile regression (Koenker and Bassett, 1978), and the report is of the others; photos have no part in the fit. Hands
are looked for by the detector; the camera is told of renders and guessed of photos.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, eye, hstack
from tqdm import tqdm

from handpose import HandEstimator, HandModel, load_photo
from handpose.joint_errors import FLESH, KINDS, Calibration, box_size, features, in_the_way, joint_errors
from handpose.whole_file import whole_file
from train.scoring.measure import nearest
from train.scoring.test_sets import Case, photos_with_joints, renders

from .reliability import Curve, draw

SHARE = 2 / 3  # of the joints, that lie within s
FIFTHS, TENTHS = 5, 10
FACES = HandModel.load().faces  # of the renders' hands


class Joints(NamedTuple):
    """Of N hands: what was told of their 21 joints, and how far off these are."""
    features: np.ndarray  # (N, 21, F) of `joint_errors.features`
    box: np.ndarray  # (N,) pixels
    told_px: np.ndarray  # (N, 21) and so on
    told_mm: np.ndarray
    off_px: np.ndarray
    off_mm: np.ndarray
    told_hidden: np.ndarray
    hidden: np.ndarray  # all False where it is not known

    def of(self, chosen: slice) -> Joints:
        return Joints(*(values[chosen] for values in self))


def measure(estimator: HandEstimator, cases: list[Case]) -> Joints:
    """Of all cases whose hand is found."""
    rows = []
    for case in tqdm(cases, unit="photo"):
        hands = estimator(load_photo(case.photo), case.camera if case.told else None).hands
        hand = nearest(hands, case)
        if hand is None:
            continue
        told = joint_errors(hands)[next(number for number, one in enumerate(hands) if one is hand)]
        ours, true = hand.joints_3d - hand.joints_3d.mean(0), case.goal_3d - case.goal_3d.mean(0)
        rows.append((features(hand), box_size(hand), told.joints_error_px, told.joints_error_mm,
                     np.linalg.norm(hand.joints_2d - case.goal_2d, axis=1), 1000 * np.linalg.norm(ours - true, axis=1),
                     told.joints_hidden, truly_hidden(case)))
    return Joints(*map(np.array, zip(*rows, strict=True)))


def truly_hidden(case: Case) -> np.ndarray:
    """(21,) whether the render's own mesh, or anything that its mask knows, is before a joint."""
    if case.vertices is None:
        return np.zeros(21, bool)
    mask = cv2.imread(str(case.photo.parents[1] / "mask" / case.photo.name), cv2.IMREAD_GRAYSCALE)
    u, v = np.round(case.goal_2d).astype(int).clip(0, np.array(mask.shape[::-1]) - 1).T
    return (in_the_way(case.goal_3d, case.vertices, FACES) > FLESH) | (mask[v, u] < 128)


def fit(seen: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Weights (F,) of features (N, 21, F) whose sum SHARE of the logarithms of errors (N, 21) do not exceed: quantile
    regression as a linear program, errors over and under counted apart."""
    rows, goal = seen.reshape(-1, seen.shape[-1]), np.log(np.maximum(errors, 1e-6)).ravel()
    count, weights = rows.shape
    sides = hstack([csr_matrix(rows), eye(count), -eye(count)]).tocsr()
    cost = np.concatenate([np.zeros(weights), np.full(count, SHARE), np.full(count, 1 - SHARE)])
    bounds = [(None, None)] * weights + [(0, None)] * (2 * count)
    return linprog(cost, A_eq=sides, b_eq=goal, bounds=bounds, method="highs").x[:weights]


def calibrate(seen: np.ndarray, errors: np.ndarray) -> Calibration:
    """The constants for features (N, 21, F) and errors (N, 21), rounded as they are written down."""
    *kinds, spread, doubt = np.round(fit(seen, errors), 2).tolist()
    return Calibration(tuple(kinds), spread, doubt)


def report(title: str, joints: Joints) -> None:
    """Prints how many joints lie within what was told, all, by joint and from the surest fifth to the least sure."""
    print(f"{title}: {len(joints.box)} hands")
    for unit, told, off in (("px", joints.told_px, joints.off_px), ("mm", joints.told_mm, joints.off_mm)):
        within, order = off <= told, np.argsort(told, axis=None)
        print(f"  {unit}: {within.mean():.0%} within s; {SHARE:.0%} within {np.quantile(off / told, SHARE):.2f} s; "
              f"median s {np.median(told):.1f}, median error {np.median(off):.1f}")
        print("    by joint: " + ", ".join(f"{kind} {within[joints.features[..., number] > 0].mean():.0%}"
                                           for number, kind in enumerate(KINDS)))
        fifths = np.array_split(order, FIFTHS)
        print("    from the surest fifth: " + ", ".join(
            f"s {told.ravel()[of].mean():.1f}: {within.ravel()[of].mean():.0%}" for of in fifths))
    if joints.hidden.any():
        both = (joints.told_hidden & joints.hidden).sum()
        print(f"  hidden: {joints.hidden.mean():.0%} of the joints are, {joints.told_hidden.mean():.0%} are called so; "
              f"of those called so {both / joints.told_hidden.sum():.0%} are, of those that are "
              f"{both / joints.hidden.sum():.0%} are called so")


def curve(name: str, told: np.ndarray, off: np.ndarray) -> Curve:
    """From the surest tenth to the least sure: mean of what was told, and what SHARE of the errors do not exceed."""
    tenths = np.array_split(np.argsort(told, axis=None), TENTHS)
    return Curve(name, [float(told.ravel()[of].mean()) for of in tenths],
                 [float(np.quantile(off.ravel()[of], SHARE)) for of in tenths])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renders", type=Path, metavar="DIR")
    parser.add_argument("--photos-3d", type=Path, metavar="DIR")
    parser.add_argument("--side", choices=("left", "right"), help="of all hands of --photos-3d")
    parser.add_argument("--count", type=int, help="only so many renders, the first ones")
    parser.add_argument("--checkpoint", help="another checkpoint's folder")
    parser.add_argument("--fit", action="store_true", help="print constants fitted to every second hand of --renders")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw what was told against what was")
    args = parser.parse_args()
    estimator, measured = HandEstimator.load(args.checkpoint), {}
    if args.renders:
        joints = measure(estimator, renders(args.renders, count=args.count))
        if args.fit:
            half = joints.of(slice(0, None, 2))
            pixels, millimetres = (calibrate(half.features, errors)
                                   for errors in (half.off_px / half.box[:, None], half.off_mm))
            print(f"PIXELS = {pixels}\nMILLIMETRES = {millimetres}")
            joints = joints._replace(told_px=pixels(joints.features) * joints.box[:, None],
                                     told_mm=millimetres(joints.features))
        measured["renders"] = joints.of(slice(1, None, 2))
    if args.photos_3d:
        measured["photos"] = measure(estimator, photos_with_joints(args.photos_3d, args.side))
    for title, joints in measured.items():
        report(title, joints)
    if args.picture:
        with whole_file(args.picture) as temporary:
            draw({"pixels, % of the hand's box": [curve(title, 100 * joints.told_px / joints.box[:, None],
                                                        100 * joints.off_px / joints.box[:, None])
                                                  for title, joints in measured.items()],
                  "millimetres": [curve(title, joints.told_mm, joints.off_mm) for title, joints in measured.items()]},
                 temporary)
        print(args.picture)


if __name__ == "__main__":
    main()
