"""What is around a hand in a photo: cloth, things in the way, and the background itself."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .skin import to_linear

PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


class Photos:
    """Photos without hands, to be cut up: read once, kept small."""

    def __init__(self, folders: Sequence[str | Path], side: int = 640):
        self.paths = sorted(path for folder in folders for path in Path(folder).rglob("*")
                            if path.suffix.lower() in PHOTO_SUFFIXES)
        if not self.paths:
            raise FileNotFoundError(f"No photos in {', '.join(map(str, folders))}; name a folder of .jpg or .png.")
        self.side = side
        self._kept: dict[Path, np.ndarray] = {}

    def pick(self, rng: np.random.Generator) -> np.ndarray:
        """One photo, RGB uint8 (H, W, 3)."""
        path = self.paths[rng.integers(len(self.paths))]
        if path not in self._kept:
            bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if bgr is None:
                raise ValueError(f"The background {path} cannot be read; remove it.")
            scale = min(1, self.side / max(bgr.shape[:2]))
            small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self._kept[path] = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
        return self._kept[path]

    def cut(self, rng: np.random.Generator, size: int, share: tuple[float, float] = (.25, 1.0)) -> np.ndarray:
        """A square of one photo, turned a little or mirrored, RGB uint8 (size, size, 3)."""
        photo = self.pick(rng)
        height, width = photo.shape[:2]
        side = min(height, width) * rng.uniform(*share)
        angle = rng.normal(0, .12)
        reach = side / 2 * min(1.3, np.sqrt(2))
        centre = [rng.uniform(min(reach, n / 2), max(n - reach, n / 2)) for n in (width, height)]
        c, s = np.cos(angle) * side / size, np.sin(angle) * side / size
        linear = np.array([[c, -s], [s, c]]) * ([-1, 1] if rng.random() < .5 else [1, 1])
        offset = np.array(centre) - linear @ np.full(2, (size - 1) / 2)
        flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_AREA if side < size else cv2.INTER_LINEAR)
        if side > 2 * size:  # bilinear sampling alone would alias
            photo = cv2.blur(photo, (int(side / size),) * 2)
        return cv2.warpAffine(photo, np.column_stack([linear, offset]), (size, size), flags=flags,
                              borderMode=cv2.BORDER_REFLECT_101)


def sample_background(rng: np.random.Generator, photos: Photos, size: int) -> np.ndarray:
    """RGB uint8 (size, size, 3): mostly photos, at times nearly plain (a wall, a shirt), sharp or out of focus."""
    image = photos.cut(rng, size)
    if rng.random() < .18:
        plain = np.full((size, size, 3), rng.uniform(10, 245), np.float32) + rng.normal(0, 12, 3)
        slope = np.linspace(-1, 1, size)
        plain += (rng.normal(0, 18) * slope[:, None] + rng.normal(0, 18) * slope)[..., None]
        image = np.clip(plain + rng.uniform(0, .3) * (image - image.mean((0, 1))), 0, 255).astype(np.uint8)
    if rng.random() < .4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(.5, 4) * size / 192)
    return image


@dataclass(frozen=True)
class Cloth:
    """A material with a repeating picture: `texture` (H, W, 3) reflectance over coords 0..1 after `scale`."""
    texture: np.ndarray
    scale: np.ndarray  # (2,)
    gloss: float

    @classmethod
    def sample(cls, rng: np.random.Generator, photos: Photos, gloss: tuple[float, float] = (0, .15)) -> Cloth:
        """Plain, striped, checked, or cut from a photo; as often dark as light."""
        size = 64
        colours = np.clip(rng.uniform(.01, .8, 2)[:, None] * (1 + rng.normal(0, .35, (2, 3))), .01, .9)
        kind = rng.choice(["plain", "stripes", "checks", "photo"], p=[.5, .12, .08, .3])
        u, v = np.meshgrid(np.arange(size), np.arange(size))
        which = np.zeros((size, size))
        if kind == "stripes":
            which = (v // 8) % 2
        elif kind == "checks":
            which = .5 * ((u // 16) % 2) + .5 * ((v // 16) % 2)
        texture = colours[0] + (colours[1] - colours[0]) * which[..., None]
        if kind == "photo":
            texture = to_linear(photos.cut(rng, size, (.1, .5)) / 255) * rng.uniform(.3, 1)
        texture = np.clip(texture * (1 + .06 * rng.normal(size=(size, size, 1))), .005, .95)
        return cls(texture.astype(np.float32), np.array([rng.choice([1, 2]), rng.uniform(3, 12)]), rng.uniform(*gloss))

    def __call__(self, coords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reflectance (N, 3) and gloss (N,) at coords (N, 2)."""
        size = np.array(self.texture.shape[1::-1])
        texel = (np.mod(coords * np.float32(self.scale), 1) * size).astype(np.int32) % size
        return self.texture[texel[:, 1], texel[:, 0]], np.full(len(coords), self.gloss, np.float32)


def sample_blob(rng: np.random.Generator, photos: Photos, size: int, centre: np.ndarray, side: float
                ) -> tuple[np.ndarray, np.ndarray]:
    """Something flat in front of everything: display colours (size, size, 3) 0..1 and soft coverage (size, size)."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    radii = side * rng.uniform(.12, .3) * np.exp(rng.normal(0, .3, 12))
    away = rng.uniform(0, 2 * np.pi)
    middle = np.asarray(centre) + side * rng.uniform(.2, .6) * np.array([np.cos(away), np.sin(away)])
    outline = middle + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    cover = np.zeros((size, size), np.uint8)
    cv2.fillPoly(cover, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(.4, 2) * size / 192).astype(np.float32) / 255
    return photos.cut(rng, size, (.1, .6)).astype(np.float32) / 255 * np.float32(rng.uniform(.5, 1.1)), cover
