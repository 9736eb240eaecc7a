"""The hand model: MANO parameters -> posed vertices and joints, in NumPy; `layer` is the same in torch.

Linear blend skinning with shape and pose blend shapes as in MANO (Romero et al., Embodied Hands, 2017, eq. 1-5).
The model file ships as `assets/open_hand.npz`; its keys are MANO's, so MANO's own files fit the same model.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .model_file import OPEN_HAND, is_left, read_arrays
from .rotations import rotvec_to_rotmat
from .skeleton import MANO_TO_JOINT, MIRROR, TIP_JOINTS

Array: TypeAlias = Any  # of NumPy, or of torch in a `HandLayer`
MANO_TIP_VERTICES = (744, 320, 443, 555, 672)  # thumb .. little, of MANO's 778; its own files do not name them
LEAST_SHARE = 1e-6  # of a joint: skin that makes up less of it is left out
DISTAL_MANO_JOINTS = (15, 3, 6, 12, 9)  # the last posed joint of thumb, index, middle, ring, little


class PosedHand(NamedTuple):
    """Metres, in the camera frame when `transl` is."""
    vertices: Array  # (B, V, 3)
    joints: Array  # (B, 21, 3)
    turns: Array  # (B, 16, 3, 3) frames of MANO's joints
    pivots: Array  # (B, 16, 3) where these are turned about


class HandModel:
    """A hand in MANO's format. Right unless mirrored by `left()`.

    Poses are relative to the flat rest pose, where every joint's frame is aligned with the model's axes. The 21 joints
    are the 16 posed ones and five fingertip vertices, each moved by a constant offset in its bone's frame
    (`joint_offsets`, zero for MANO): the field's joint convention without moving the skeleton. `hands_mean` (45,) and
    `hands_components` (45, 45) are MANO's pose space (see `mano`), None where the file has none. `version` is the open
    hand's (`model_file.OPEN_HAND_VERSION`), 1 where the file does not say. The model is held in float32; results are as
    precise as the parameters.
    """
    xp = np  # the namespace of the arrays that it holds and works on
    scale = 1.0  # how many times as large as its file says
    rotvec_to_rotmat = staticmethod(rotvec_to_rotmat)

    def __init__(self, arrays: dict[str, np.ndarray], name: str):
        self.name, self.joints_of_mesh = name, name == "mano"
        self.version = int(arrays.get("version", 1))
        for key in ("v_template", "posedirs", "J_regressor", "weights"):
            self._hold(key, np.asarray(arrays[key], np.float32))
        # One beta's whole hand after the other in memory: adding them up is five times as fast.
        shapedirs = np.moveaxis(np.ascontiguousarray(np.moveaxis(arrays["shapedirs"], 2, 0), np.float32), 0, 2)
        self._hold("shapedirs", shapedirs)
        self._hold("_joint_shapedirs", np.einsum("jv,vis->jis", arrays["J_regressor"], shapedirs).astype(np.float32))
        self._hold("joint_offsets", np.asarray(arrays.get("joint_offsets", np.zeros((21, 3))), np.float32))
        self._hold("_identity", np.eye(3, dtype=np.float32))
        self._bulges = bool(np.any(arrays["posedirs"]))  # the open hand has no pose blend shapes
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
        self._hold("ancestors", _ancestors(self.parents))
        levels = _levels(self.parents)
        done = sum(levels, [])
        parents = [[self.parents[joint] for joint in joints] for joints in levels]
        # For each level below the root: its joints, their parents, and where these stand among all that come before.
        self._levels = [(np.array(joints), np.array(above), np.array([done.index(joint) for joint in above]))
                        for joints, above in zip(levels[1:], parents[1:], strict=True)]
        self._level_order = np.argsort(done)

    def _hold(self, key: str, array: np.ndarray) -> None:
        """Keeps one of the model's arrays as an attribute."""
        setattr(self, key, array)

    def arrays(self) -> dict[str, np.ndarray]:
        """By MANO's names, what makes this hand again."""
        arrays = {key: np.asarray(getattr(self, key)) for key in ("v_template", "shapedirs", "posedirs", "J_regressor",
                                                                  "weights", "joint_offsets")}
        arrays |= {"f": self.faces, "tip_vertices": self.tip_vertices,
                   "kintree_table": np.array([self.parents, range(16)]), "version": self.version}
        optional = ("uv", "uv_faces", "hands_mean", "hands_components")
        return arrays | {key: getattr(self, key) for key in optional if getattr(self, key) is not None}

    @classmethod
    def load(cls, path: str | Path = OPEN_HAND) -> HandModel:
        """Reads MANO's pickle or a `.npz` with its keys; of a left hand (MANO_LEFT) the right hand that it mirrors.

        A file that does not say its name is MANO's. Raises FileNotFoundError or ValueError naming the remedy.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"No hand model at {path}; the open hand comes with handpose, and `python -m "
                                    "train.bake_hand` in a clone of its repository makes it anew.")
        arrays = read_arrays(path)
        model = cls(arrays, str(arrays.get("name", "mano")))
        return model.left() if is_left(arrays) else model

    def left(self) -> HandModel:
        """The mirror image (x -> -x, as MANO_LEFT is MANO_RIGHT's), triangles wound to keep normals outwards."""
        flip, arrays = MIRROR, self.arrays()
        arrays |= {"v_template": arrays["v_template"] * flip, "shapedirs": arrays["shapedirs"] * flip[:, None],
                   "joint_offsets": arrays["joint_offsets"] * flip,
                   # A mirrored rotation is M R M: element (row, column) changes sign as flip[row] * flip[column].
                   "posedirs": arrays["posedirs"] * flip[:, None] * np.tile(np.outer(flip, flip).ravel(), 15),
                   "f": self.faces[:, ::-1]}
        if self.uv is not None:
            arrays |= {"uv_faces": self.uv_faces[:, ::-1]}
        if self.hands_mean is not None:
            arrays |= {"hands_mean": mirror_rotvec(self.hands_mean.reshape(15, 3)).ravel()}
        if self.hands_components is not None:
            arrays |= {"hands_components": mirror_rotvec(self.hands_components.reshape(45, 15, 3)).reshape(45, 45)}
        return type(self)(arrays, self.name)

    def scaled(self, scale: float) -> HandModel:
        """The same hand, `scale` times as large for any betas."""
        arrays = self.arrays()
        arrays |= {key: arrays[key] * scale for key in ("v_template", "shapedirs", "posedirs", "joint_offsets")}
        model = type(self)(arrays, self.name)
        model.scale = self.scale * scale
        return model

    def joints_only(self) -> HandModel:
        """The same hand with no more vertices than its joints need: the same `joints` and `data_joints`, many times
        faster."""
        arrays, tips = self.arrays(), self.tip_vertices
        regressor, weights = arrays["J_regressor"].astype(float), arrays["weights"].astype(float)
        if self.joints_of_mesh:  # of each joint and bone the mean of what skin follows the one and makes up the other
            share = regressor @ weights
            joint, bone = np.nonzero(share > LEAST_SHARE)
            share = share[joint, bone]
            parts = regressor[joint] * weights.T[bone] / share[:, None]
        else:
            joint = bone = np.arange(16)
            share, parts = np.ones(16), regressor
        count = len(parts)
        small = {"v_template": arrays["v_template"], "shapedirs": arrays["shapedirs"], "posedirs": arrays["posedirs"]}
        small = {key: np.concatenate([np.einsum("pv,v...->p...", parts, values), values[tips]])
                 for key, values in small.items()}
        regressor = np.zeros((16, count + 5))
        regressor[joint, range(count)] = share
        small |= {"J_regressor": regressor, "weights": np.vstack([np.eye(16)[bone], arrays["weights"][tips]]),
                  "joint_offsets": arrays["joint_offsets"], "tip_vertices": range(count, count + 5),
                  "kintree_table": arrays["kintree_table"], "f": np.zeros((0, 3)), "version": self.version}
        return type(self)(small, self.name)

    def data_joints(self, posed: PosedHand) -> Array:
        """The 21 joints (B, 21, 3) as data has them that gives this hand's parameters.

        FreiHAND's tool, like its xyz, takes MANO's from the posed mesh by the regressor that finds them at rest, some
        millimetres from `joints`, about which the bones turn (Zimmermann et al., FreiHAND, 2019). The open hand's are
        its `joints`.
        """
        if not self.joints_of_mesh:
            return posed.joints
        tips = posed.vertices[:, self.tip_vertices]
        return self.xp.concatenate([self.J_regressor @ posed.vertices, tips], 1)[:, self.joint_order]

    def __call__(self, global_orient: Array, hand_pose: Array, betas: Array, transl: Array) -> PosedHand:
        """Poses the hand from axis-angle: (B, 3), (B, 45) radians, (B, 10), (B, 3) metres."""
        rotvec = self.xp.concatenate([global_orient, hand_pose], 1).reshape(-1, 16, 3)
        return self.pose(self.rotvec_to_rotmat(rotvec), betas, transl)

    def pose(self, rotations: Array, betas: Array, transl: Array) -> PosedHand:
        """Poses the hand from rotation matrices (B, 16, 3, 3), betas (B, 10) and transl (B, 3) metres."""
        einsum, count = self.xp.einsum, len(rotations)
        # Of one hand, products as large as these would wake BLAS's threads, which then wait in a busy loop for tens of
        # milliseconds and hold the cores that the networks need: hence einsum, here and in `rest`.
        shaped, rest_joints = self.rest(betas)
        posed_rest = shaped
        if self._bulges:
            feature = (rotations[:, 1:] - self._identity).reshape(count, 135)
            posed_rest = shaped + einsum("bk,vik->bvi", feature, self.posedirs)
        turns, places = self.chain(rotations, rest_joints)

        shift = places - einsum("bjik,bjk->bji", turns, rest_joints)
        turn_of_vertex = (self.weights @ turns.reshape(count, 16, 9)).reshape(count, -1, 3, 3)
        vertices = einsum("bvik,bvk->bvi", turn_of_vertex, posed_rest) + self.weights @ shift

        joints = self.xp.concatenate([places, vertices[:, self.tip_vertices]], 1)[:, self.joint_order]
        joints = joints + einsum("bjik,jk->bji", turns[:, self.joint_bone], self.joint_offsets)
        transl = transl[:, None]
        return PosedHand(vertices + transl, joints + transl, turns, places + transl)

    def rest(self, betas: Array) -> tuple[Array, Array]:
        """Vertices (B, V, 3) and posed joints (B, 16, 3) of hands of these shapes (B, 10) in the rest pose."""
        shaped = self.v_template + self.xp.einsum("bs,vis->bvi", betas, self.shapedirs)
        return shaped, self.J_regressor @ shaped

    def growth(self, turns: Array) -> Array:
        """How the 21 joints (21, 3, 10) move with each of betas, by which they move linearly, of a hand whose joints'
        frames are `turns` (16, 3, 3), as `pose` gives them."""
        concatenate, parents = self.xp.concatenate, self.parents[1:]
        rest = self._joint_shapedirs
        bones = concatenate([rest[:1], rest[1:] - rest[parents]])
        frames = concatenate([self._identity[None], turns[parents]])
        places = (self.ancestors @ (frames @ bones).reshape(16, -1)).reshape(rest.shape)
        weights, tips = self.weights[self.tip_vertices], self.shapedirs[self.tip_vertices]
        shift = places - turns @ rest
        tips = ((weights @ turns.reshape(16, 9)).reshape(-1, 3, 3) @ tips
                + (weights @ shift.reshape(16, -1)).reshape(tips.shape))
        return concatenate([places, tips])[self.joint_order]

    def chain(self, rotations: Array, rest_joints: Array) -> tuple[Array, Array]:
        """The joints' frames (B, 16, 3, 3) and places (B, 16, 3) after turning each by its rotation, without transl."""
        turns, places = rotations[:, :1], rest_joints[:, :1]
        for joints, parents, carrying in self._levels:
            frames, bones = turns[:, carrying], rest_joints[:, joints] - rest_joints[:, parents]
            place = places[:, carrying] + self.xp.einsum("bjik,bjk->bji", frames, bones)
            turns = self.xp.concatenate([turns, frames @ rotations[:, joints]], 1)
            places = self.xp.concatenate([places, place], 1)
        return turns[:, self._level_order], places[:, self._level_order]


def _levels(parents: list[int]) -> list[list[int]]:
    """The joints at each depth of the tree, the root's first."""
    depths: list[int] = []
    for parent in parents:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    return [[joint for joint, depth in enumerate(depths) if depth == level] for level in range(max(depths) + 1)]


def _ancestors(parents: list[int]) -> np.ndarray:
    """(16, 16) 1 where the second joint is the first or one of those that carry it, else 0."""
    ancestors = np.eye(len(parents), dtype=np.float32)
    for joint, parent in enumerate(parents[1:], 1):  # a joint comes after the one that carries it
        ancestors[joint] += ancestors[parent]
    return ancestors


def mirror_rotvec(rotvec: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3) of the mirrored motion (x -> -x): turns a right hand's parameters into a left hand's."""
    return np.asarray(rotvec) * [1.0, -1.0, -1.0]
