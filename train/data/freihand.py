"""A set in FreiHAND's layout, from its folder or straight from its .zip: what training and validation read.

    training/rgb/%08d.jpg     32,560 samples, then three more versions of each with another background: 130,240 images
    training/mask/%08d.jpg    where the hand is, of the samples
    training_K.json           N x 3 x 3 intrinsics, pixels
    training_xyz.json         N x 21 x 3 joints, metres, camera frame
    training_verts.json       N x 778 x 3 vertices of MANO, likewise
    training_mano.json        N x 1 x 61: pose 48, shape 10 (what follows, a place in the image, is not read)
    training_scale.json       N: length of the bone between joints 9 and 10, metres

and `evaluation` in the place of `training`: FreiHAND_pub_v2 gives K and scale of it, FreiHAND_pub_v2_eval the rest. All
are right hands. What `train.synthesize` writes has this layout too, with one version, no vertices, and poses relative
to the flat hand instead of MANO's mean pose.

The numbers are brought into .npy files when a set is first opened, and the images all looked at; both are remembered
in a folder beside the set, or in the user's cache where that cannot be written. Later the set opens in a second or two,
and only what is taken of it comes into memory.
"""
from __future__ import annotations

import copy
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from handpose.foreign_file import read_bytes, read_npz
from handpose.network.checkpoint import one_line
from handpose.whole_file import whole_file

from .json_index import index_json
from .samples import LOST_LANDMARKS, Samples, with_world
from .set_files import DAMAGED_ZIP, SetFiles, cache_folder, check_held_out, decode_jpeg, listed

ROWS = {"K": (3, 3), "xyz": (21, 3), "verts": (None, 3), "mano": (61,), "scale": ()}
REQUIRED = {"training": ("K", "xyz", "mano"), "evaluation": ("K", "scale")}
VERSIONS = 4  # of each training sample
CHECKED_AT_ONCE = 256  # images
MOST_NOTE_BYTES, MOST_LANDMARK_BYTES = 1 << 24, 4 << 30  # of all images; FreiHAND's landmarks have 0.3 GB
RENDERS_NOTE = "made_from.json"  # lies beside what train.synthesize wrote


class FreiHand:
    """A set in FreiHAND's layout: a source of training samples, decoded as they are taken, from any thread.

    `K` (N, 3, 3), `xyz` (N, 21, 3), `mano` (N, 61), `scale` (N,) and `verts` (N, V, 3) are read-only float32 arrays
    over the N unique samples, in files, or None where the set does not have them. `entries` (M,) are the numbers of the
    images that this source stands for: image n shows sample n % N.

    `landmarks`: a file of `train.pseudo_label` that knows these images. `part`: "training" or "evaluation".
    `hands_mean` (45,), MANO's, is added to the poses, which makes them relative to the flat hand: needed for training,
    but not with renders. `versions`: which of a training sample's four, 0 to 3 (default: all). `joints_alone`: MANO's
    parameters are neither needed nor read. `cache`: folder for what is remembered. `check=False` does not look at the
    images until `check_images` does.

    Raises FileNotFoundError or ValueError naming the file and the remedy.
    """

    def __init__(self, path: str | Path, landmarks: str | Path | None = None, *, part: str = "training",
                 hands_mean: np.ndarray | None = None, versions: Sequence[int] | None = None,
                 joints_alone: bool = False, cache: str | Path | None = None, check: bool = True):
        self.path, self.part, self.joints_alone = Path(path), part, joints_alone
        self._files = SetFiles(self.path, f"{part}_K.json")
        self._cache = cache_folder(self.path, cache)
        self.K, self.xyz, self.scale = (self._index(key) for key in ("K", "xyz", "scale"))
        self.mano = None if joints_alone else self._index("mano")
        lengths = {self._json(key): len(values) for key, values in self._annotations().items()}
        self.unique = max(lengths.values())
        short = min(lengths, key=lengths.get)
        if lengths[short] < self.unique:
            raise ValueError(f"{self.path}: {short} has {lengths[short]} rows where others have {self.unique}: fetch "
                             "it again.")
        self._count = count = self._count_images()
        if check:
            self.check_images()
        numbers = torch.arange(count)
        if versions is not None:
            numbers = numbers[torch.isin(numbers // self.unique, torch.tensor(list(versions)))]
            if not len(numbers):
                raise ValueError(f"{self.path} has no versions {list(versions)} of its images, only 0 to "
                                 f"{count // self.unique - 1}: name some of those.")
        self.entries = numbers
        if RENDERS_NOTE in self._files:
            hands_mean = np.zeros(45)
        self._mean = None if hands_mean is None else np.concatenate([np.zeros(3), np.reshape(hands_mean, 45)])
        self._landmarks, self._found = None, None
        if landmarks is not None:
            self._landmarks, self._found = self._load_landmarks(Path(landmarks), count)

    def __len__(self) -> int:
        return len(self.entries)

    def split(self, validation: int) -> tuple[FreiHand, FreiHand]:
        """Two parts: for training, and the last `validation` unique samples with all their versions.

        Neighbours in the set are of one recording, so that samples held out at random would have twins in training.
        """
        check_held_out(self.path, validation, self.unique)
        held_out = self.entries % self.unique >= self.unique - validation
        parts = copy.copy(self), copy.copy(self)
        for part, chosen in zip(parts, (~held_out, held_out), strict=True):
            part.entries = self.entries[chosen]
        return parts

    def take(self, index: Tensor, with_images: bool = True) -> Samples:
        """The samples at these positions (B,) of the source; images as large as they are in the files, or empty."""
        if self.xyz is None or self.mano is None and not self.joints_alone:
            raise ValueError(f"{self.path} lacks {self._json('xyz')} or {self._json('mano')}: give a set with labels.")
        if self._mean is None and not self.joints_alone:
            raise ValueError(f"The poses of {self.path} are relative to MANO's mean pose: give MANO_RIGHT as the hand "
                             "model, whose hands_mean turns them into those of the flat hand.")
        numbers = self.entries[index].numpy()
        count, samples = len(numbers), numbers % self.unique
        xyz, intrinsics = (values[samples].astype(np.float64) for values in (self.xyz, self.K))
        size = self._size if with_images else 0
        images = np.empty((count, size, size, 3), np.uint8)
        for row, number in enumerate(numbers if with_images else ()):
            images[row] = self.image(number)
        labels = {"joints_2d": _project(xyz, intrinsics), "joints_3d": xyz - xyz[:, :1],
                  "focal": (intrinsics[:, 0, 0] + intrinsics[:, 1, 1]) / 2, "principal": intrinsics[:, :2, 2],
                  "distance": xyz[:, 0, 2]}
        if not self.joints_alone:
            mano = self.mano[samples].astype(np.float64)
            labels |= {"rotvec": (mano[:, :48] + self._mean).reshape(-1, 16, 3), "betas": mano[:, 48:58]}
        if self._landmarks is not None:
            labels |= {"landmarks": self._landmarks[numbers], "found": self._found[numbers]}
        return Samples.of(images, exact=True, **labels)

    def image(self, number: int) -> np.ndarray:
        """An image (S, S, 3) uint8 RGB by its number in the set."""
        image = decode_jpeg(self._files.read(self._rgb(number)))
        if image is None or image.shape != (self._size, self._size, 3):
            raise ValueError(f"{self.path}: {self._rgb(number)} is damaged: fetch it again.")
        return image

    def mask(self, sample: int) -> np.ndarray:
        """Where the hand of a training sample is, (S, S) bool."""
        image = decode_jpeg(self._files.read(f"{self.part}/mask/{sample:08d}.jpg"))
        if image is None:
            raise ValueError(f"{self.path}: {self.part}/mask/{sample:08d}.jpg is damaged: fetch it again.")
        return image[..., 0] > 127

    @cached_property
    def verts(self) -> np.ndarray | None:
        """Training does without; they take a while to read for the first time."""
        verts = self._index("verts")
        if verts is not None and len(verts) != self.unique:
            raise ValueError(f"{self.path}: {self._json('verts')} has {len(verts)} rows, others {self.unique}: fetch "
                             "it again.")
        return verts

    @cached_property
    def _size(self) -> int:
        """Pixels a side, of all images if of the first."""
        image = decode_jpeg(self._files.read(self._rgb(0)))
        if image is None or image.shape[0] != image.shape[1]:
            raise ValueError(f"{self.path}: {self._rgb(0)} is damaged or not square: fetch it again.")
        return len(image)

    def _rgb(self, number: int) -> str:
        return f"{self.part}/rgb/{number:08d}.jpg"

    def _json(self, key: str) -> str:
        return f"{self.part}_{key}.json"

    def _annotations(self) -> dict[str, np.ndarray]:
        pairs = (("K", self.K), ("xyz", self.xyz), ("mano", self.mano), ("scale", self.scale))
        return {key: values for key, values in pairs if values is not None}

    def _index(self, key: str) -> np.ndarray | None:
        """The annotations in a JSON file as a memory map; None where the set has none and need not."""
        name = self._json(key)
        if name not in self._files:
            if key in REQUIRED[self.part]:
                raise FileNotFoundError(f"{self.path} has no {name}: give the folder or .zip that holds it, as "
                                        "FreiHAND_pub_v2 does.")
            return None
        path = self._cache / f"{self.part}_{key}-{self._files.stamp(name)}.npy"
        if not _is_index(path, ROWS[key]):
            try:
                with self._files.open(name) as stream:
                    index_json(stream, f"{self.path}: {name}", ROWS[key], path)
            except DAMAGED_ZIP as error:
                raise ValueError(f"{self.path}: {name} is damaged ({error}): fetch the .zip again.") from error
            for old in self._cache.glob(f"{self.part}_{key}-*.npy"):
                if old != path:
                    old.unlink(missing_ok=True)
        return np.load(path, mmap_mode="r")

    def _count_images(self) -> int:
        """How many images there must be. Raises ValueError naming those that are not there."""
        numbers = self._files.numbers(f"{self.part}/rgb")
        if not len(numbers):
            raise FileNotFoundError(f"{self.path} has no images {self._rgb(0)} ...: unpack them there.")
        count = self.unique if self.part == "evaluation" or numbers[-1] < self.unique else VERSIONS * self.unique
        if numbers[-1] >= count:
            raise ValueError(f"{self.path}: {self._json('K')} is too short with {self.unique} rows for "
                             f"{numbers[-1] + 1} images: fetch the annotations again.")
        missing = np.setdiff1d(np.arange(count), numbers)
        if len(missing):
            raise ValueError(f"{self.path}: {listed([self._rgb(n) for n in missing])} missing of the {count} images "
                             f"that {self.unique} rows of annotations ask for: fetch the set again.")
        return count

    def check_images(self) -> None:
        """Decodes all images, on first use; later only those that were found bad. Raises ValueError naming them."""
        count = self._count
        note = self._cache / f"{self.part}_rgb-{count}-{self._files.stamp(f'{self.part}/rgb')}.json"
        suspects = _suspects(note, count)
        if not suspects:
            return
        shape = (self._size, self._size, 3)

        def bad_of(numbers: list[int]) -> list[int]:
            decoded = ((number, decode_jpeg(self._files.read(self._rgb(number)))) for number in numbers)
            return [number for number, image in decoded if image is None or image.shape != shape]

        bad = []
        groups = [suspects[start:start + CHECKED_AT_ONCE] for start in range(0, len(suspects), CHECKED_AT_ONCE)]
        with ThreadPoolExecutor(os.cpu_count()) as pool, \
                tqdm(total=len(suspects), desc=f"checking {self.path.name}", unit="image") as bar:
            for group, found in zip(groups, pool.map(bad_of, groups), strict=True):
                bad += found
                bar.update(len(group))
        with whole_file(note) as temporary:
            temporary.write_text(json.dumps(bad))
        if bad:
            raise ValueError(f"{self.path}: {listed([self._rgb(n) for n in bad])} damaged, or not {shape[0]} pixels a "
                             "side as the first: fetch the set again.")

    def _load_landmarks(self, path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Of all images: landmarks (count, V, 21, 6) as in Samples, and where they may be trusted, (count, V)."""
        try:
            file = read_npz(path, MOST_LANDMARK_BYTES)
            ours = np.flatnonzero(file["set"] == "rgb")
            numbers = np.array([int(Path(name).stem) for name in file["fname"][ours]], int)
            known = (0 <= numbers) & (numbers < count)
            points, world = (file[key][ours[known]] for key in ("view_points", "view_world"))
            if points.shape[2:] != (21, 3) or points.shape != world.shape:
                raise ValueError("its points are not those of hands")
        except OSError:
            raise
        except Exception as error:  # zipfile, zlib and NumPy each have their own for a damaged file
            raise ValueError(f"{path} is damaged or none of train.pseudo_label's ({one_line(error)}): make it anew.") \
                from error
        numbers = numbers[known]
        if not len(numbers):
            raise ValueError(f"{path} knows none of the images of {self.path}: give the file made from them.")
        landmarks = np.zeros((count, *points.shape[1:3], 6), np.float32)
        found = np.zeros(landmarks.shape[:2], bool)
        landmarks[numbers] = with_world(points, world)
        goal = _project(self.xyz[numbers % self.unique], self.K[numbers % self.unique])
        error = np.linalg.norm(points[..., :2] - goal[:, None], axis=3).mean(2)
        found[numbers] = error < LOST_LANDMARKS * np.ptp(goal, axis=1).max(1)[:, None]
        return landmarks, found


def _is_index(path: Path, row: tuple[int | None, ...]) -> bool:
    """Whether what is remembered of a JSON file is there and is what `index_json` writes."""
    try:
        array = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    shape = array.shape[1:]
    return (array.dtype == np.float32 and len(array) > 0 and len(shape) == len(row)
            and all(want in (None, have) for want, have in zip(row, shape, strict=True)))


def _suspects(note: Path, count: int) -> list[int]:
    """The images that a note remembers as bad; all where there is no such note."""
    try:
        suspects = json.loads(read_bytes(note, MOST_NOTE_BYTES))
        if all(type(number) is int and 0 <= number < count for number in suspects):
            return suspects
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    return list(range(count))


def _project(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Pixels (N, P, 2) of points (N, P, 3) that cameras (N, 3, 3) see."""
    seen = np.einsum("nij,npj->npi", intrinsics, points)
    return seen[..., :2] / seen[..., 2:]
