"""Training samples in memory: rendered hands with exact labels, real photos with fitted ones, photos without hands.

All are right hands on small square images; a real left hand is mirrored when it is read. A hundred thousand images of
192 px are 11 GB: they stay as bytes, on the training device if it has the room, and batches are cut there.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name
from tqdm import tqdm

from handpose.hand_model.layer import HandLayer
from handpose.whole_file import whole_file

from ..synthesis.poses import BAD_FIT
from .labels import load_labels, trust_of

LOST_LANDMARKS = 0.3  # of the box: a landmark model that errs by more has missed the hand, and its answer is left out


@dataclass
class Samples:
    """N right hands. Pixels are of `images`; points and parameters in the camera's frame, metres, radians."""
    images: Tensor  # (N, S, S, 3) uint8 RGB
    joints_2d: Tensor  # (N, 21, 2) px
    joints_3d: Tensor  # (N, 21, 3) relative to the wrist
    rotvec: Tensor  # (N, 16, 3) axis-angle of MANO's joints, flat rest pose
    betas: Tensor  # (N, 10)
    focal: Tensor  # (N,) px
    principal: Tensor  # (N, 2) px
    distance: Tensor  # (N,) metres from the camera to the wrist along z
    trust: Tensor  # (N, 21) weight of joints_2d
    exact: Tensor  # (N,) bool: labels are exact, not fitted
    landmarks: Tensor  # (N, V, 21, 6) of the landmark model in V views: u, v, z px; world points, metres, wrist at 0
    found: Tensor  # (N, V) bool: the landmark model found the hand

    def __len__(self) -> int:
        return len(self.joints_2d)

    def take(self, index: Tensor | slice, with_images: bool = True) -> Samples:
        """The samples at these positions; their images empty (B, 0, 0, 3) where these are not asked for."""
        some = self if with_images else replace(self, images=self.images[:, :0, :0])
        return Samples(**{field.name: getattr(some, field.name)[index] for field in fields(self)})

    def to(self, device: torch.device) -> Samples:
        return Samples(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @staticmethod
    def join(parts: list[Samples]) -> Samples:
        """One after the other. Smaller images get black pixels below and to the right, which are what a crop shows of
        anything outside of an image; of landmarks every part's views are repeated until all have as many."""
        side, views = max(part.images.shape[1] for part in parts), math.lcm(*(part.found.shape[1] for part in parts))
        parts = [part._like(side, views) for part in parts]
        return Samples(**{field.name: torch.cat([getattr(part, field.name) for part in parts])
                          for field in fields(Samples)})

    def _like(self, side: int, views: int) -> Samples:
        """The same with images of so many pixels a side and so many views of landmarks, where it has fewer."""
        lacking, repeats = side - self.images.shape[1], views // self.found.shape[1]
        if not lacking and repeats == 1:
            return self
        return replace(self, images=F.pad(self.images, (0, 0, 0, lacking, 0, lacking)),
                       landmarks=self.landmarks.repeat(1, repeats, 1, 1), found=self.found.repeat(1, repeats))


def load_renders(folder: Path, landmarks: Path, size: int = 192) -> Samples:
    """What `train.synthesize` wrote to `folder` and `train.pseudo_label --renders` said of it."""
    with np.load(folder / "labels.npz") as file:
        labels = {key: file[key] for key in file.files}
    with np.load(landmarks) as file:
        points, world = file["view_points"], file["view_world"]
    count = len(points)
    images, scale = _read_once([folder / "training" / "rgb" / f"{index:08d}.jpg" for index in range(count)], size,
                               folder / f"images_{size}px.npy")
    joints_2d = labels["joints_2d"][:count]
    box = np.ptp(joints_2d, axis=1).max(1)
    error = np.linalg.norm(points[..., :2] - joints_2d[:, None], axis=3).mean(2) / box[:, None]
    joints = labels["joints"][:count]
    rotvec = np.concatenate([labels["global_orient"], labels["hand_pose"]], 1)[:count].reshape(-1, 16, 3)
    return _samples(images, joints_2d * scale[:, None, None], joints - joints[:, :1], rotvec, labels["betas"][:count],
                    labels["K"][:count, 0, 0] * scale, labels["K"][:count, :2, 2] * scale[:, None], joints[:, 0, 2],
                    np.ones((count, 21)), True, points * scale[:, None, None, None], world, error < LOST_LANDMARKS)


def load_photos(folder: Path, labels_file: Path, fits_file: Path, sets: list[str] | None = None,
                size: int = 192) -> Samples:
    """Photos of `folder`, only `sets`' if given, with the files of `train.pseudo_label` and `train.fit_hands`."""
    labels = load_labels(labels_file)
    with np.load(fits_file) as file:
        fits = {key: file[key] for key in file.files}
    keep = fits["residual_2d"] < BAD_FIT
    if sets is not None:
        keep &= np.isin(labels["set"], sets)
    if not keep.any():
        raise ValueError(f"No photo of the sets {sets} in {labels_file}; name sets that it holds.")
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
    return _samples(images, pixels(labels["points"]), joints - joints[:, :1], rotvec, fits["betas"],
                    fits["focal"] * scale, pixels(fits["center"]), joints[:, 0, 2], trust_of(labels), False, views,
                    labels["view_world"], error < LOST_LANDMARKS)


def load_backgrounds(folders: list[Path], size: int = 192, each: int = 6, seed: int = 0) -> Tensor:
    """Crops (N, S, S, 3) uint8 of photos without hands, `each` at random from every photo."""
    rng = np.random.default_rng(seed)
    crops = []
    for path in sorted(path for folder in folders for path in folder.glob("*.jpg")):
        photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        for _ in range(each):
            side = int(min(photo.shape[:2]) * rng.uniform(0.2, 1))
            top, left = (rng.integers(0, extent - side + 1) for extent in photo.shape[:2])
            crop = photo[top:top + side, left:left + side]
            crops.append(cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA))
    if not crops:
        raise ValueError(f"No .jpg in {', '.join(map(str, folders))}; give folders of photos without hands.")
    return torch.from_numpy(np.stack(crops))


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


def _read_once(paths: list[Path], size: int, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """`_read` of images of one size, kept in a file that all processes share the memory of."""
    width = cv2.imread(str(paths[0])).shape[1]
    if not cache.is_file() or len(np.load(cache, mmap_mode="r")) != len(paths):
        with whole_file(cache) as temporary, open(temporary, "wb") as file:
            np.save(file, _read(paths, size)[0])
    return np.load(cache, mmap_mode="c"), np.full(len(paths), size / width)


def _samples(images, joints_2d, joints_3d, rotvec, betas, focal, principal, distance, trust, exact, points, world,
             found) -> Samples:
    as_float = lambda array: torch.from_numpy(np.ascontiguousarray(array, np.float32))  # noqa: E731
    landmarks = np.concatenate([points, world - world[..., :1, :]], 3)
    return Samples(torch.from_numpy(images), *map(as_float, (joints_2d, joints_3d, rotvec, betas, focal, principal,
                                                             distance, trust)),
                   torch.full((len(images),), exact), as_float(landmarks), torch.from_numpy(found))
