"""The sources and validation sets that a recipe names."""
from __future__ import annotations

from pathlib import Path

import torch

from handpose.hand_model.layer import HandLayer

from ..learning.recipe import DataConfig
from .dataset import load_photos, load_renders
from .freihand import FreiHand
from .loader import Source


def load_sources(data: DataConfig, hand_model: HandLayer, device: torch.device | str
                 ) -> tuple[list[Source], dict[str, Source]]:
    """Training sources (photos first) and validation sources by name; poses are of `hand_model`."""
    sources, validation = [], {}
    if data.photos:
        paths = Path(data.photos), Path(data.labels), Path(data.fits)
        sets = sorted(path.name for path in paths[0].iterdir() if path.is_dir())
        sources.append(load_photos(*paths, [name for name in sets if name not in data.held_out]).to(device))
        if data.held_out:
            validation["photos"] = load_photos(*paths, list(data.held_out)).to(device)
    if data.renders:
        renders = load_renders(Path(data.renders), Path(data.renders_landmarks)).to(device)
        split = len(renders) - data.validation_renders
        sources.append(renders.take(slice(split)))
        if data.validation_renders:
            validation["renders"] = renders.take(slice(split, None))
    if data.freihand:
        freihand = FreiHand(data.freihand, data.freihand_landmarks, hands_mean=hand_model.hands_mean)
        training, held_out = freihand.split(data.validation_freihand)
        sources.append(training)
        if len(held_out):
            validation["freihand"] = held_out
    if not sources:
        raise ValueError("The recipe names no photos, renders or FreiHAND to train on.")
    return sources, validation
