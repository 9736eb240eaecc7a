"""The sources and validation sets that a recipe names."""
from __future__ import annotations

from pathlib import Path

import torch

from handpose.hand_model.layer import HandLayer

from ..learning.data_config import DataConfig, FreihandConfig, PhotosConfig, RendersConfig
from .dataset import load_photos, load_renders
from .freihand import FreiHand
from .loader import Source


def load_sources(data: DataConfig, hand_model: HandLayer, device: torch.device | str
                 ) -> tuple[list[Source], dict[str, Source]]:
    """What is trained on, in the recipe's order, and what is validated on, by name; poses are of `hand_model`.

    Raises FileNotFoundError or ValueError naming the file or option and the remedy.
    """
    if not data.sources:
        raise ValueError("The recipe names no data.sources to train on.")
    training, validation = [], {}
    for config in data.sources:
        source, held_out = LOADERS[config.kind](config, hand_model, device)
        training.append(source)
        if held_out is not None:
            alike = sum(name.split()[0] == config.kind for name in validation)
            validation[f"{config.kind} {alike + 1}" if alike else config.kind] = held_out
    return training, validation


def _photos(config: PhotosConfig, hand_model: HandLayer, device: torch.device | str) -> tuple[Source, Source | None]:
    paths = Path(config.folder), Path(config.labels), Path(config.fits)
    sets = sorted(path.name for path in paths[0].iterdir() if path.is_dir())
    training = load_photos(*paths, [name for name in sets if name not in config.held_out]).to(device)
    return training, load_photos(*paths, list(config.held_out)).to(device) if config.held_out else None


def _renders(config: RendersConfig, hand_model: HandLayer, device: torch.device | str) -> tuple[Source, Source | None]:
    renders = load_renders(Path(config.folder), Path(config.landmarks)).to(device)
    split = len(renders) - config.validation
    return renders.take(slice(split)), renders.take(slice(split, None)) if config.validation else None


def _freihand(config: FreihandConfig, hand_model: HandLayer, device: torch.device | str
              ) -> tuple[Source, Source | None]:
    freihand = FreiHand(config.path, config.landmarks, hands_mean=hand_model.hands_mean)
    training, held_out = freihand.split(config.validation)
    return training, held_out if config.validation else None


LOADERS = {"photos": _photos, "renders": _renders, "freihand": _freihand}
