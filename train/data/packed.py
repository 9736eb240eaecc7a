"""A source in one file: hands with their small images as JPEG, to be carried to another machine."""
from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import torch

from handpose.whole_file import whole_file

from .labels import read_arrays
from .samples import Samples

IN_PIXELS = ("joints_2d", "focal", "principal")  # fields that follow an image's size; of landmarks the first three
QUALITY = 90  # of the JPEGs


def pack(samples: Samples, path: Path, size: int) -> int:
    """Writes samples with images of `size` px a side, whole or not at all; returns the file's bytes. Raises OSError."""
    scale = size / samples.images.shape[1]
    arrays = {field.name: getattr(samples, field.name).numpy() for field in fields(Samples)}
    for name in IN_PIXELS:
        arrays[name] = scaled(arrays[name], scale, centred=name != "focal")
    landmarks = arrays["landmarks"].copy()
    landmarks[..., :2] = scaled(landmarks[..., :2], scale, centred=True)
    landmarks[..., 2] *= scale
    encoded = [encode(image, size) for image in arrays.pop("images")]
    arrays |= {"landmarks": landmarks, "jpeg": np.frombuffer(b"".join(encoded), np.uint8),
               "length": np.array([len(one) for one in encoded])}
    halves = {name: values.astype(np.float16) for name, values in arrays.items()
              if name in ("trust", "betas", "weight")}
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays | halves)
    return path.stat().st_size


def scaled(values: np.ndarray, scale: float, centred: bool) -> np.ndarray:
    """Pixels of an image that is scaled; points' are counted from the middle of its first one."""
    return (values + 0.5) * scale - 0.5 if centred else values * scale


def encode(image: np.ndarray, size: int) -> bytes:
    """An image (S, S, 3) uint8 RGB as JPEG of `size` px a side."""
    small = image if len(image) == size else cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def load_packed(path: Path) -> Samples:
    """What `pack` wrote. Raises ValueError naming the remedy."""
    names = [field.name for field in fields(Samples) if field.name != "images"]
    arrays = read_arrays(path, (*names, "length"), "train.pack_run")
    ends = np.cumsum(arrays["length"])
    parts = [arrays["jpeg"][end - length:end] for end, length in zip(ends, arrays["length"], strict=True)]
    images = [cv2.imdecode(part, cv2.IMREAD_COLOR) for part in parts]
    if any(image is None for image in images):
        raise ValueError(f"{path} holds what is no image: make it anew with train.pack_run.")
    floats = {name: arrays[name].astype(np.float32) if arrays[name].dtype.kind == "f" else arrays[name]
              for name in names}
    return Samples(torch.from_numpy(np.stack(images)[..., ::-1].copy()),
                   **{name: torch.from_numpy(values) for name, values in floats.items()})
