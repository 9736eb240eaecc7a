"""Training samples in memory: hands on small images, and what is known of each.

All are right hands on square images; a left hand is mirrored when it is read. A hundred thousand images of 192 px are
11 GB: they stay as bytes, on the training device if it has the room, and batches are cut there.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name

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
    trust: Tensor  # (N, 21) weight of joints_2d; 0: not known, and the numbers mean nothing
    weight: Tensor  # (N,) how much the hand counts
    exact: Tensor  # (N,) bool: labels are exact, not fitted
    has_3d: Tensor  # (N,) bool: joints_3d is known
    has_pose: Tensor  # (N,) bool: rotvec is known
    has_betas: Tensor  # (N,) bool: betas are known
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

    @classmethod
    def of(cls, images: np.ndarray, exact: bool, **labels: np.ndarray) -> Samples:
        """Of arrays by the names of the fields. What is left out is not known: parameters are zero then, landmarks not
        found, joints in the image, if there is no `trust`, known in full, and hands count alike."""
        count = len(images)
        labels = {"trust": np.ones((count, 21)), "weight": np.ones(count),
                  "landmarks": np.zeros((count, 1, 21, 6)), **labels}
        shapes = {"joints_3d": (21, 3), "rotvec": (16, 3), "betas": (10,)}
        flags = {f"has_{short}": name in labels for short, name in
                 (("3d", "joints_3d"), ("pose", "rotvec"), ("betas", "betas"))}
        labels = {name: np.zeros((count, *shape)) for name, shape in shapes.items()} | labels
        found = labels.pop("found", np.zeros(labels["landmarks"].shape[:2], bool))
        return cls(torch.from_numpy(images), found=torch.from_numpy(found),
                   **{name: torch.full((count,), flag) for name, flag in {"exact": exact, **flags}.items()},
                   **{name: torch.from_numpy(np.ascontiguousarray(values, np.float32))
                      for name, values in labels.items()})

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


def with_world(points: np.ndarray, world: np.ndarray) -> np.ndarray:
    """`landmarks` (N, V, 21, 6) of a landmark model's points (N, V, 21, 3) in px and world points in metres."""
    return np.concatenate([points, world - world[..., :1, :]], 3)
