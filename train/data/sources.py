"""The sources and validation sets that a recipe names."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from handpose.hand_model.layer import HandLayer

from ..learning.data_config import (
    AnySource,
    DataConfig,
    FreihandConfig,
    KeypointsConfig,
    PackedConfig,
    PhotosConfig,
    RendersConfig,
)
from .coco import ANNOTATIONS
from .dataset import load_photos, load_renders
from .freihand import RENDERS_NOTE, FreiHand
from .keypoints import load_keypoints
from .loader import Source
from .packed import load_packed
from .samples import Samples
from .set_files import SetFiles

OWNER = {"open": "the open hand", "mano": "MANO"}


def load_sources(data: DataConfig, hand_model: HandLayer, device: torch.device | str, faults: Sequence[str] = ()
                 ) -> tuple[list[Source], dict[str, Source]]:
    """What is trained on, in the recipe's order, and what is validated on, by name; poses are of `hand_model`.

    Raises FileNotFoundError or ValueError naming the file or option and the remedy, together with the `faults` that are
    known already.
    """
    faults = [*faults, *data_faults(data, hand_model.name)]
    if faults:
        raise ValueError(f"{'; '.join(faults)}.")
    training, validation = [], {}
    for config in data.sources:
        source, held_out = LOADERS[config.kind](config, hand_model)
        training.append(_on(source, device))
        if held_out is not None:
            alike = sum(name.split()[0] == config.kind for name in validation)
            validation[f"{config.kind} {alike + 1}" if alike else config.kind] = _on(held_out, device)
    return training, validation


def data_faults(data: DataConfig, hand_model: str) -> list[str]:
    """What is missing or cannot be trained on together, without a look at any image; parts of a sentence.

    `hand_model` is that of the network: betas of another one mean nothing to it.
    """
    faults = [] if data.sources else ["the recipe names no data.sources to train on"]
    for number, config in enumerate(data.sources):
        found = [*_missing(config)]
        if not found:
            owner = betas_of(config)
            if owner not in (None, hand_model):
                found = [f"its betas are those of {OWNER[owner]}, network.hand_model is {hand_model}, and betas of one "
                         "hand mean nothing to another"]
        faults += [f"data.sources.{number} ({config.kind}): {fault}" for fault in found]
    for option in ("backgrounds", "false_hands"):
        faults += [f"data.{option}: {folder} holds no .jpg" for folder in getattr(data, option)
                   if not any(Path(folder).glob("*.jpg"))]
    return faults


def betas_of(config: AnySource) -> str | None:
    """The hand model whose betas a source knows: "open", "mano" or None. What it names must be there."""
    if config.kind in ("keypoints", "packed"):
        return None
    if config.kind == "freihand" and RENDERS_NOTE not in SetFiles(Path(config.path), RENDERS_NOTE):
        return "mano"
    return "open"


def _missing(config: AnySource) -> Iterator[str]:
    """The files and sets that a source names and that are not there."""
    files = {"photos": ("labels", "fits"), "renders": ("landmarks",), "freihand": ("landmarks",),
             "packed": ("file", "validation")}
    for option in files.get(config.kind, ()):
        name = getattr(config, option)
        if name is not None and not Path(name).is_file():
            yield f"there is no {option} {name}"
    if config.kind == "packed":
        return
    folder = Path(config.path if config.kind == "freihand" else config.folder)
    is_set = folder.is_file() and config.kind in ("freihand", "keypoints")
    if not folder.is_dir() and not is_set:
        yield f"there is no {folder}"
    elif config.kind == "photos":
        yield from (f"held_out names {name}, of which {folder} has no folder" for name in config.held_out
                    if not (folder / name).is_dir())
    elif config.kind == "renders" and not (folder / "labels.npz").is_file():
        yield f"{folder} has no labels.npz as train.synthesize writes it"
    elif config.kind == "keypoints" and not is_set and not any(
            (folder / name).is_file() for name in (ANNOTATIONS, "training_K.json")):
        yield f"{folder} has neither {ANNOTATIONS} nor FreiHAND's training_K.json"


def _on(source: Source, device: torch.device | str) -> Source:
    return source.to(device) if isinstance(source, Samples) else source


def _photos(config: PhotosConfig, hand_model: HandLayer) -> tuple[Source, Source | None]:
    paths = Path(config.folder), Path(config.labels), Path(config.fits)
    sets = sorted(path.name for path in paths[0].iterdir() if path.is_dir())
    training = load_photos(*paths, [name for name in sets if name not in config.held_out])
    return training, load_photos(*paths, list(config.held_out)) if config.held_out else None


def _renders(config: RendersConfig, hand_model: HandLayer) -> tuple[Source, Source | None]:
    return _split(load_renders(Path(config.folder), Path(config.landmarks), config.validation), config.validation)


def _freihand(config: FreihandConfig, hand_model: HandLayer) -> tuple[Source, Source | None]:
    return _split_set(FreiHand(config.path, config.landmarks, hands_mean=hand_model.hands_mean, check=False),
                      config.validation)


def _keypoints(config: KeypointsConfig, hand_model: HandLayer) -> tuple[Source, Source | None]:
    folder = Path(config.folder)
    if (folder / ANNOTATIONS).is_file():
        return _split(load_keypoints(folder, config.validation), config.validation)
    return _split_set(FreiHand(folder, joints_alone=True, check=False), config.validation)


def _packed(config: PackedConfig, hand_model: HandLayer) -> tuple[Source, Source | None]:
    return load_packed(Path(config.file)), load_packed(Path(config.validation)) if config.validation else None


def _split(samples: Samples, validation: int) -> tuple[Samples, Samples | None]:
    """For training, and the last so many to validate on."""
    count = len(samples) - validation
    return samples.take(slice(count)), samples.take(slice(count, None)) if validation else None


def _split_set(freihand: FreiHand, validation: int) -> tuple[FreiHand, FreiHand | None]:
    training, held_out = freihand.split(validation)
    freihand.check_images()  # takes a minute the first time: after all that may be refused before
    return training, held_out if validation else None


LOADERS = {"photos": _photos, "renders": _renders, "freihand": _freihand, "keypoints": _keypoints,
           "packed": _packed}
