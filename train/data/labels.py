"""A landmark model's labels of photos: the views they come from, the file they lie in, how far to trust them."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from handpose.foreign_file import read_npz
from handpose.network.checkpoint import one_line

MOST_BYTES = 32 << 30  # of a file's arrays in memory; of 100,000 photos in six views they take 0.7 GB

# Turn in degrees, scale of the region, mirrored. Half of them are mirrored: what the model confuses between left and
# right hands cancels in the median.
VIEWS = ((0, 1.0, False), (0, 1.0, True), (17, 0.92, False), (-17, 1.1, False), (17, 1.1, True), (-17, 0.92, True))
FOCAL_PER_BOX = 4.0  # assumed focal length over the hand's box: an 0.15 m hand at 0.6 m


def read_arrays(path: Path, keys: tuple[str, ...], made_by: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz, which holds `keys` with a row for every hand each. Raises ValueError naming the remedy."""
    try:
        arrays = read_npz(path, MOST_BYTES)
        missing = [key for key in keys if key not in arrays]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        if len({len(arrays[key]) for key in keys}) != 1:
            raise ValueError("its arrays are of different numbers of hands")
        return arrays
    except Exception as error:  # zipfile, zlib and NumPy each have their own for a damaged file
        raise ValueError(f"{path} is damaged or none of {made_by}'s ({one_line(error)}): make it anew.") from error


def load_labels(path: Path) -> dict[str, np.ndarray]:
    """`train.pseudo_label`'s file with every hand turned into a right one: for the left, x is negated."""
    labels = read_arrays(path, ("set", "fname", "side", "points", "world", "spread", "view_points", "view_world"),
                         "train.pseudo_label")
    left = labels["side"] == "left"
    for key in ("points", "world", "view_points", "view_world"):
        labels[key][left, ..., 0] *= -1
    return labels


def trust_of(labels: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 21) weight of each label: one where the views agree to 2 % of the box, falling as their spread grows."""
    return 1 / (1 + (labels["spread"] / 0.02) ** 2)
