"""All hands of a run as one table (`--csv`): a row for each joint of each hand, made from the results that lie there.

    image        the photo's or clip's name, as in its JSON
    frame        number of the clip's picture, from 0; empty for photos
    time_s       its time, seconds
    hand         in a photo its number from 0, surest first; in a clip the number of its track, from 1
    side, score  "left" or "right"; 0..1
    filled       1 where a clip's hand was not seen, but shortly before and after, and is taken to have moved evenly
    joint        name of one of the 21 joints, as in `hand_model.skeleton.JOINT_NAMES`
    u, v         pixels of the upright photo
    x, y, z      metres, camera frame (x right, y down, z away)
    error_px, error_mm  how far off it is to be expected, and hidden, 1 where it is: see `handpose.joint_errors`; errors
                 are empty where they are not known, as of filled hands
    flexion_deg, abduction_deg  of the joint, see `handpose.joint_angles`; empty where it has none

A photo or picture without a hand has no row.
"""
from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..foreign_file import read_bytes
from ..hand_model.skeleton import JOINT_NAMES
from ..joint_angles import ABDUCTION, FLEXION
from ..joint_errors import JointErrors
from ..whole_file import whole_file
from .jobs import Job, UsageError

NAME = "hands.csv"
ERRORS = JointErrors._fields
COLUMNS = ("image", "frame", "time_s", "hand", "side", "score", "filled", "joint", "u", "v", "x", "y", "z",
           "error_px", "error_mm", "hidden", "flexion_deg", "abduction_deg")
MOST_BYTES = 1 << 30  # of a photo's JSON or a clip's arrays


def write_table(folder: Path, jobs: Iterable[Job]) -> Path:
    """Writes the table of what lies in the output folder of these jobs, and returns its path.

    Raises UsageError for results that are none, and OSError.
    """
    with whole_file(folder / NAME) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for job in jobs:
            result = folder / f"{job.stem}{'.npz' if job.is_clip else '.json'}"
            try:
                table.writerows(_rows_of_clip(job.image, result) if job.is_clip else _rows_of_photo(result))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise UsageError(f"{result} is not what was written there: do it anew with --again.") from error
    return folder / NAME


def _rows_of_photo(path: Path) -> Iterator[list]:
    result = json.loads(read_bytes(path, MOST_BYTES))
    for number, hand in enumerate(result["hands"]):
        about = [result["image"], "", "", number, hand["side"], hand["score"], 0]
        unknown = [math.nan] * len(JOINT_NAMES)
        errors = [hand.get("joints_error_px", unknown), hand.get("joints_error_mm", unknown), hand["joints_hidden"]]
        yield from _rows(about, hand["joints_2d"], hand["joints_3d"], errors, hand["joint_angles"])


def _rows_of_clip(image: str, path: Path) -> Iterator[list]:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("times_s", "track", "side", "score", "filled", "joints_2d", "joints_3d",
                                                *ERRORS, "joint_angles", "joint_angle_names")}
    names = arrays["joint_angle_names"].tolist()
    for frame, column in np.argwhere(arrays["track"] > 0):
        at = frame, column
        angles = dict(zip(names, arrays["joint_angles"][at].tolist(), strict=True))
        about = [image, int(frame), round(float(arrays["times_s"][frame]), 5), int(arrays["track"][at]),
                 str(arrays["side"][at]), round(float(arrays["score"][at]), 4), int(arrays["filled"][at])]
        yield from _rows(about, arrays["joints_2d"][at].tolist(), arrays["joints_3d"][at].tolist(),
                         [arrays[name][at].tolist() for name in ERRORS], angles)


def _rows(about: list, joints_2d: list, joints_3d: list, errors: list[list], angles: dict[str, float]
          ) -> Iterator[list]:
    for joint, uv, xyz, error_px, error_mm, hidden in zip(JOINT_NAMES, joints_2d, joints_3d, *errors, strict=True):
        motions = [angles.get(f"{joint}_{motion}", math.nan) for motion in (FLEXION, ABDUCTION)]
        yield [*about, joint, *(round(value, 2) for value in uv), *(round(value, 5) for value in xyz),
               _known(error_px, 2), _known(error_mm, 1), int(hidden), *(_known(angle, 1) for angle in motions)]


def _known(value: float, decimals: int) -> float | str:
    return "" if math.isnan(value) else round(value, decimals)
