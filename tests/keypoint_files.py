"""A folder in the format of train/data/coco.py: hands of the open hand's skeleton, a bright dot on every joint."""
from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from handpose.hand_model.model import HandModel

WIDTH, HEIGHT = 320, 240
LENS = {"fx": 400.0, "fy": 400.0, "cx": 150.0, "cy": 125.0}
DOT = (250, 130, 20)  # RGB


def posed_joints(count: int, seed: int = 0) -> np.ndarray:
    """(count, 21, 3) metres, the camera's frame: hands that bend their fingers, turned anyhow."""
    rng, model = np.random.default_rng(seed), HandModel.load()
    pose = np.zeros((count, 15, 3), np.float32)
    pose[:, :12, 2] = rng.uniform(0, 1, (count, 12))
    orient = rng.normal(size=(count, 3)).astype(np.float32)
    joints = model(orient, pose.reshape(count, 45), np.zeros((count, 10), np.float32), np.zeros((count, 3))).joints
    return joints - joints.mean(1, keepdims=True) + [0.02, -0.01, 0.7]


def pixels_of(joints: np.ndarray) -> np.ndarray:
    """(N, 21, 2) by LENS."""
    return joints[..., :2] / joints[..., 2:] * [LENS["fx"], LENS["fy"]] + [LENS["cx"], LENS["cy"]]


def write_keypoints(folder: Path, count: int = 6, seed: int = 0, in_space: bool = True) -> dict:
    """Writes `count` right hands, one to an image, and returns what annotations.json says."""
    (folder / "images").mkdir(parents=True)
    joints = posed_joints(count, seed)
    content: dict = {"info": {"year": 2026}, "images": [], "annotations": []}
    for number, (points, pixels) in enumerate(zip(joints, pixels_of(joints), strict=True)):
        image = np.random.default_rng(number).integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
        for u, v in pixels:
            cv2.circle(image, (round(u * 16), round(v * 16)), 3 * 16, DOT[::-1], -1, cv2.LINE_AA, 4)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        content["images"].append({"id": number, "file_name": f"images/{number}.png", "camera": LENS, "license": 3})
        content["annotations"].append({
            "id": 100 + number, "image_id": number, "bbox": [0, 0, 9, 9],
            "keypoints": np.column_stack([pixels, np.full(21, 2)]).ravel().round(4).tolist()})
        if in_space:
            content["annotations"][-1]["keypoints_3d"] = points.round(6).tolist()
    write_annotations(folder, content)
    return content


def write_annotations(folder: Path, content: object) -> None:
    (folder / "annotations.json").write_text(content if isinstance(content, str) else json.dumps(content))
