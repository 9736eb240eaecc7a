"""What a checkpoint is measured on: photos with true 3D joints, photos with pseudo-labels, renders, in one form."""
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from handpose.camera import Camera
from handpose.detection.landmarks import MIN_PRESENCE, Landmarks
from handpose.hand_model.layer import HandLayer

from ..synthesis.subjects import KINDS

RELIABLE_FLIP = 0.05  # of the box: what the landmark model says of a photo and of its mirror image may differ by less
RELIABLE_SPREAD = 0.02  # of the box: mean deviation of a label's joints over the landmark model's views
SKIN_TONE = "skin tone"
TONES = ("0 very light", "1 light", "2 intermediate", "3 tan", "4 brown", "5 dark")
VIEW_ANGLES = (0, 45, 90, 135, 180)  # degrees; 0 looks into the palm
OCCLUDED = (0, 0.1, 0.3, 0.6)  # share of the hand's silhouette


@dataclass(frozen=True)
class Case:
    """A photo and what is known of one hand in it.

    `goal_2d` (21, 2) pixels; `goal_3d` (21, 3) and `vertices` (V, 3) metres, the camera's frame, and that `camera`,
    where they are known. `told`: whether the estimator is told the camera, too; else it takes that which it takes for
    such a photo. `found` are the hands that a landmark model found; None: they are yet to be looked for. `groups`, what
    is told apart: grouping -> rank and name of the case's group.
    """
    photo: Path
    goal_2d: np.ndarray
    goal_3d: np.ndarray | None = None
    vertices: np.ndarray | None = None
    side: str | None = None
    camera: Camera | None = None
    told: bool = False
    found: tuple[Landmarks, ...] | None = None
    groups: dict[str, tuple[int, str]] = field(default_factory=dict)


def photos_with_joints(folder: Path, side: str | None = None, told: bool = False) -> list[Case]:
    """Photos with true 3D joints: `folder` holds images/ and labels.npz.

    labels.npz: `names` (N,), `joints` (N, 21, 3) metres, `camera` (N, 4) fx, fy, cx, cy, which the estimator is not
    told unless `told`, and perhaps `side` (N,); without it, all hands are of `side`.
    """
    labels = _read(folder / "labels.npz", ("names", "joints", "camera"))
    sides = labels.get("side", [side] * len(labels["names"]))
    goals = labels["joints"].astype(float)
    cameras = [Camera(*map(float, camera)) for camera in labels["camera"]]
    return [Case(folder / "images" / str(name), camera.project(goal), goal, side=_side(hand), camera=camera, told=told)
            for name, goal, camera, hand in zip(labels["names"], goals, cameras, sides, strict=True)]


def photo_sets(folder: Path, sets: list[str], labels_file: Path | None = None) -> list[Case]:
    """Photos of `sets`, folders in `folder`, whose pseudo-labels are reliable, grouped by set.

    A set's labels.npz has `fname` (N,), `landmarks_px` (N, 21, 2 or 3), `handedness` (N,) and `flip_err` (N,), how far
    the mirror image's landmarks are away. With `labels_file`, of `train.pseudo_label`, the goal is that file's median
    over several views, and photos whose views agree are a second grouping.
    """
    medians = _medians(labels_file) if labels_file else {}
    cases = []
    for rank, name in enumerate(sets):
        labels = _read(folder / name / "labels.npz", ("fname", "landmarks_px", "handedness", "flip_err"))
        rows = zip(*(labels[key] for key in ("fname", "landmarks_px", "handedness", "flip_err")), strict=True)
        for photo, goal, side, flip_error in rows:
            goal, spread = medians.get((name, str(photo)), (goal, np.inf))
            groups = {}
            if flip_error < RELIABLE_FLIP:
                groups[f"flip error < {RELIABLE_FLIP}"] = rank, name
            if spread < RELIABLE_SPREAD:
                groups[f"spread < {RELIABLE_SPREAD}"] = rank, name
            if groups:
                cases.append(Case(folder / name / str(photo), goal[:, :2].astype(float), side=_side(side),
                                  groups=groups))
    if not cases:
        raise ValueError(f"No photo of the sets {', '.join(sets)} in {folder} has a reliable label; name other sets.")
    return cases


def renders(folder: Path, landmarks_file: Path | None = None, count: int | None = None) -> list[Case]:
    """The first `count` images (default: all) of a folder of `train.synthesize`, their cameras known.

    With `landmarks_file`, of `train.pseudo_label`, hands are found as its first view says and their side is taken as
    known; without it the detector looks for them.
    """
    labels = _read(folder / "labels.npz", ("joints", "joints_2d", "K", "tone", "view_angle", "occluded"))
    seen = _read(landmarks_file, ("view_points", "view_world", "view_presence")) if landmarks_file else None
    count = len(labels["joints"]) if count is None else min(count, len(labels["joints"]))
    if seen and len(seen["view_points"]) < count:
        raise ValueError(f"{landmarks_file} is of fewer images than {folder} holds; make it anew.")
    with torch.no_grad():
        vertices = HandLayer.load()(*(torch.from_numpy(labels[key][:count]) for key in (
            "global_orient", "hand_pose", "betas", "transl"))).vertices.numpy()
    kinds = {kind: rank for rank, kind in enumerate(KINDS)}
    cases = []
    for row in range(count):
        kind = str(labels["kind"][row]) if "kind" in labels else None  # which older renders do not say
        matrix, found = labels["K"][row].astype(float), None
        if seen:
            presence = float(seen["view_presence"][row, 0])
            found = (Landmarks(seen["view_points"][row, 0].astype(float), seen["view_world"][row, 0].astype(float),
                               presence, right=1.0),) if presence >= MIN_PRESENCE else ()
        cases.append(Case(
            folder / "training" / "rgb" / f"{row:08d}.jpg", labels["joints_2d"][row].astype(float),
            labels["joints"][row].astype(float), vertices[row], None if seen else "right",
            Camera(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]), True, found,
            {SKIN_TONE: (int(labels["tone"][row]), TONES[labels["tone"][row]]),
             "view angle": in_bin(labels["view_angle"][row], VIEW_ANGLES),
             "occlusion": in_bin(labels["occluded"][row], OCCLUDED),
             **({"kind": (kinds.get(kind, len(kinds)), kind)} if kind else {})}))
    return cases


def in_bin(value: float, edges: tuple[float, ...]) -> tuple[int, str]:
    """Rank and name, "low-high", of the bin that a value lies in; the outermost take what lies beyond the edges."""
    rank = int(np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2))
    return rank, f"{edges[rank]}-{edges[rank + 1]}"


def _side(text: str | None) -> str | None:
    return None if text is None else str(text).lower()


def _medians(labels_file: Path) -> dict[tuple[str, str], tuple[np.ndarray, float]]:
    """(set, file) -> points (21, 3) and mean spread."""
    labels = _read(labels_file, ("set", "fname", "points", "spread"))
    keys = zip(labels["set"].tolist(), labels["fname"].tolist(), strict=True)
    return dict(zip(keys, zip(labels["points"], labels["spread"].mean(1), strict=True), strict=True))


def _read(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """All arrays of an `.npz`. Raises FileNotFoundError or ValueError where the file or one of `keys` is not there."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}; give the folder or file that train/README.md describes.")
    with np.load(path, allow_pickle=False) as file:
        missing = set(keys) - set(file.files)
        if missing:
            raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; give a file of another kind or make it anew.")
        return {key: file[key] for key in file.files}
