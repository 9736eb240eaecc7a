"""The hands of a photo: what is known of each, and how the result is written down."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .camera import Camera
from .joint_angles import joint_angles
from .joint_errors import joint_errors
from .wrist_frame import openxr_poses, operator_pose, wrist_pose

SURE, FAIRLY_SURE = 0.9, 0.7  # scores from which on these words are right; clear photos score .93 and more


@dataclass(frozen=True)
class Hand:
    """One estimated hand. Points are metres in the photo's camera frame or pixels of the upright photo.

    MANO parameters are those of a hand of this `side`, axis-angle radians relative to the flat rest pose.
    """
    side: str  # "left" or "right", anatomical
    score: float  # 0..1, confidence that this is a hand of this side and well estimated
    box: np.ndarray  # (4,) u0, v0, u1, v1: of the joints in the photo
    hand_model: str  # name of the hand model whose betas and vertices these are
    joints_2d: np.ndarray  # (21, 2) pixels
    joints_3d: np.ndarray  # (21, 3) metres
    vertices: np.ndarray  # (V, 3) metres
    faces: np.ndarray  # (F, 3) int32, wound so that normals point outwards
    global_orient: np.ndarray  # (3,)
    hand_pose: np.ndarray  # (45,)
    betas: np.ndarray  # (10,)
    transl: np.ndarray  # (3,) metres
    scale: float = 1.0  # how many times as large as the hand model with these betas, where a person's size was told
    spread: np.ndarray | None = None  # (21,) pixels that the network expects its joints to be off: see `joint_errors`

    @property
    def distance(self) -> float:
        """Metres from the camera to the wrist."""
        return float(np.linalg.norm(self.joints_3d[0]))

    @property
    def certainty(self) -> str:
        """The score in words: "sure", "fairly sure" or "not sure"."""
        return "sure" if self.score >= SURE else "fairly sure" if self.score >= FAIRLY_SURE else "not sure"

    @property
    def joint_angles(self) -> dict[str, float]:
        """Degrees by name ("index_mcp_flexion", ..): see `handpose.joint_angles`."""
        return joint_angles(self)

    @property
    def wrist_pose(self) -> np.ndarray:
        """The wrist's pose (4, 4) in the camera's frame, in MANO's axes: see `handpose.wrist_frame`."""
        return wrist_pose(self)

    @property
    def operator_pose(self) -> np.ndarray:
        """The wrist's pose (4, 4) in the camera's frame, in dex-retargeting's axes: see `handpose.wrist_frame`."""
        return operator_pose(self)

    @property
    def openxr_poses(self) -> np.ndarray:
        """The poses (26, 4, 4) of OpenXR's joints in the camera's frame: see `handpose.wrist_frame`."""
        return openxr_poses(self)

    def seen_by(self, camera: Camera) -> Hand:
        """The same hand in space, its pixels those of another camera in the same place."""
        joints_2d = camera.project(self.joints_3d)
        larger = np.ptp(joints_2d, axis=0).max() / np.ptp(self.joints_2d, axis=0).max()
        return replace(self, joints_2d=joints_2d, box=np.concatenate([joints_2d.min(0), joints_2d.max(0)]),
                       spread=None if self.spread is None else self.spread * larger)

    def to_dict(self) -> dict:
        """The hand as JSON-ready values, without what depends on other hands (see `Result.to_dict`)."""
        return {"side": self.side, "score": round(float(self.score), 4), "box": _rounded(self.box, 2),
                "hand_model": self.hand_model, "scale": round(float(self.scale), 5),
                "joints_2d": _rounded(self.joints_2d, 2), "joints_3d": _rounded(self.joints_3d, 5),
                "mano": {"global_orient": _rounded(self.global_orient, 5), "hand_pose": _rounded(self.hand_pose, 5),
                         "betas": _rounded(self.betas, 5), "transl": _rounded(self.transl, 5)},
                "joint_angles": {name: round(angle, 1) for name, angle in self.joint_angles.items()},
                "wrist_pose": _rounded(self.wrist_pose, 5), "operator_pose": _rounded(self.operator_pose, 5)}


@dataclass(frozen=True)
class TrackedHand:
    """A hand of one frame of a clip and the number of its track, which counts from 1 and is never used again."""
    track: int
    hand: Hand


@dataclass(frozen=True)
class Result:
    """The hands of one photo, surest first, and the camera that they are placed before."""
    width: int  # pixels of the upright photo
    height: int
    camera: Camera
    hands: list[Hand]

    def to_dict(self, image: str) -> dict:
        """JSON-ready values; `image` is the name that they give the photo."""
        camera = self.camera
        return {"image": image, "width": self.width, "height": self.height,
                "camera": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, "source": camera.source,
                           **({"distortion": list(camera.distortion)} if camera.distortion else {})},
                "hands": [hand.to_dict() | errors.to_dict()
                          for hand, errors in zip(self.hands, joint_errors(self.hands), strict=True)]}


def _rounded(values: np.ndarray, decimals: int) -> list:
    return np.asarray(values, float).round(decimals).tolist()
