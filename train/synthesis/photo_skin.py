"""Photographic skin: how much lighter or darker than its own mean each spot of 42 people's hands is.

The pictures (`assets/skins`) are albedo over the open hand's texture chart, baked by `train.bake_skins`. A picture's
own tone is divided out of palm and back, and a palette's put in: so every person's creases, nails and knuckles are seen
in tones near their own, and each of the six tones as often as the palettes have it.
"""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SKINS = Path(__file__).parents[2] / "assets" / "skins"
RANGE = np.float32([.22, 2.2])  # of what is left when the mean is divided out; cloth in a picture lies below
BARE_FROM = .006, .04  # m from the wrist's end: where a picture begins to count, and where it counts in full
CHOICE = 12  # people whose tone is nearest, of whom one is drawn


def look_up(image: np.ndarray, coords: np.ndarray) -> np.ndarray:
    """The texels (N, ...) of a square image (S, S, ...) at coordinates (N, 2), 0..1."""
    size = image.shape[0]
    column, row = (np.float32(coords).T * np.float32(size - 1) + np.float32(.5)).astype(np.int32)
    return image.reshape(size * size, *image.shape[2:]).take(row * size + column, axis=0, mode="clip")


class PhotoSkins:
    """The pictures of a folder. `palm`, `end`, `inside` (S, S): what is palm, 0..1, how far from the wrist's end, m,
    and what of the chart is hand at all."""

    def __init__(self, palm: np.ndarray, end: np.ndarray, inside: np.ndarray, folder: Path = SKINS):
        self.paths = sorted(folder.glob("*.webp"))
        if not self.paths:
            raise FileNotFoundError(f"No skins in {folder}: they come with the repository, and train.bake_skins makes "
                                    "them.")
        pictures = [cv2.imread(str(path)) for path in self.paths]
        self.size = pictures[0].shape[0]
        self.palm, end, inside = (cv2.resize(np.float32(image), (self.size, self.size))
                                  for image in (palm, end, inside))
        bare = (end > BARE_FROM[1]) & (inside > .99)
        self._counts = np.clip((end - BARE_FROM[0]) / (BARE_FROM[1] - BARE_FROM[0]), 0, 1)[..., None]
        linear = np.arange(256, dtype=np.float32)
        self._linear = (linear / 255) ** np.float32(2.2)
        self._pictures = pictures  # BGR
        self._means = [[np.median(self._linear[picture[bare & part]][:, ::-1], axis=0) for part in
                        (self.palm < .1, self.palm > .9)] for picture in pictures]
        self._lightness = np.log([back.mean() for back, _ in self._means])
        self._details: dict[int, np.ndarray] = {}

    def nearest(self, back: np.ndarray) -> np.ndarray:
        """The CHOICE people (K,) whose skin is about as light as this colour (3,)."""
        return np.argsort(np.abs(self._lightness - np.log(back.mean())))[:CHOICE]

    def detail(self, person: int) -> np.ndarray:
        """(S, S, 3) float16: the factor on the mean colour of palm and back."""
        if person not in self._details:
            back, palm = self._means[person]
            mean = back + (palm - back) * self.palm[..., None]
            factor = np.clip(self._linear[self._pictures[person][..., ::-1]] / mean, *RANGE)
            self._details[person] = (1 + (factor - 1) * self._counts).astype(np.float16)
        return self._details[person]

    def at(self, coords: np.ndarray, person: int) -> np.ndarray:
        """The factor (N, 3) at chart coordinates (N, 2), 0..1."""
        return look_up(self.detail(person), coords).astype(np.float32)
