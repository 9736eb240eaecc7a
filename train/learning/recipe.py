"""What a training run is made of: the options of a recipe file (YAML), with their defaults."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from handpose.network.hand_network import NetworkConfig

from ..data.augment import AugmentConfig
from .losses import LossWeights


@dataclass(frozen=True)
class DataConfig:
    """Paths are relative to where the command runs."""
    renders: str | None = None  # folder of train.synthesize
    renders_landmarks: str | None = None  # what train.pseudo_label said of them
    photos: str | None = None  # folder of photo sets
    labels: str | None = None  # what train.pseudo_label said of them
    fits: str | None = None  # what train.fit_hands made of that
    freihand: str | None = None  # FreiHAND's training set or one of its layout, folder or .zip
    freihand_landmarks: str | None = None  # what train.pseudo_label said of it
    backgrounds: tuple[str, ...] = ()  # folders of photos without hands
    held_out: tuple[str, ...] = ()  # photo sets to validate on and never to train on
    validation_renders: int = 256  # the last renders, likewise
    validation_freihand: int = 0  # the last hands of FreiHAND, all their versions, likewise
    photo_share: float = 0.4  # of a batch's hands
    without_hand: float = 0.06  # crops of backgrounds, as a share of the batch's hands
    mirrored: float = 0.06  # hands of the wrong side, likewise
    without_image: float = 0.0  # hands of which only landmarks are shown, likewise


@dataclass(frozen=True)
class Recipe:
    network: NetworkConfig = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    warm_start: str | None = None  # weights for the backbone, see train.warm_start
    start_from: str | None = None  # a checkpoint whose weights to begin with
    frozen_stages: int | None = None  # the backbone's stem and so many stages stay as the warm start left them
    steps: int = 4000
    epochs: float | None = None  # instead of steps; an epoch shows as many hands as the sources hold
    batch: int = 64  # hands, over all devices
    group: int = 32  # hands that are drawn together, a divisor of each device's share of the batch
    rate: float = 1e-3  # of the new layers
    backbone_rate: float = 0.5  # of that
    weight_decay: float = 0.01
    warm_up: int = 100  # steps
    average: float = 0.998  # decay of the exponential mean of the weights
    precision: str = "bf16-mixed"
    sync_batch_norm: bool = True  # one batch's statistics over all devices
    workers: int = 1  # threads that read ahead
    seed: int = 0
    log_steps: int = 20
    save_minutes: float = 3.0
    validate_steps: int = 500
    validate_epochs: float | None = None  # instead of validate_steps
    keep_epochs: float | None = None  # keep a checkpoint of its own every so often

    @classmethod
    def load(cls, path: Path, changes: list[str] | tuple[str, ...] = ()) -> Recipe:
        """Reads a recipe; `changes` such as "data.photo_share=0" take the place of what it says.

        Raises FileNotFoundError, or ValueError naming an option that there is not.
        """
        if not path.is_file():
            raise FileNotFoundError(f"No recipe at {path}; train/recipes holds some.")
        values = yaml.safe_load(path.read_text()) or {}
        for change in changes:
            name, _, value = change.partition("=")
            *part, option = name.split(".")
            (values.setdefault(part[0], {}) if part else values)[option] = yaml.safe_load(value)
        parts = {"network": NetworkConfig, "data": DataConfig, "augment": AugmentConfig, "losses": LossWeights}
        try:
            return cls(**{key: parts[key](**value) if key in parts else value for key, value in values.items()})
        except TypeError as error:
            raise ValueError(f"{path}: {error}; see train/recipe.py for the options.") from error

    def in_steps(self, hands: int) -> Recipe:
        """The same recipe with what it says in epochs of `hands` hands turned into steps."""
        def steps(epochs: float | None, otherwise: int) -> int:
            return otherwise if epochs is None else max(1, round(epochs * hands / self.batch))
        return replace(self, steps=steps(self.epochs, self.steps), epochs=None, validate_epochs=None,
                       validate_steps=steps(self.validate_epochs, self.validate_steps))
