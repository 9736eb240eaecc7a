"""The hands of a clip as arrays: what a tracker said, frame by frame, as an `.npz` for other programs.

Frames run along the first axis (T), hands along the second (K, the most at once). Where a frame has fewer hands,
numbers are NaN, `track` is -1 and `side` is empty. A hand keeps its column while it is in view, and comes back to it if
no other hand has taken it; what says which hand it is, is `track`. float32 unless noted.

    times_s (T,)  float64, seconds since the clip's beginning
    track (T, K)  int32, number of the hand's track, from 1
    side (T, K)  "left", "right" or ""
    score (T, K)  0..1
    box (T, K, 4), joints_2d (T, K, 21, 2)  pixels of the upright frame
    joints_3d (T, K, 21, 3)  metres, camera frame (x right, y down, z away)
    global_orient (T, K, 3), hand_pose (T, K, 45), betas (T, K, 10), transl (T, K, 3)
        as smplx.MANO(flat_hand_mean=True, use_pca=False) takes them, of a hand of its side
    scale (T, K)  multiplies the model's vertices before transl is added, 1 unless a person's size was told
    joint_angles (T, K, 20)  degrees, of joint_angle_names (20,); see `handpose.joint_angles`
    wrist_pose, operator_pose (T, K, 4, 4)  see `handpose.wrist_frame`
    intrinsics (3, 3)  float64, K; distortion (5,)  float64, OpenCV's k1, k2, p1, p2, k3
    camera_source  "user" or "default"
    size (2,)  int, width and height of the frames that pixels count in; hand_model  name, "" without any hand
"""
from __future__ import annotations

import os

import numpy as np

from ..camera import Camera
from ..hand import Hand, TrackedHand
from ..joint_angles import ANGLE_NAMES
from ..whole_file import whole_file

SHAPES = {"score": (), "box": (4,), "joints_2d": (21, 2), "joints_3d": (21, 3), "global_orient": (3,),
          "hand_pose": (45,), "betas": (10,), "transl": (3,), "scale": (), "joint_angles": (len(ANGLE_NAMES),),
          "wrist_pose": (4, 4), "operator_pose": (4, 4)}


class ClipArrays:
    """Collects a clip's hands; meshes are not kept. See the module for the arrays."""

    def __init__(self, camera: Camera, width: int, height: int):
        self.camera, self.width, self.height = camera, width, height
        self._times: list[float] = []
        self._frames: list[dict[int, tuple]] = []  # column -> track, side, then the values of SHAPES
        self._owners: list[int] = []  # the track that had a column last
        self._hand_model = ""

    def add(self, time_s: float, tracked: list[TrackedHand]) -> None:
        """Adds a frame."""
        frame, here = {}, {one.track for one in tracked}
        for one in tracked:
            if one.track in self._owners:
                column = self._owners.index(one.track)
            else:
                column = next((k for k, owner in enumerate(self._owners) if owner not in here), len(self._owners))
                self._owners[column:column + 1] = [one.track]
            hand = one.hand
            values = (np.asarray(_value(hand, name), np.float32) for name in SHAPES)
            frame[column] = (one.track, hand.side, *values)
            self._hand_model = hand.hand_model
        self._times.append(float(time_s))
        self._frames.append(frame)

    @property
    def tracks(self) -> list[int]:
        """The numbers of all tracks."""
        return sorted({values[0] for frame in self._frames for values in frame.values()})

    def __len__(self) -> int:
        return len(self._frames)

    def arrays(self) -> dict[str, np.ndarray]:
        shape = len(self._frames), len(self._owners)
        track, side = np.full(shape, -1, np.int32), np.full(shape, "", "U5")
        numbers = {name: np.full((*shape, *rest), np.nan, np.float32) for name, rest in SHAPES.items()}
        for row, frame in enumerate(self._frames):
            for column, values in frame.items():
                track[row, column], side[row, column] = values[:2]
                for name, value in zip(SHAPES, values[2:], strict=True):
                    numbers[name][row, column] = value
        return {"times_s": np.array(self._times), "track": track, "side": side, **numbers,
                "intrinsics": self.camera.matrix, "distortion": np.array(self.camera.distortion or np.zeros(5)),
                "camera_source": np.array(self.camera.source),
                "size": np.array([self.width, self.height]), "hand_model": np.array(self._hand_model),
                "joint_angle_names": np.array(ANGLE_NAMES)}

    def save(self, path: str | os.PathLike) -> None:
        """Writes the arrays as an `.npz`, whole or not at all. Raises OSError."""
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **self.arrays())


def _value(hand: Hand, name: str) -> np.ndarray | list[float]:
    """What an array of SHAPES holds of a hand."""
    return [*hand.joint_angles.values()] if name == "joint_angles" else getattr(hand, name)
