"""What a recipe says of its data: a list of sources, each of one kind and with a share of every batch.

Paths are relative to where the command runs.
"""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .option_types import OPTIONS, CountOrNone, Multiple, Place, Weight


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class PhotosConfig:
    """Real hands, to which the open hand was fitted."""
    kind: Literal["photos"] = "photos"
    folder: Place  # of photo sets, each a folder of images
    labels: Place  # what train.pseudo_label said of them
    fits: Place  # what train.fit_hands made of that
    held_out: tuple[Place, ...] = ()  # photo sets to validate on and never to train on
    share: Weight = 1.0  # of a batch's hands, relative to the other sources'


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class RendersConfig:
    """Computed hands of train.synthesize, with exact labels."""
    kind: Literal["renders"] = "renders"
    folder: Place
    landmarks: Place  # what train.pseudo_label said of them
    validation: CountOrNone = 256  # the last renders, to validate on and never to train on
    share: Weight = 1.0


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class FreihandConfig:
    """FreiHAND's training set or one of its layout, MANO's parameters included."""
    kind: Literal["freihand"] = "freihand"
    path: Place  # folder or .zip
    landmarks: Place | None = None  # what train.pseudo_label said of it
    validation: CountOrNone = 0  # the last hands, all their versions, to validate on and never to train on
    share: Weight = 1.0


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class KeypointsConfig:
    """Hands of which joints alone are known, in the image, in space or both; see train.data.keypoints."""
    kind: Literal["keypoints"] = "keypoints"
    folder: Place  # with annotations.json, or of FreiHAND's layout (that may be a .zip)
    validation: CountOrNone = 0  # the last hands, to validate on and never to train on
    share: Weight = 1.0


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class PackedConfig:
    """Hands that train.pack_run took from another source."""
    kind: Literal["packed"] = "packed"
    file: Place
    validation: Place | None = None  # likewise, to validate on
    share: Weight = 1.0


AnySource = PhotosConfig | RendersConfig | FreihandConfig | KeypointsConfig | PackedConfig
Source = Annotated[AnySource, Field(discriminator="kind")]


@dataclass(frozen=True, config=OPTIONS)
class DataConfig:
    """Where a run's hands come from and what else it is shown."""
    sources: tuple[Source, ...] = ()
    backgrounds: tuple[Place, ...] = ()  # folders of photos without hands
    false_hands: tuple[Place, ...] = ()  # folders of crops that a detector took for hands (train.cut_false_hands)
    without_hand: Multiple = 0.06  # crops of both by halves, as a share of the batch's hands
    mirrored: Multiple = 0.06  # hands of the wrong side, likewise
    without_image: Multiple = 0.0  # hands of which only landmarks are shown, likewise

    def __post_init__(self):
        if self.sources and not any(source.share for source in self.sources):
            raise ValueError("one source at least needs a share of the batch")
