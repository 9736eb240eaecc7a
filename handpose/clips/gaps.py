"""Short gaps in what a tracker saw of a hand: it is taken to have moved evenly from where it was lost to where it was
found again."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ..camera import Camera
from ..hand import Hand
from ..hand_model.model import HandModel

LONGEST_S = 0.3  # of a gap that is filled; in a longer one, a hand may have done anything


class Entry(NamedTuple):
    """What a frame's arrays hold of one hand."""
    track: int
    side: str
    values: dict[str, np.ndarray]  # by the names of `arrays.SHAPES`
    filled: bool = False


class Gap(NamedTuple):
    """Frames `first` .. `last` in which a hand was seen, and was not in those between."""
    first: int
    last: int
    columns: tuple[int, int]  # where the hand stands in these two


def short_gaps(times_s: Sequence[float], frames: Sequence[Mapping[int, Entry]]) -> Iterator[Gap]:
    """The short gaps of each track, while it kept its side. `frames`: column -> hand."""
    seen: dict[tuple[int, str], tuple[int, int]] = {}  # the frame and the column in which a hand was last
    for row, frame in enumerate(frames):
        for column, entry in frame.items():
            before, old_column = seen.get((entry.track, entry.side), (row, column))
            if row - before > 1 and times_s[row] - times_s[before] <= LONGEST_S:
                yield Gap(before, row, (old_column, column))
            seen[entry.track, entry.side] = row, column


def hand_between(before: Entry, after: Entry, share: float, model: HandModel, camera: Camera) -> Hand:
    """The hand when a `share` (0..1) of the gap is over: each joint has turned about one axis, the wrist has moved in a
    straight line. Its score is the lower one of both."""
    start, end = (Rotation.from_rotvec(np.append(entry.values["global_orient"], entry.values["hand_pose"]
                                                 ).reshape(16, 3).astype(float)) for entry in (before, after))
    pose = start * Rotation.from_rotvec(share * (start.inv() * end).as_rotvec())
    betas, transl = ((1 - share) * before.values[name] + share * after.values[name] for name in ("betas", "transl"))
    posed = model.pose(pose.as_matrix()[None], betas[None], transl[None])
    joints_3d = model.data_joints(posed)[0].astype(float)
    joints_2d = camera.project(joints_3d)
    rotvec = pose.as_rotvec()
    return Hand(side=before.side, score=float(min(before.values["score"], after.values["score"])),
                box=np.concatenate([joints_2d.min(0), joints_2d.max(0)]), hand_model=model.name, joints_2d=joints_2d,
                joints_3d=joints_3d, vertices=posed.vertices[0], faces=model.faces, global_orient=rotvec[0],
                hand_pose=rotvec[1:].reshape(45), betas=betas, transl=transl, scale=model.scale)
