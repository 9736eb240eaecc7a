"""What a training run is made of: the options of a recipe file (YAML), with their types, ranges and defaults.

Whatever is made of them is checked, whether it comes from a file, from the command line or from Python; a text is no
number and a number no truth value. Raises ValueError (pydantic's ValidationError, `Recipe.load` a sentence) naming the
option.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from handpose.foreign_file import read_bytes
from handpose.hand_model.model_file import OPEN_HAND_VERSION
from handpose.network.checkpoint import NetworkConfig, one_line
from handpose.whole_file import whole_file

from .data_config import DataConfig
from .option_types import OPTIONS, Count, CountOrNone, Multiple, Place, Positive, Share, Switch, Weight, first_fault
from .plain_yaml import parse_yaml, write_yaml

AUTO = "auto"
MOST_BYTES = 1 << 16  # of a recipe file
Options = TypeVar("Options")


def _network(value: object) -> NetworkConfig:
    """A recipe that does not say a hand's version means the hand that ships; a checkpoint's config, the first hand."""
    if isinstance(value, dict):
        value = {"hand_version": OPEN_HAND_VERSION} | value
    return value if isinstance(value, NetworkConfig) else NetworkConfig.of(value)


Network = Annotated[NetworkConfig, BeforeValidator(_network)]


@dataclass(frozen=True, config=OPTIONS)
class AugmentConfig:
    """What is done to a crop at random; lengths are standard deviations or, where uniform, the largest."""
    turn_deg: Annotated[float, Field(strict=True, ge=0, le=180)] = 25.0  # the crop's play about upright
    scale: Multiple = 0.18  # log of the crop's size
    shift: Share = 0.07  # of the crop's side
    color: Multiple = 1.0  # strength of all that changes colours and sharpness
    fourier: Share = 0.3  # of images whose low frequencies mix with another's (Yang & Soatto, FDA, 2020)
    motion_blur: Share = 0.1  # of images blurred along a line
    cutout: Share = 0.3  # of images with a patch of another image in front
    grey: Share = 0.05  # of images without colour
    boxed: Share = 0.0  # of hands without landmarks, in crops as a detector's boxes place them
    boxed_play: Multiple = 1.6  # how many times as far as others these crops' size, place and turn are off
    withhold: Share = 0.35  # of the other hands whose landmarks are withheld
    landmark_noise: Share = 0.015  # of the crop, added to landmarks


@dataclass(frozen=True, config=OPTIONS)
class LossWeights:
    """How much each part of the loss counts."""
    heatmap: Weight = 0.5  # cross-entropy with a Gaussian about the joint
    image_joints: Weight = 6.0  # L1, crop units
    joints: Weight = 1.0  # negative log-likelihood of a Laplace distribution of the predicted spread
    joints_depth: Weight = 3.0  # L1, crop units
    joints_3d: Weight = 5.0  # L1, decimetres
    projection: Weight = 5.0  # L1 between the posed hand's best projection and the true joints, crop units
    orientation: Weight = 4.0  # L1 of the rotation matrix
    pose: Weight = 6.0
    palm_normal: Weight = 0.0  # 1 - cosine between the palm's normals
    tips_depth: Weight = 0.0  # L1 of fingertips' depths relative to their knuckles, decimetres
    betas: Weight = 0.06
    shape: Weight = 0.0  # betas of hands whose own do not count: that they are a usual hand's
    confidence: Weight = 0.5
    mirrored: Weight = 1.0  # a mirrored hand in that, against another crop
    side: Weight = 0.0  # that a hand is rather believed in than its mirror image
    fitted_3d: Weight = 0.35  # of a fit's 3D terms against an exact label's; chosen with an eye on the 145 photos
    heatmap_sigma: Positive = 0.09  # crop units


@dataclass(frozen=True, config=OPTIONS)
class Recipe:
    """All options of a run."""
    network: Network = field(default_factory=NetworkConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    losses: LossWeights = field(default_factory=LossWeights)
    warm_start: Place | None = None  # weights for the backbone, see train.learning.warm_start
    start_from: Place | None = None  # a checkpoint whose weights to begin with
    # The backbone's stem and so many stages stay as the warm start left them.
    frozen_stages: Annotated[int, Field(strict=True, ge=0, le=4)] | None = None
    keep_statistics: Switch = False  # of batch norms: quicker, for runs that begin with statistics of hands
    steps: Count = 4000
    epochs: Positive | None = None  # instead of steps; an epoch shows as many hands as the sources hold
    batch: Count = 64  # hands, over all devices
    group: Count = 32  # hands that are drawn together, a divisor of each device's share of the batch
    rate: Positive = 1e-3  # of the new layers
    backbone_rate: Multiple = 0.5  # of that
    weight_decay: Weight = 0.01
    warm_up: CountOrNone = 100  # steps
    last_rate: Share = 0.02  # of the rate, what is left of it at the end
    average: Share = 0.998  # decay of the exponential mean of the weights
    # Fabric's; "auto" is float32 or bfloat16-mixed, whichever this machine is faster in.
    precision: Literal[AUTO, "32-true", "16-mixed", "bf16-mixed"] = AUTO
    compile: Switch = False  # by torch.compile: for GPUs
    sync_batch_norm: Switch = True  # one batch's statistics over all devices
    workers: Count = 1  # threads that read ahead
    seed: Annotated[int, Field(strict=True, ge=0, lt=2 ** 32)] = 0
    log_steps: Count = 20
    save_minutes: Weight = 3.0
    validate_steps: Count = 500
    validate_epochs: Positive | None = None  # instead of validate_steps
    keep_epochs: Positive | None = None  # keep a checkpoint of its own every so often

    @property
    def fabric_precision(self) -> str:
        """What Fabric is told; where it is tried which is faster, the trainer casts."""
        return "32-true" if self.precision == AUTO else self.precision

    @classmethod
    def load(cls, path: Path, changes: list[str] | tuple[str, ...] = ()) -> Recipe:
        """Reads a recipe; `changes` such as "data.sources.0.share=0" take the place of what it says. Raises as
        `load_options`."""
        return load_options(cls, path, changes)

    def save(self, path: Path) -> None:
        """Writes all options, whole or not at all, as `load` reads them. Raises OSError."""
        with whole_file(path) as temporary:
            temporary.write_text(write_yaml(_plain(asdict(self))))

    def changes_since(self, before: Recipe) -> dict[str, tuple[Any, Any]]:
        """What differs, by the option's name, such as "data.sources.0.share": what it was and what it is."""
        old, new = ({name: value for name, value in _flat(asdict(recipe))} for recipe in (before, self))
        return {name: (old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)}

    def in_steps(self, hands: int) -> Recipe:
        """The same recipe with what it says in epochs of `hands` hands turned into steps."""
        def steps(epochs: float | None, otherwise: int) -> int:
            return otherwise if epochs is None else max(1, round(epochs * hands / self.batch))
        return replace(self, steps=steps(self.epochs, self.steps), epochs=None, validate_epochs=None,
                       validate_steps=steps(self.validate_epochs, self.validate_steps))


def load_options(kind: type[Options], path: Path, changes: list[str] | tuple[str, ...] = ()) -> Options:
    """The options of a `kind` of recipe that a file says; `changes` such as "steps=100" take the place of what it says.

    Raises FileNotFoundError, or ValueError naming the option that there is not or that has an impossible value.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No recipe at {path}; train/recipes holds some.")
    try:
        values = parse_yaml(read_bytes(path, MOST_BYTES))
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise ValueError("it lists no options by their names")
        for change in changes:
            _change(values, change)
        return TypeAdapter(kind).validate_python(values)
    except ValueError as error:
        cause = first_fault(error) if isinstance(error, ValidationError) else one_line(error)
        raise ValueError(f"{path}: {cause}; see {kind.__module__.replace('.', '/')}.py for the options.") from error


def _plain(values: Any) -> Any:
    """With lists instead of tuples, which YAML has not."""
    if isinstance(values, dict):
        return {name: _plain(value) for name, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, list | tuple) else values


def _flat(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All options and their values, those within others by names such as "augment.scale"."""
    if not isinstance(values, dict | list | tuple) or not values:
        yield name, values
        return
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield from _flat(value, f"{name}.{key}".lstrip("."))


def _change(values: dict[str, Any], change: str) -> None:
    """Puts "part.option=value" into a recipe's values; a part that is a number counts in a list.

    Raises ValueError, a part of a sentence.
    """
    name, equals, value = change.partition("=")
    *parts, option = name.split(".")
    for part in parts:
        if isinstance(values, list):
            values = values[_place(values, part, change)]
        else:
            values = values.setdefault(part, {})
        if not isinstance(values, dict | list):
            raise ValueError(f"{part} has no options of its own to be set by {change}")
    if not equals:
        raise ValueError(f"{change} does not say a value, as OPTION=VALUE does")
    place = _place(values, option, change) if isinstance(values, list) else option
    try:
        values[place] = parse_yaml(value)
    except ValueError as error:
        raise ValueError(f"{name} is {error}") from error


def _place(values: list, part: str, change: str) -> int:
    """Which of a list's entries is meant. Raises ValueError, a part of a sentence."""
    if not part.isdecimal() or len(part) > 4 or int(part) >= len(values):
        raise ValueError(f"{change} names {part} in a list of {len(values)}, whose first is 0")
    return int(part)
