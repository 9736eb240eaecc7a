"""The recipe of one round's training run, as `train.run` reads it."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from ..learning.recipe import Recipe

RENDERED = "images"  # in a stage's folder of renders: what train.synthesize writes
TRAINING, TEST = "training", "test"  # in one of backgrounds, likewise
LABELS, FITS, LANDMARKS = "labels.npz", "fits.npz", "landmarks.npz"
NETWORK = "handpose"  # in a run's folder: the checkpoint


def run_recipe(options: dict[str, Any], *, photos: Path, labels: Path, fits: Path, renders: list[Path],
               landmarks: list[Path], backgrounds: Path, false_hands: Path | None, held_out: list[str],
               photo_share: float, validation_renders: int) -> Recipe:
    """A run's options with stages' folders as what it learns from."""
    sources = [{"kind": "photos", "folder": str(photos), "labels": str(labels / LABELS), "fits": str(fits / FITS),
                "held_out": held_out, "share": photo_share}]
    sources += [{"kind": "renders", "folder": str(images / RENDERED), "landmarks": str(seen / LANDMARKS),
                 "validation": validation_renders, "share": (1 - photo_share) / len(renders)}
                for images, seen in zip(renders, landmarks, strict=True)]
    data = options["data"] | {"sources": sources, "backgrounds": [str(backgrounds / TRAINING)],
                              "false_hands": [str(false_hands)] if false_hands else []}
    return Recipe(**options | {"data": data})
