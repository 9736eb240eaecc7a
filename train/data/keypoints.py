"""Hands of one's own of which joints alone are known, in the image, in space or both (see `coco`), as samples.

A hand becomes a crop of a few kB, a right one, kept in a file beside the set (or in the user's cache) that is mapped
into memory. A finger's joint that is not labelled does not count.
"""
from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from handpose.camera import Camera
from handpose.crop import Crop
from handpose.foreign_file import read_npz
from handpose.hand_model.skeleton import MIRROR
from handpose.image import PhotoError, load_photo
from handpose.placement import NEAREST, solve_translation
from handpose.whole_file import whole_file

from .coco import ANNOTATIONS, MOST_BYTES, SMALLEST, Content, Hand, read_annotations
from .samples import Samples
from .set_files import cache_folder, check_held_out, listed

CROP_SCALE = 2.0  # a stored crop over the larger side of the joints' box: room for all that training does to it
FORMAT = 1  # of what is kept; another number makes it anew
LABELS = {"joints_2d": (21, 2), "trust": (21,), "joints_3d": (21, 3), "has_3d": (), "focal": (), "principal": (2,),
          "distance": ()}


def load_keypoints(folder: Path, validation: int = 0, size: int = 192, cache: Path | None = None) -> Samples:
    """The hands of a folder, in crops of `size` px.

    Raises FileNotFoundError or ValueError naming the file and the remedy, where it cannot spare `validation` hands,
    too.
    """
    content = read_annotations(folder)
    check_held_out(folder, validation, len(content.hands))
    if content.left_out:
        print(f"{folder}: {content.left_out} hands are left out, whose palm is not labelled whole or whose joints lie "
              f"within {SMALLEST} px.", file=sys.stderr)
    start = f"keypoints_{size}px-"
    kept = cache_folder(folder, cache) / f"{start}{_stamp(folder, content)}"
    images, labels = kept.with_suffix(".npy"), kept.with_suffix(".npz")
    if not _is_kept(images, labels, (len(content.hands), size, size, 3)):
        for old in kept.parent.glob(f"{start}*"):
            old.unlink(missing_ok=True)
        _write_crops(folder, content.hands, images, labels, size)
    arrays = read_npz(labels, MOST_BYTES)
    has_3d = torch.from_numpy(arrays.pop("has_3d"))
    samples = Samples.of(np.load(images, mmap_mode="c"), exact=True, **arrays)
    samples.has_3d = has_3d
    return samples


def _stamp(folder: Path, content: Content) -> str:
    """Letters that change when the annotations or an image do. Raises FileNotFoundError or ValueError."""
    known, missing, inside = sha256(content.text + bytes([FORMAT])), [], folder.resolve()
    for name in dict.fromkeys(hand.file_name for hand in content.hands):
        path = folder / name
        if not path.resolve().is_relative_to(inside):
            raise ValueError(f"{folder / ANNOTATIONS}: the image {ascii(name[:80])} lies outside of the folder: name "
                             "images in it.")
        if path.is_file():
            known.update(f"{name} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode(errors="surrogatepass"))
        else:
            missing.append(ascii(name[:80])[1:-1])
    if missing:
        raise FileNotFoundError(f"{folder}: {listed(missing)} missing that {ANNOTATIONS} names: copy the images there.")
    return known.hexdigest()[:16]


def _is_kept(images: Path, labels: Path, shape: tuple[int, ...]) -> bool:
    """Whether the crops of all hands are there, and are what `_write_crops` writes."""
    try:
        kept, array = read_npz(labels, MOST_BYTES), np.load(images, mmap_mode="r")
        return (array.shape == shape and array.dtype == np.uint8 and set(kept) == {*LABELS}
                and all(kept[name].shape == (shape[0], *row) and np.isfinite(kept[name]).all()
                        for name, row in LABELS.items()))
    except Exception:  # zipfile, zlib and NumPy each have their own for a damaged file
        return False


def _write_crops(folder: Path, hands: list[Hand], images: Path, labels: Path, size: int) -> None:
    """Cuts all hands' crops, of right hands, and writes them with what is known of them; the labels last."""
    rows: dict[str, list] = {name: [] for name in LABELS}
    name, photo = None, None
    with whole_file(images) as temporary:
        crops = np.lib.format.open_memmap(temporary, "w+", np.uint8, (len(hands), size, size, 3))
        for number, hand in enumerate(tqdm(hands, f"reading {folder.name}", unit="hand", disable=len(hands) < 500)):
            if hand.file_name != name:
                name = hand.file_name
                try:
                    photo = load_photo(folder / name)
                except PhotoError as error:
                    raise ValueError(f"{folder}: {error}") from error
            low, high = (end(hand.joints_2d[hand.labelled], axis=0) for end in (np.min, np.max))
            side = CROP_SCALE * (high - low).max()
            crop = Crop.around((low + high) / 2, side, 0.0, size, mirrored=hand.left)
            crops[number] = crop.warp(photo.rgb)
            lens = hand.camera or Camera.of_photo(photo.width, photo.height, focal_35mm=photo.focal_35mm)
            for key, value in _labels(hand, crop, lens).items():
                rows[key].append(value)
        crops.flush()
        del crops
    with whole_file(labels) as temporary, open(temporary, "wb") as file:
        np.savez(file, **{key: np.array(values, bool if key == "has_3d" else np.float32)
                          for key, values in rows.items()})


def _labels(hand: Hand, crop: Crop, camera: Camera) -> dict[str, np.ndarray | float]:
    """Of one hand: `Samples`' fields in pixels of the crop, by the names of LABELS."""
    uv, focal = crop.to_crop(hand.joints_2d), (camera.fx + camera.fy) / 2 * crop.scale
    principal = crop.to_crop(np.array([camera.cx, camera.cy]))
    labels = {"joints_2d": uv, "trust": hand.labelled, "has_3d": hand.joints_3d is not None, "focal": focal,
              "principal": principal, "joints_3d": np.zeros((21, 3)), "distance": 1.0}
    if hand.joints_3d is not None:
        rooted = (hand.joints_3d - hand.joints_3d[0]) * (MIRROR if hand.left else 1.0)
        placed = hand.camera and hand.joints_3d[0].any()
        seen = solve_translation(rooted[None], ((uv - principal) / focal)[None], hand.labelled[None].astype(float),
                                 nearest=NEAREST)[0, 2]
        labels |= {"joints_3d": rooted, "distance": hand.joints_3d[0, 2] if placed else seen}
    return labels
