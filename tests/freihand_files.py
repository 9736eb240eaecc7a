"""A small set with the layout and conventions of FreiHAND_pub_v2 and FreiHAND_pub_v2_eval, of a hand that is not MANO.

Renders of `mano_files`' hand before noise; as in FreiHAND, poses are relative to the mean pose, joints are regressed
from the posed mesh, K varies, and the second to fourth versions of a training sample differ from the first in what is
behind the hand.
"""
from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
from mano_files import mano_arrays
from PIL import Image

from handpose.camera import Camera
from handpose.drawing.renderer import Mesh, render_mesh
from handpose.hand_model.mano import FreihandVector, freihand_uv_scale, join_freihand
from handpose.hand_model.model import HandModel

VERSIONS = 4
SKIN = (224, 172, 140)


def mano_hand() -> HandModel:
    return HandModel(mano_arrays(), "mano")


def draw_hands(count: int, size: int, seed: int) -> dict[str, np.ndarray]:
    """Hands as FreiHAND annotates them, by its keys, and `flat` (N, 48): their pose relative to the flat hand."""
    rng, model = np.random.default_rng(seed), mano_hand()
    pose = np.zeros((count, 15, 3), np.float32)
    pose[:, :12, 2] = rng.uniform(0, 1.2, (count, 12))  # the fingers flex about z
    pose += rng.normal(scale=0.05, size=pose.shape)
    orient, betas = rng.normal(size=(count, 3)), rng.normal(scale=0.7, size=(count, 10))
    intrinsics = np.tile(np.eye(3), (count, 1, 1))
    intrinsics[:, 0, 0] = rng.uniform(430, 520, count) * size / 224
    intrinsics[:, 1, 1] = intrinsics[:, 0, 0] * rng.uniform(0.99, 1.01, count)
    intrinsics[:, :2, 2] = size / 2 + rng.uniform(-4, 4, (count, 2)) * size / 224
    rooted = model(*(values.reshape(count, -1).astype(np.float32)
                     for values in (orient, pose, betas, np.zeros((count, 3)))))
    joints, vertices = model.data_joints(rooted).astype(float), rooted.vertices.astype(float)
    place = -joints.mean(1) + np.column_stack([rng.uniform(-0.02, 0.02, (count, 2)), rng.uniform(0.6, 0.85, count)])
    joints, vertices = joints + place[:, None], vertices + place[:, None]
    parts = FreihandVector(orient, pose.reshape(count, 45), betas, *freihand_uv_scale(joints[:, 9], intrinsics))
    return {"K": intrinsics, "xyz": joints, "verts": vertices, "mano": join_freihand(parts, model.hands_mean)[:, None],
            "scale": np.linalg.norm(joints[:, 10] - joints[:, 9], axis=1),
            "flat": np.hstack([orient, pose.reshape(count, 45)])}


def write_freihand(folder: Path, samples: int = 6, evaluation: int = 5, size: int = 224, seed: int = 0) -> Path:
    """Writes `samples` training samples in four versions each, and `evaluation` hands with their answers."""
    _write_part(folder, "training", draw_hands(samples, size, seed), VERSIONS, size)
    _write_part(folder, "evaluation", draw_hands(evaluation, size, seed + 1), 1, size)
    return folder


def zip_set(folder: Path, path: Path, top: str = "") -> Path:
    """Packs a set as the download is packed, or in a folder `top` (with its slash)."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and ".index" not in file.parts:
                archive.write(file, top + file.relative_to(folder).as_posix())
    return path


def _write_part(folder: Path, part: str, hands: dict[str, np.ndarray], versions: int, size: int) -> None:
    rgb, mask = folder / part / "rgb", folder / part / "mask"
    rgb.mkdir(parents=True, exist_ok=True)
    mask.mkdir(exist_ok=True)
    count, faces = len(hands["K"]), mano_arrays()["f"].astype(int)
    for sample in range(count):
        intrinsics = hands["K"][sample]
        camera = Camera(*intrinsics[[0, 1, 0, 1], [0, 1, 2, 2]].tolist())
        hand = render_mesh([Mesh(hands["verts"][sample], faces, SKIN)], camera, size, size, opengl=False).astype(float)
        alpha = hand[..., 3:] / 255
        for version in range(versions):
            number = sample + version * count
            noise = np.random.default_rng([number, size]).integers(0, 256, (6, 6, 3), np.uint8)
            behind = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
            image = behind * (1 - alpha) + hand[..., :3] * alpha
            Image.fromarray(image.round().astype(np.uint8)).save(rgb / f"{number:08d}.jpg", quality=90)
        if part == "training":
            Image.fromarray(hand[..., 3].astype(np.uint8)).save(mask / f"{sample:08d}.jpg", quality=95)
    for key in ("K", "xyz", "verts", "mano", "scale"):
        (folder / f"{part}_{key}.json").write_text(json.dumps(hands[key].tolist()))
