"""Samples from this project's own files: rendered hands, real photos with fitted ones, photos without hands."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from handpose.hand_model.layer import HandLayer
from handpose.whole_file import whole_file

from ..learning.data_config import DataConfig
from ..synthesis.poses import BAD_FIT
from .labels import load_labels, read_arrays, trust_of
from .samples import LOST_LANDMARKS, Samples, with_world
from .set_files import check_held_out

RENDER_LABELS = ("joints_2d", "joints", "global_orient", "hand_pose", "betas", "K")
FITS = ("set", "fname", "global_orient", "hand_pose", "betas", "transl", "focal", "center", "residual_2d")


def load_renders(folder: Path, landmarks: Path, validation: int = 0) -> Samples:
    """What `train.synthesize` wrote to `folder`, of the size that it was drawn in, and `train.pseudo_label` said of it.

    Raises ValueError where these do not belong together or cannot spare `validation` hands.
    """
    labels = read_arrays(folder / "labels.npz", RENDER_LABELS, "train.synthesize")
    seen = read_arrays(landmarks, ("view_points", "view_world"), "train.pseudo_label")
    points, world, count = seen["view_points"], seen["view_world"], len(labels["joints"])
    if len(points) != count:
        raise ValueError(f"{landmarks} knows {len(points)} of the {count} renders in {folder}: make it anew with "
                         "train.pseudo_label.")
    check_held_out(folder, validation, count)
    images = _read_once([folder / "training" / "rgb" / f"{index:08d}.jpg" for index in range(count)],
                        folder / "images.npy")
    joints_2d = labels["joints_2d"]
    box = np.ptp(joints_2d, axis=1).max(1)
    error = np.linalg.norm(points[..., :2] - joints_2d[:, None], axis=3).mean(2) / box[:, None]
    joints = labels["joints"]
    rotvec = np.concatenate([labels["global_orient"], labels["hand_pose"]], 1).reshape(-1, 16, 3)
    return Samples.of(
        images, exact=True, joints_2d=joints_2d, joints_3d=joints - joints[:, :1],
        rotvec=rotvec, betas=labels["betas"], focal=labels["K"][:, 0, 0],
        principal=labels["K"][:, :2, 2], distance=joints[:, 0, 2],
        landmarks=with_world(points, world), found=error < LOST_LANDMARKS)


def load_photos(folder: Path, labels_file: Path, fits_file: Path, sets: list[str] | None = None,
                size: int = 256) -> Samples:
    """Photos of `folder`, only `sets`' if given, with the files of `train.pseudo_label` and `train.fit_hands`.

    At `size` px most are as they were cut out; smaller ones would be blurred in a network's crops.
    """
    labels = load_labels(labels_file)
    fits = read_arrays(fits_file, FITS, "train.fit_hands")
    if any(not np.array_equal(fits[key], labels[key]) for key in ("set", "fname")):
        raise ValueError(f"{fits_file} was not made from {labels_file}: make it anew with train.fit_hands.")
    weight = labels.get("weight", np.ones(len(labels["set"])))  # train.second_opinion's
    keep = fits["residual_2d"] < BAD_FIT
    if sets is not None:
        keep &= np.isin(labels["set"], sets)
    if not keep.any():
        raise ValueError(f"{fits_file} has no good fit to a photo of {', '.join(sets or ['any set'])}: name others.")
    labels = {key: value[keep] for key, value in labels.items() if key != "views"}
    fits = {key: value[keep] for key, value in fits.items() if key != "joint_offsets"}
    images, scale = _read([folder / s / f for s, f in zip(labels["set"], labels["fname"], strict=True)], size)
    left = labels["side"] == "left"
    images[left] = images[left, :, ::-1]
    shift = np.zeros((len(left), 2))
    shift[left, 0] = size - scale[left]  # load_labels only negates x

    def pixels(points: np.ndarray) -> np.ndarray:
        """Points (N, ..., 2 or 3) of the files, in pixels of the scaled, perhaps mirrored images."""
        factor, shifted = (values.reshape(len(left), *[1] * (points.ndim - 2), -1) for values in (scale, shift))
        return (points[..., :2] + 0.5) * factor - 0.5 + shifted

    with torch.no_grad():
        joints = HandLayer.load().joints_only()(*(torch.from_numpy(fits[key]) for key in
                                                  ("global_orient", "hand_pose", "betas", "transl"))).joints.numpy()
    rotvec = np.concatenate([fits["global_orient"], fits["hand_pose"]], 1).reshape(-1, 16, 3)
    points = labels["view_points"]
    views = np.concatenate([pixels(points), points[..., 2:] * scale[:, None, None, None]], 3)
    box = np.ptp(labels["points"][..., :2], axis=1).max(1)
    error = np.linalg.norm(points[..., :2] - labels["points"][:, None, :, :2], axis=3).mean(2) / box[:, None]
    return Samples.of(
        images, exact=False, joints_2d=pixels(labels["points"]), joints_3d=joints - joints[:, :1], rotvec=rotvec,
        betas=fits["betas"], focal=fits["focal"] * scale, principal=pixels(fits["center"]), distance=joints[:, 0, 2],
        trust=trust_of(labels), weight=weight[keep], landmarks=with_world(views, labels["view_world"]),
        found=error < LOST_LANDMARKS)


def load_without_hands(data: DataConfig) -> list[Tensor]:
    """What shows no hand, each kind (N, S, S, 3) uint8 RGB: crops of backgrounds, and what a detector took for hands.
    Raises ValueError for what is no image."""
    kinds = load_backgrounds(data.backgrounds) if data.backgrounds else None, \
        load_crops(data.false_hands) if data.false_hands else None
    return [crops for crops in kinds if crops is not None]


def load_backgrounds(folders: Sequence[str], size: int = 192, each: int = 6, seed: int = 0) -> Tensor:
    """Crops (N, S, S, 3) uint8 of photos without hands, `each` at random from every photo."""
    rng = np.random.default_rng(seed)
    crops = []
    for path in _jpegs(folders):
        photo = _read_rgb(path)
        for _ in range(each):
            side = int(min(photo.shape[:2]) * rng.uniform(0.2, 1))
            top, left = (rng.integers(0, extent - side + 1) for extent in photo.shape[:2])
            crop = photo[top:top + side, left:left + side]
            crops.append(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA))
    return torch.from_numpy(np.stack(crops))


def load_crops(folders: Sequence[str], size: int = 128) -> Tensor:
    """Square images as (N, S, S, 3) uint8."""
    return torch.from_numpy(np.stack([cv2.resize(_read_rgb(path), (size, size), interpolation=cv2.INTER_AREA)
                                      for path in _jpegs(folders)]))


def _jpegs(folders: Sequence[str]) -> list[Path]:
    paths = sorted(path for folder in folders for path in Path(folder).glob("*.jpg"))
    if not paths:
        raise ValueError(f"No .jpg in {', '.join(folders)}; give folders of photos without hands.")
    return paths


def _read_rgb(path: Path) -> np.ndarray:
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise ValueError(f"{path} is no image: remove it or fetch it again.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _read(paths: list[Path], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Square images scaled to (N, size, size, 3) RGB, and the factors (N,)."""
    images, scale = np.empty((len(paths), size, size, 3), np.uint8), np.empty(len(paths))
    for row, path in enumerate(tqdm(paths, desc="reading", unit="image", disable=len(paths) < 500)):
        image = cv2.imread(str(path))
        if image is None:
            raise ValueError(f"{path} is missing or is no image; make or fetch it again.")
        scale[row] = size / image.shape[1]
        if image.shape[:2] != (size, size):
            smooth = cv2.INTER_AREA if scale[row] < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, (size, size), interpolation=smooth)
        images[row] = image[:, :, ::-1]
    return images, scale


def _read_once(paths: list[Path], cache: Path) -> np.ndarray:
    """`_read` of images of one size, as they are, kept in a file that all processes share the memory of."""
    if not cache.is_file() or len(np.load(cache, mmap_mode="r")) != len(paths):
        with whole_file(cache) as temporary, open(temporary, "wb") as file:
            np.save(file, _read(paths, len(_read_rgb(paths[0])))[0])
    return np.load(cache, mmap_mode="c")
