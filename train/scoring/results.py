"""What any system says of photos, from files: a folder with an `.npz` or a JSON for each photo, named by its stem.

docs/evaluation.md tells the format to those who write such files; the folders of `handpose predict` have it.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from handpose.camera import Camera
from handpose.foreign_file import read_bytes, read_npz
from handpose.network.checkpoint import one_line

from .measure import CS_GUESSED, CS_TRUE, Answer
from .test_sets import Case

ENDINGS = (".json", ".npz")  # the last one counts where a photo has both: it holds vertices
MOST_BYTES = 64 << 20  # of a photo's file, unpacked
LARGEST_HAND, SMALLEST_HAND = 10.0, 1e-3  # metres: beyond these, numbers are in another unit, or no hand
FARTHEST = 1e6  # pixels, metres
SAME_LENS = 0.01  # of the focal length: a camera that differs by less is the true one
REMEDY = "write it as docs/evaluation.md says"


class Results:
    """The answers of one system, in `folder`, to questions about `photos`.

    A photo's file has its name, with other endings, at the top or below the folders that the photo lies in: that of
    photos/garden/7.jpg is garden/7.npz or 7.json. A photo without a file has no hand.
    Raises FileNotFoundError or ValueError naming the file and the remedy; all files are looked at.
    """

    def __init__(self, folder: Path, photos: list[Path]):
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}: give the one that holds a system's results.")
        files = {file.relative_to(folder).with_suffix("").as_posix(): file
                 for ending in ENDINGS for file in sorted(folder.rglob(f"*{ending}"))}
        self._files: dict[Path, Path] = {}
        owners: dict[Path, Path] = {}
        for photo in dict.fromkeys(photos):
            names = ("/".join((*photo.parts[start:-1], photo.stem)) for start in range(len(photo.parts)))
            file = next((files[name] for name in names if name in files), None)
            if file is None:
                continue
            if file in owners:
                raise ValueError(f"{file} could be of {owners[file]} and of {photo}: name results with the photos' "
                                 f"folders, such as {Path(photo.parent.name, file.name)}.")
            owners[file], self._files[photo] = photo, file
        if not self._files:
            raise ValueError(f"No file in {folder} belongs to any of the photos: name each by its photo's stem, such "
                             f"as {photos[0].stem}.npz.")
        for file in owners:
            read_hands(file)  # what is wrong with one should be known before the others are measured

    def __len__(self) -> int:
        """How many photos have a file."""
        return len(self._files)

    def __call__(self, case: Case) -> list[Answer]:
        """All hands that the system reports in the case's photo."""
        if case.photo not in self._files:
            return []
        hands, camera = read_hands(self._files[case.photo])
        told = camera is not None and case.camera is not None and abs(camera.fx / case.camera.fx - 1) < SAME_LENS
        return [Answer(hand.side, hand.joints_2d, hand.joints_3d, vertices=hand.vertices,
                       placed={CS_TRUE if told else CS_GUESSED: hand.joints_3d} if (hand.joints_3d[:, 2] > 0).all()
                       else {}) for hand in hands]


def read_hands(file: Path) -> tuple[list[Answer], Camera | None]:
    """The hands in a photo's file, and the camera that they were placed before, if it says so. Raises ValueError."""
    try:
        values = json.loads(read_bytes(file, MOST_BYTES)) if file.suffix == ".json" else read_npz(file, MOST_BYTES)
        if not isinstance(values, dict):
            raise ValueError("it has no names")
    except Exception as error:  # json, zipfile, zlib and NumPy each have their own for a damaged file
        raise ValueError(f"{file} cannot be read ({one_line(error)}): {REMEDY}.") from error
    try:
        values = _ours(values)
        count = len(values["joints_3d"])
        joints_3d = _numbers(values, "joints_3d", (count, 21, 3))
        joints_2d = _numbers(values, "joints_2d", (count, 21, 2))
        vertices = _numbers(values, "vertices", (count, None, 3)) if "vertices" in values else [None] * count
        for extent in np.ptp(joints_3d, axis=1).max(1, initial=0):
            if not SMALLEST_HAND < extent < LARGEST_HAND:
                raise ValueError(f"a hand of {extent:.3g} metres in joints_3d")
        sides = _sides(values["side"], count) if "side" in values else [None] * count
        camera = Camera(*_numbers(values, "camera", (4,)).tolist()) if "camera" in values else None
    except (KeyError, TypeError, ValueError) as error:
        cause = f"it lacks {error}" if isinstance(error, KeyError) else one_line(error)
        raise ValueError(f"{file} is no result of hands ({cause}): {REMEDY}.") from error
    return [Answer(*hand[:3], vertices=hand[3]) for hand in zip(sides, joints_2d, joints_3d, vertices, strict=True)
            ], camera


def _ours(values: dict) -> dict:
    """The same by the names of the general format, where it is a JSON or an `.npz` of `handpose predict`."""
    if "hands" in values:
        hands, camera = values["hands"], values.get("camera")
        values = {key: [hand[key] for hand in hands] for key in ("joints_3d", "joints_2d", "side")}
        return values | ({"camera": [camera[key] for key in ("fx", "fy", "cx", "cy")]} if camera else {})
    if "intrinsics" in values:
        matrix = _numbers(values, "intrinsics", (3, 3))
        return values | {"camera": matrix[[0, 1, 0, 1], [0, 1, 2, 2]]}
    return values


def _numbers(values: dict, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """The finite float64 numbers of this shape under a name. Raises KeyError, TypeError or ValueError."""
    array = np.asarray(values[key])
    if array.size == 0 and shape[0] == 0:
        return np.zeros([length or 0 for length in shape])
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{key} has the shape {array.shape} where {shape} is meant".replace("None", "any"))
    if array.dtype.kind not in "fiu" or not (np.abs(array) < FARTHEST).all():
        raise ValueError(f"{key} holds something else than finite numbers")
    return array.astype(float)


def _sides(sides: object, count: int) -> list[str]:
    names = [str(side).lower() for side in np.asarray(sides).ravel()]
    if len(names) != count or not set(names) <= {"left", "right"}:
        raise ValueError(f'side does not say "left" or "right" for each of {count} hands')
    return names
