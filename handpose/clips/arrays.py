"""The hands of a clip as arrays: what a tracker said, frame by frame, as an `.npz` for other programs.

Frames run along the first axis (T), hands along the second (K, the most at once). Where a frame has fewer hands,
numbers are NaN, `track` is -1 and `side` is empty. A hand keeps its column while it is in view, and comes back to it if
no other hand has taken it; what says which hand it is, is `track`. float32 unless noted.

    times_s (T,)  float64, seconds since the clip's beginning
    track (T, K)  int32, number of the hand's track, from 1
    side (T, K)  "left", "right" or ""
    filled (T, K)  bool: the hand was not seen, but shortly before and after; it is taken to have moved evenly between
    score (T, K)  0..1; of a filled hand the lower one of both
    box (T, K, 4), joints_2d (T, K, 21, 2)  pixels of the upright frame
    joints_3d (T, K, 21, 3)  metres, camera frame (x right, y down, z away)
    global_orient (T, K, 3), hand_pose (T, K, 45), betas (T, K, 10), transl (T, K, 3)
        as smplx.MANO(flat_hand_mean=True, use_pca=False) takes them, of a hand of its side
    scale (T, K)  multiplies the model's vertices before transl is added, 1 unless a person's size was told
    joint_angles (T, K, 20)  degrees, of joint_angle_names (20,); see `handpose.joint_angles`
    wrist_pose, operator_pose (T, K, 4, 4)  see `handpose.wrist_frame`
    joints_error_px, joints_error_mm, joints_hidden (T, K, 21)  see `handpose.joint_errors`; hidden is 1, seen 0
    intrinsics (3, 3)  float64, K; distortion (5,)  float64, OpenCV's k1, k2, p1, p2, k3
    camera_source  "user", "exif" (the file's own tags) or "default"
    size (2,)  int, width and height of the frames that pixels count in; hand_model  name, "" without any hand
"""
from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain, count

import numpy as np

from ..camera import Camera
from ..hand import Hand, TrackedHand
from ..hand_model.model import HandModel
from ..joint_angles import ANGLE_NAMES
from ..joint_errors import JointErrors, joint_errors
from ..whole_file import whole_file
from .gaps import Entry, hand_between, short_gaps

SHAPES = {"score": (), "box": (4,), "joints_2d": (21, 2), "joints_3d": (21, 3), "global_orient": (3,),
          "hand_pose": (45,), "betas": (10,), "transl": (3,), "scale": (), "joint_angles": (len(ANGLE_NAMES),),
          "wrist_pose": (4, 4), "operator_pose": (4, 4), **dict.fromkeys(JointErrors._fields, (21,))}


class ClipArrays:
    """Collects a clip's hands; meshes are not kept. See the module for the arrays."""

    def __init__(self, camera: Camera, width: int, height: int, hand_models: Mapping[str, HandModel] | None = None):
        """`hand_models` by side, which filling gaps needs: without, there are gaps."""
        self.camera, self.width, self.height, self.hand_models = camera, width, height, hand_models or {}
        self._times: list[float] = []
        self._frames: list[dict[int, Entry]] = []  # by column
        self._owners: list[int] = []  # the track that had a column last
        self._hand_model = ""

    def add(self, time_s: float, tracked: list[TrackedHand]) -> None:
        """Adds a frame."""
        frame, here = {}, {one.track for one in tracked}
        for one, errors in zip(tracked, joint_errors([one.hand for one in tracked]), strict=True):
            if one.track in self._owners:
                column = self._owners.index(one.track)
            else:
                column = next((k for k, owner in enumerate(self._owners) if owner not in here), len(self._owners))
                self._owners[column:column + 1] = [one.track]
            frame[column] = _entry(one.track, one.hand, errors)
            self._hand_model = one.hand.hand_model
        self._times.append(float(time_s))
        self._frames.append(frame)

    @property
    def tracks(self) -> list[int]:
        """The numbers of all tracks."""
        return sorted({entry.track for frame in self._frames for entry in frame.values()})

    def __len__(self) -> int:
        return len(self._frames)

    def arrays(self) -> dict[str, np.ndarray]:
        frames = self._without_short_gaps()
        shape = len(frames), max((column + 1 for frame in frames for column in frame), default=0)
        track, side, filled = np.full(shape, -1, np.int32), np.full(shape, "", "U5"), np.zeros(shape, bool)
        numbers = {name: np.full((*shape, *rest), np.nan, np.float32) for name, rest in SHAPES.items()}
        for row, frame in enumerate(frames):
            for column, entry in frame.items():
                track[row, column], side[row, column], filled[row, column] = entry.track, entry.side, entry.filled
                for name, value in entry.values.items():
                    numbers[name][row, column] = value
        return {"times_s": np.array(self._times), "track": track, "side": side, "filled": filled, **numbers,
                "intrinsics": self.camera.matrix, "distortion": np.array(self.camera.distortion or np.zeros(5)),
                "camera_source": np.array(self.camera.source),
                "size": np.array([self.width, self.height]), "hand_model": np.array(self._hand_model),
                "joint_angle_names": np.array(ANGLE_NAMES)}

    def _without_short_gaps(self) -> list[dict[int, Entry]]:
        frames, times = [dict(frame) for frame in self._frames], self._times
        for gap in short_gaps(times, self._frames):
            before, after = frames[gap.first][gap.columns[0]], frames[gap.last][gap.columns[1]]
            model, rows = self.hand_models.get(before.side), range(gap.first + 1, gap.last)
            if model is None or model.name != self._hand_model:
                continue
            column = next(k for k in chain(gap.columns, count()) if all(k not in frames[row] for row in rows))
            for row in rows:
                share = (times[row] - times[gap.first]) / (times[gap.last] - times[gap.first])
                hand = hand_between(before, after, share, model, self.camera)
                frames[row][column] = _entry(before.track, hand, *joint_errors([hand]), filled=True)
        return frames

    def save(self, path: str | os.PathLike) -> None:
        """Writes the arrays as an `.npz`, whole or not at all. Raises OSError."""
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **self.arrays())


def _entry(track: int, hand: Hand, errors: JointErrors, filled: bool = False) -> Entry:
    values = {name: np.asarray(_value(hand, errors, name), np.float32) for name in SHAPES}
    return Entry(track, hand.side, values, filled)


def _value(hand: Hand, errors: JointErrors, name: str) -> np.ndarray | list[float]:
    """What an array of SHAPES holds of a hand."""
    if name in JointErrors._fields:
        return getattr(errors, name)
    return [*hand.joint_angles.values()] if name == "joint_angles" else getattr(hand, name)
