"""Where the landmark model has the hand's joints: `python -m benchmarks.joint_convention RENDERS LANDMARKS.npz`

RENDERS is a folder of `train.synthesize`, LANDMARKS what `train.pseudo_label` said of it. On photos an offset of a
joint along its bone cannot be told from a bend of the finger; of renders both the points and the true pose are known.
For each of the 21 joints: how far, in mm in its bone's frame, the landmark model's points lie from the hand's joint, by
least squares over all renders' viewing directions, and the points' median distance in per cent of the box, before and
after. `--out FILE` writes the offsets that would bring the hand's joints there, as `train/joint_offsets.json` has them:
with these a hand is baked whose renders and photos say the same of its joints. It is another hand to a network (its
`version` counts on): joints move.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from handpose.hand_model.model import HandModel
from handpose.hand_model.skeleton import JOINT_NAMES
from handpose.whole_file import whole_file

CLEAR = 0.05  # at most this share of the hand is hidden
SURE = 0.03  # of the box: the views' spread about a point that counts
ROUNDS, DOUBT = 10, 0.03  # of reweighting; of the box: points so far off count half
PRIOR_MM = 10.0  # offsets are thought to be of this size, where views do not tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("renders", type=Path, metavar="RENDERS")
    parser.add_argument("landmarks", type=Path, metavar="NPZ")
    parser.add_argument("--hand", type=Path, metavar="NPZ", help="the hand that was rendered (default: the open hand)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="write the offsets that bring the joints there")
    args = parser.parse_args()
    model = HandModel.load(args.hand) if args.hand else HandModel.load()
    with np.load(args.renders / "labels.npz") as file:
        labels = {key: file[key] for key in file.files}
    with np.load(args.landmarks) as file:
        rows = np.array([int(Path(str(name)).stem) for name in file["fname"]])
        points, spread = file["points"][..., :2], file["spread"]
    kept = labels["occluded"][rows] < CLEAR
    rows, points, spread = rows[kept], points[kept], spread[kept]
    posed = model(*(labels[key][rows] for key in ("global_orient", "hand_pose", "betas", "transl")))
    box = np.ptp(labels["joints_2d"][rows], axis=1).max(1)
    print(f"{len(rows)} renders; mm in the bone's frame, and % of the box before and after")
    offsets = np.zeros((21, 3))
    for joint, name in enumerate(JOINT_NAMES):
        sure = spread[:, joint] < SURE
        offsets[joint], before, after = offset_of(
            posed.joints[sure, joint], posed.turns[sure, model.joint_bone[joint]], labels["K"][rows][sure],
            points[sure, joint], box[sure])
        print(f"{name:11} {sure.sum():4} " + " ".join(f"{1000 * value:+5.1f}" for value in offsets[joint])
              + f"  {100 * before:4.1f} {100 * after:4.1f}")
    if args.out:
        millimetres = (1000 * (model.joint_offsets + offsets)).round(2).tolist()
        with whole_file(args.out) as temporary:
            temporary.write_text(json.dumps({"offsets_mm": millimetres}, indent=1) + "\n")


def offset_of(joints: np.ndarray, turns: np.ndarray, cameras: np.ndarray, points: np.ndarray, box: np.ndarray
              ) -> tuple[np.ndarray, float, float]:
    """The offset (3,), metres in the bone's frame, after which N joints are best seen at points (N, 2) pixels.

    Of joints (N, 3) in the camera's frame, their bones' `turns` (N, 3, 3), `cameras` (N, 3, 3) and the hands' `box`
    (N,) pixels; and the points' median distance over the box before and after. Gauss-Newton steps, each point weighed
    by how far off it is (Geman and McClure's robust error, 1985).
    """
    offset, apart = np.zeros(3), []
    focal, center = cameras[:, [0, 1], [0, 1]], cameras[:, :2, 2]
    for _ in range(ROUNDS + 1):
        place = joints + turns @ offset
        seen = place[:, :2] / place[:, 2:]
        missing = (points - center) / focal - seen
        off = np.linalg.norm(missing * focal, axis=1) / box
        apart.append(float(np.median(off)))
        slope = (turns[:, :2] - seen[..., None] * turns[:, 2:]) / place[:, 2:, None]  # (N, 2, 3)
        weight = (focal / box[:, None] / (1 + (off / DOUBT)[:, None] ** 2)) / DOUBT
        rows, goal = (slope * weight[..., None]).reshape(-1, 3), (missing * weight).ravel()
        prior = np.eye(3) * (1000 / PRIOR_MM) ** 2
        offset = offset + np.linalg.solve(rows.T @ rows + prior, rows.T @ goal - prior @ offset)
    return offset, apart[0], apart[-1]


if __name__ == "__main__":
    main()
