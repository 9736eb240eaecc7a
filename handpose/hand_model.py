"""The hand model: MANO parameters -> posed vertices and joints, differentiable.

Linear blend skinning with shape and pose blend shapes as in MANO (Romero et al., Embodied Hands, 2017, eq. 1-5).
The model file ships as `assets/open_hand.npz`; its keys are MANO's, so MANO's own files fit the same layer.
"""
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import roma
import torch
from torch import Tensor, nn

from .model_file import OPEN_HAND, is_left, read_arrays
from .skeleton import MANO_TO_JOINT, TIP_JOINTS

MANO_TIP_VERTICES = (744, 320, 443, 555, 672)  # thumb .. little, of MANO's 778; its own files do not name them
DISTAL_MANO_JOINTS = (15, 3, 6, 12, 9)  # the last posed joint of thumb, index, middle, ring, little


class PosedHand(NamedTuple):
    """Metres, in the camera frame when `transl` is."""
    vertices: Tensor  # (B, V, 3)
    joints: Tensor  # (B, 21, 3)


class HandModel(nn.Module):
    """A hand in MANO's format. Right unless mirrored by `left()`.

    Poses are relative to the flat rest pose, where every joint's frame is aligned with the model's axes. The 21 joints
    are the 16 posed ones and five fingertip vertices, each moved by a constant offset in its bone's frame
    (`joint_offsets`, zero for MANO): the field's joint convention without moving the skeleton. `hands_mean` (45,) and
    `hands_components` (45, 45) are MANO's pose space (see `handpose.mano`), None where the file has none.
    """

    def __init__(self, arrays: dict[str, np.ndarray], name: str):
        super().__init__()
        self.name = name
        for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights"):
            self.register_buffer(key, torch.as_tensor(np.asarray(arrays[key], np.float32)), persistent=False)
        offsets = arrays.get("joint_offsets", np.zeros((21, 3)))
        self.register_buffer("joint_offsets", torch.as_tensor(np.asarray(offsets, np.float32)), persistent=False)
        self.faces = np.asarray(arrays["f"], np.int32)
        self.parents = [-1, *np.asarray(arrays["kintree_table"])[0, 1:].astype(int).tolist()]
        self.tip_vertices = np.asarray(arrays.get("tip_vertices", MANO_TIP_VERTICES), int).tolist()
        self.uv, self.uv_faces = arrays.get("uv"), arrays.get("uv_faces")
        self.hands_mean, self.hands_components = arrays.get("hands_mean"), arrays.get("hands_components")
        # Which posed joint carries each of the 21, and where it stands among [16 posed joints, 5 tips].
        bone, order = np.zeros(21, int), np.zeros(21, int)
        bone[list(MANO_TO_JOINT)], order[list(MANO_TO_JOINT)] = range(16), range(16)
        bone[list(TIP_JOINTS)], order[list(TIP_JOINTS)] = DISTAL_MANO_JOINTS, range(16, 21)
        self.joint_bone, self.joint_order = bone.tolist(), order.tolist()

    @classmethod
    def load(cls, path: str | Path = OPEN_HAND) -> HandModel:
        """Reads MANO's pickle or a `.npz` with its keys; of a left hand (MANO_LEFT) the right hand that it mirrors.

        A file that does not say its name is MANO's. Raises FileNotFoundError or ValueError naming the remedy.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"No hand model at {path}; `python -m train.bake_hand` makes the open hand.")
        arrays = read_arrays(path)
        model = cls(arrays, str(arrays.get("name", "mano")))
        return model.left() if is_left(arrays) else model

    def left(self) -> HandModel:
        """The mirror image (x -> -x, as MANO_LEFT is MANO_RIGHT's), triangles wound to keep normals outwards."""
        flip = np.array([-1.0, 1, 1])
        arrays = {key: getattr(self, key).cpu().numpy() for key in ("J_regressor", "weights")}
        arrays |= {"v_template": self.v_template.cpu().numpy() * flip,
                   "shapedirs": self.shapedirs.cpu().numpy() * flip[:, None],
                   "joint_offsets": self.joint_offsets.cpu().numpy() * flip,
                   # A mirrored rotation is M R M: element (row, column) changes sign as flip[row] * flip[column].
                   "posedirs": self.posedirs.cpu().numpy() * flip[:, None] * np.tile(np.outer(flip, flip).ravel(), 15),
                   "f": self.faces[:, ::-1], "tip_vertices": self.tip_vertices,
                   "kintree_table": np.array([self.parents, range(16)])}
        if self.uv is not None:
            arrays |= {"uv": self.uv, "uv_faces": self.uv_faces[:, ::-1]}
        if self.hands_mean is not None:
            arrays |= {"hands_mean": mirror_rotvec(self.hands_mean.reshape(15, 3)).ravel()}
        if self.hands_components is not None:
            arrays |= {"hands_components": mirror_rotvec(self.hands_components.reshape(45, 15, 3)).reshape(45, 45)}
        return HandModel(arrays, self.name).to(self.v_template)

    def joints_only(self) -> HandModel:
        """The same hand with 21 vertices, the rest joints and fingertips: the same `joints`, many times faster."""
        tips = self.tip_vertices
        arrays = {key: torch.cat([torch.einsum("jv,v...->j...", self.J_regressor, value), value[tips]]).cpu().numpy()
                  for key, value in (("v_template", self.v_template), ("shapedirs", self.shapedirs))}
        arrays |= {"J_regressor": np.eye(16, 21), "weights": np.vstack([np.eye(16), self.weights[tips].cpu().numpy()]),
                   "posedirs": np.concatenate([np.zeros((16, 3, 135)), self.posedirs[tips].cpu().numpy()]),
                   "joint_offsets": self.joint_offsets.cpu().numpy(), "tip_vertices": range(16, 21),
                   "kintree_table": np.array([self.parents, range(16)]), "f": np.zeros((0, 3))}
        return HandModel(arrays, self.name).to(self.v_template)

    def forward(self, global_orient: Tensor, hand_pose: Tensor, betas: Tensor, transl: Tensor) -> PosedHand:
        """Poses the hand from axis-angle: (B, 3), (B, 45) radians, (B, 10), (B, 3) metres."""
        rotvec = torch.cat([global_orient, hand_pose], 1).reshape(-1, 16, 3)
        return self.pose(roma.rotvec_to_rotmat(rotvec), betas, transl)

    def pose(self, rotations: Tensor, betas: Tensor, transl: Tensor) -> PosedHand:
        """Poses the hand from rotation matrices (B, 16, 3, 3), betas (B, 10) and transl (B, 3) metres."""
        shaped, rest_joints = self.rest(betas)
        feature = (rotations[:, 1:] - torch.eye(3).to(rotations)).reshape(len(rotations), 135)
        posed_rest = shaped + torch.einsum("vcp,bp->bvc", self.posedirs, feature)
        turns, places = self.chain(rotations, rest_joints)

        shift = places - torch.einsum("bjik,bjk->bji", turns, rest_joints)
        turn_of_vertex = torch.einsum("vj,bjik->bvik", self.weights, turns)
        vertices = torch.einsum("bvik,bvk->bvi", turn_of_vertex, posed_rest) + self.weights @ shift

        joints = torch.cat([places, vertices[:, self.tip_vertices]], 1)[:, self.joint_order]
        joints = joints + torch.einsum("bjik,jk->bji", turns[:, self.joint_bone], self.joint_offsets)
        return PosedHand(vertices + transl[:, None], joints + transl[:, None])

    def rest(self, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (B, V, 3) and posed joints (B, 16, 3) of hands of these shapes (B, 10) in the rest pose."""
        shaped = self.v_template + torch.einsum("vcs,bs->bvc", self.shapedirs, betas)
        return shaped, torch.einsum("jv,bvc->bjc", self.J_regressor, shaped)

    def chain(self, rotations: Tensor, rest_joints: Tensor) -> tuple[Tensor, Tensor]:
        """The joints' frames (B, 16, 3, 3) and places (B, 16, 3) after turning each by its rotation, without transl."""
        turns, places = [rotations[:, 0]], [rest_joints[:, 0]]
        for joint, parent in enumerate(self.parents[1:], 1):
            turns.append(turns[parent] @ rotations[:, joint])
            bone = rest_joints[:, joint] - rest_joints[:, parent]
            places.append(places[parent] + torch.einsum("bij,bj->bi", turns[parent], bone))
        return torch.stack(turns, 1), torch.stack(places, 1)


def mirror_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3) of the mirrored motion (x -> -x): turns a right hand's parameters into a left hand's."""
    return np.asarray(rotvec) * [1.0, -1.0, -1.0]
