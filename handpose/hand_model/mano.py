"""MANO's files and parameters: where its file is found, and how its conventions and FreiHAND's relate to ours.

MANO (Romero et al., Embodied Hands, 2017) needs a sign-up and is licensed for non-commercial use: it is never shipped.
Ours (`handpose.hand`) is axis-angle relative to the flat rest pose. MANO's own default and FreiHAND's annotations are
relative to MANO's mean pose (`hands_mean` of the file, smplx's `flat_hand_mean=False`), in full or as coefficients of
principal components (the rows of `hands_components`).
"""
from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .model_file import OPEN_HAND

VARIABLE = "HANDPOSE_MANO"  # environment: a file or a folder
MANO_FOLDER = OPEN_HAND.parent / "mano"
FILE_NAMES = ("MANO_RIGHT.pkl", "MANO_RIGHT.npz")
SUBFOLDERS = ("", "mano", "models", "mano_v1_2/models")  # smplx's layout, and the download's
ROOT_JOINT = 9  # middle MCP: the joint whose place FreiHAND's vector gives


def find_mano(path: str | Path | None = None) -> Path:
    """MANO's right hand: at `path`, else where $HANDPOSE_MANO says, else in assets/mano/; each a file or a folder.

    Raises FileNotFoundError that says where to get it and what goes without.
    """
    place = Path(path or os.environ.get(VARIABLE) or MANO_FOLDER).expanduser()
    for file in (place, *(place / folder / name for folder in SUBFOLDERS for name in FILE_NAMES)):
        if file.is_file():
            return file
    raise FileNotFoundError(
        f"There is no {FILE_NAMES[0]} at {place}: get it at https://mano.is.tue.mpg.de (sign-up, non-commercial "
        f"licence) and give it as --hand-model, in {VARIABLE} or in {MANO_FOLDER}, or use a checkpoint of the open "
        "hand, which ships with this package and gives the same joints, pose and a mesh of its own.")


def hand_model_file(name: str, path: str | Path | None = None) -> Path:
    """The file of the hand model that a checkpoint answers for ("open" or "mano"). Raises as `find_mano`."""
    return OPEN_HAND if name == "open" and path is None else find_mano(path)


def to_mean_pose(hand_pose: np.ndarray, hands_mean: np.ndarray) -> np.ndarray:
    """Our flat `hand_pose` (.., 45) -> relative to the mean pose, as `flat_hand_mean=False` takes it."""
    return hand_pose - hands_mean


def to_flat_pose(hand_pose: np.ndarray, hands_mean: np.ndarray) -> np.ndarray:
    """A pose (.., 45) relative to the mean pose -> our flat `hand_pose`."""
    return hand_pose + hands_mean


def to_pca(hand_pose: np.ndarray, hands_components: np.ndarray, count: int, hands_mean: np.ndarray | float = 0.0):
    """The coefficients (.., count) of the first components that come closest to the flat `hand_pose` (.., 45).

    Give `hands_mean` for `flat_hand_mean=False`. With all 45 nothing is lost.
    """
    return (hand_pose - hands_mean) @ np.linalg.pinv(hands_components[:count])


def from_pca(coefficients: np.ndarray, hands_components: np.ndarray, hands_mean: np.ndarray | float = 0.0):
    """The flat `hand_pose` (.., 45) of coefficients (.., count); `hands_mean` as in `to_pca`."""
    return coefficients @ hands_components[:coefficients.shape[-1]] + hands_mean


class FreihandVector(NamedTuple):
    """What FreiHAND's 61 numbers a hand (`training_mano.json`) say, in our conventions."""
    global_orient: np.ndarray  # (.., 3)
    hand_pose: np.ndarray  # (.., 45) relative to the flat hand
    betas: np.ndarray  # (.., 10)
    uv_root: np.ndarray  # (.., 2) pixels, of the middle knuckle
    scale: np.ndarray  # (..) pixels a metre at the middle knuckle; NOT the bone length of `training_scale.json`


def split_freihand(vector: np.ndarray, hands_mean: np.ndarray) -> FreihandVector:
    """Takes vectors (.., 61) apart: 48 pose, 10 shape, 2 uv, 1 scale. Raises ValueError for another length."""
    vector = np.asarray(vector, float)
    if vector.shape[-1:] != (61,):
        raise ValueError(f"FreiHAND's vector has 61 numbers, this has the shape {vector.shape}.")
    orient, pose, betas, uv, scale = np.split(vector, [3, 48, 58, 60], -1)
    return FreihandVector(orient, to_flat_pose(pose, hands_mean), betas, uv, scale[..., 0])


def join_freihand(parts: FreihandVector, hands_mean: np.ndarray) -> np.ndarray:
    """The vectors (.., 61) of the parts: the inverse of `split_freihand`."""
    return np.concatenate([parts.global_orient, to_mean_pose(parts.hand_pose, hands_mean), parts.betas, parts.uv_root,
                           np.asarray(parts.scale)[..., None]], -1)


def freihand_root(uv_root: np.ndarray, scale: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """The middle knuckle (.., 3) in metres, camera frame: what FreiHAND's own code makes of uv and scale.

    `intrinsics` (.., 3, 3) is the image's K; the focal length is the mean of its two.
    """
    focal = (intrinsics[..., 0, 0] + intrinsics[..., 1, 1])[..., None] / 2
    ray = np.concatenate([uv_root - intrinsics[..., :2, 2], focal], -1)
    return ray / np.asarray(scale)[..., None]


def freihand_uv_scale(root: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `freihand_root`: uv (.., 2) and scale (..) of a middle knuckle (.., 3)."""
    focal = (intrinsics[..., 0, 0] + intrinsics[..., 1, 1]) / 2
    scale = focal / root[..., 2]
    return root[..., :2] * scale[..., None] + intrinsics[..., :2, 2], scale
