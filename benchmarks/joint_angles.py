"""How far joint angles are off on renders, whose angles are known: by name, degrees.

    python -m benchmarks.joint_angles --renders work/test_renders --count 600

Renders are those of `train.synthesize`; their poses are the truth. Hands are looked for by the detector and count where
their side is the right one; the camera is told.
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose import HandEstimator, load_photo
from handpose.joint_angles import ABDUCTION, ANGLE_NAMES, angles_of_pose
from train.scoring.measure import nearest
from train.scoring.test_sets import renders

# Of which angles a row is the mean: all of these fingers' that end so.
ROWS = {"thumb CMC flexion": ("thumb", "cmc_flexion"), "thumb MCP flexion": ("thumb", "mcp_flexion"),
        "thumb IP flexion": ("thumb", "ip_flexion"), "thumb CMC abduction": ("thumb", "cmc_abduction"),
        "MCP flexion": ("", "mcp_flexion"), "PIP flexion": ("", "pip_flexion"), "DIP flexion": ("", "dip_flexion"),
        "MCP abduction": ("", "mcp_abduction")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renders", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, help="only so many, the first ones")
    args = parser.parse_args()
    estimator, told, true = HandEstimator.load(), [], []
    with np.load(args.renders / "labels.npz") as labels:
        poses = labels["hand_pose"]
    cases = renders(args.renders, count=args.count)
    for number, case in enumerate(tqdm(cases, unit="photo")):
        hand = nearest(estimator(load_photo(case.photo), case.camera).hands, case)
        if hand is not None and hand.side == "right":
            told.append([*hand.joint_angles.values()])
            true.append(angles_of_pose(poses[number]))
    told, true = np.array(told), np.array(true)
    off = (told - true + 180) % 360 - 180
    print(f"{len(told)} of {len(cases)} hands\n{'degrees':22}{'mean error':>12}{'bias':>8}{'true, 5-95 %':>16}"
          f"{'flat: error':>14}")
    for row, (finger, joint) in ROWS.items():
        chosen = [number for number, name in enumerate(ANGLE_NAMES) if name.endswith(joint)
                  and (name.startswith("thumb") if finger else not name.startswith("thumb"))]
        errors, angles = off[:, chosen], true[:, chosen]
        low, high = np.quantile(angles, [0.05, 0.95])
        flat = np.abs(angles) < 5
        print(f"{row:22}{np.abs(errors).mean():12.1f}{errors.mean():8.1f}{f'{low:.0f} .. {high:.0f}':>16}"
              f"{np.abs(errors[flat]).mean():14.1f}")
    bent = np.array([not name.endswith(ABDUCTION) for name in ANGLE_NAMES])
    back = (true < -10) & bent
    print(f"{back.sum()} joints are bent back by more than 10 degrees; {np.mean(told[back] < 0):.0%} are told to be so")


if __name__ == "__main__":
    main()
