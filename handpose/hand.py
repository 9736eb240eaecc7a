"""What is known of one hand in a photo, and how a whole photo's result is written down."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import Camera

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

    @property
    def distance(self) -> float:
        """Metres from the camera to the wrist."""
        return float(np.linalg.norm(self.joints_3d[0]))

    @property
    def certainty(self) -> str:
        """The score in words: "sure", "fairly sure" or "not sure"."""
        return "sure" if self.score >= SURE else "fairly sure" if self.score >= FAIRLY_SURE else "not sure"

    def to_dict(self) -> dict:
        """The hand as JSON-ready values (see `result_to_dict`)."""
        return {"side": self.side, "score": round(float(self.score), 4), "box": _rounded(self.box, 2),
                "hand_model": self.hand_model, "joints_2d": _rounded(self.joints_2d, 2),
                "joints_3d": _rounded(self.joints_3d, 5),
                "mano": {"global_orient": _rounded(self.global_orient, 5), "hand_pose": _rounded(self.hand_pose, 5),
                         "betas": _rounded(self.betas, 5), "transl": _rounded(self.transl, 5)}}


def result_to_dict(image: str, width: int, height: int, camera: Camera, hands: list[Hand]) -> dict:
    """The result of one photo as JSON-ready values; `hands` may be empty."""
    return {"image": image, "width": width, "height": height,
            "camera": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy, "source": camera.source},
            "hands": [hand.to_dict() for hand in hands]}


def _rounded(values: np.ndarray, decimals: int) -> list:
    return np.asarray(values, float).round(decimals).tolist()
