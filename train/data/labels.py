"""A landmark model's labels of photos: the views they come from, the file they lie in, how far to trust them."""
from __future__ import annotations

from pathlib import Path

import numpy as np

# Turn in degrees, scale of the region, mirrored. Half of them are mirrored: what the model confuses between left and
# right hands cancels in the median.
VIEWS = ((0, 1.0, False), (0, 1.0, True), (17, 0.92, False), (-17, 1.1, False), (17, 1.1, True), (-17, 0.92, True))
FOCAL_PER_BOX = 4.0  # assumed focal length over the hand's box: an 0.15 m hand at 0.6 m


def load_labels(path: Path) -> dict[str, np.ndarray]:
    """`train.pseudo_label`'s file with every hand turned into a right one: for the left, x is negated."""
    with np.load(path) as file:
        labels = {key: file[key] for key in file.files}
    left = labels["side"] == "left"
    for key in ("points", "world", "view_points", "view_world"):
        labels[key][left, ..., 0] *= -1
    return labels


def trust_of(labels: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 21) weight of each label: one where the views agree to 2 % of the box, falling as their spread grows."""
    return 1 / (1 + (labels["spread"] / 0.02) ** 2)
