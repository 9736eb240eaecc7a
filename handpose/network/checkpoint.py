"""A checkpoint: a folder, here or on the Hub, with the network's configuration, its weights and its graph.

    config.json        NetworkConfig
    model.safetensors  the weights, fp16, by the names that they have in torch
    network.onnx       the graph without weights, which `handpose.network.engine` runs; older checkpoints have none
"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from textwrap import shorten

import numpy as np

from ..foreign_file import check_regular, read_bytes
from ..hand_model.model_file import OPEN_HAND_VERSION
from ..shipped import shipped

CHECKPOINT = shipped("checkpoints")
WEIGHTS, CONFIG, GRAPH = "model.safetensors", "config.json", "network.onnx"  # the first two are the Hub's names
HUB_ID = r"\w[\w.-]*/\w[\w.-]*"
REMEDY = ("train one with `python -m train.run` in a clone of handpose's repository, or take the one that comes with "
          "handpose")
MOST_CONFIG_BYTES, MOST_WEIGHT_BYTES = 1 << 16, 1 << 30  # a ResNet-101's weights are 0.1 GB in fp16
DTYPES, COUNTS = ("F16", "F32", "F64"), "num_batches_tracked"  # of weights, and what alone is whole numbers (I64)
# From and to, of what decides how much memory a network takes: with the largest of all, 2 GB.
LIMITS = {"input_size": (32, 512), "live_size": (32, 512), "pyramid_channels": (1, 1024), "token_width": (1, 768),
          "token_layers": (0, 24), "token_heads": (1, 64), "lifter_width": (1, 2048), "lifter_blocks": (0, 16)}


@dataclass(frozen=True)
class NetworkConfig:
    """What a HandNetwork is built from; sizes in pixels are the crop's side S, widths are numbers of channels.

    Raises ValueError, naming the field, for another type or a value out of LIMITS.
    """
    backbone: str = "resnet50-half"  # a name of resnet.BACKBONES
    input_size: int = 128  # px, side of the square crop, a multiple of 32
    live_size: int | None = None  # px, of the smaller one that `HandEstimator.for_live` takes; None: the same
    pyramid_channels: int = 128  # of the features that heatmaps and joint features are read from
    token_width: int = 192
    token_layers: int = 2
    token_heads: int = 6  # a divisor of token_width
    lifter_width: int = 640  # of the residual MLP
    lifter_blocks: int = 3
    hand_model: str = "open"  # whose betas these are: "open" or "mano"
    hand_version: int = OPEN_HAND_VERSION  # of the open hand

    def __post_init__(self):
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if value is None and name == "live_size":
                continue
            step = 32 if name.endswith("_size") else 1  # the last features' stride
            if type(value) is not int or not least <= value <= most or value % step:
                kind = f"multiple of {step}" if step > 1 else "whole number"
                raise ValueError(f"{name} must be a {kind} from {least} to {most}, not {_named(value)}")
        if self.token_width % self.token_heads:
            raise ValueError(f"token_width must be a multiple of token_heads, not {self.token_width} of "
                             f"{self.token_heads}")
        if not isinstance(self.backbone, str) or not re.fullmatch(r"[a-z0-9-]{1,40}", self.backbone):
            raise ValueError(f"backbone must be a name such as resnet50, not {_named(self.backbone)}")
        if self.hand_model not in ("open", "mano"):
            raise ValueError(f"hand_model must be open or mano, not {_named(self.hand_model)}")
        if type(self.hand_version) is not int or self.hand_version < 1:
            raise ValueError(f"hand_version must be a whole number from 1, not {_named(self.hand_version)}")

    @classmethod
    def of(cls, values: object) -> NetworkConfig:
        """From what a JSON or YAML file says. Raises ValueError naming the field."""
        if not isinstance(values, dict):
            raise ValueError("it lists no options by their names")
        unknown = [name for name in values if name not in {field.name for field in fields(cls)}]
        if unknown:
            raise ValueError(f"there is no option {_named(unknown[0])}")
        return cls(**{"hand_version": 1} | values)  # the first checkpoints do not say


def find_checkpoint(name: str | Path, **download) -> Path:
    """The folder of a checkpoint: the one of this name or, where there is none, a copy of the Hub's.

    Only a name "owner/name" is looked up on the Hub, and not if there is a folder `owner` here, for then it is a
    mistyped path; a folder that exists never touches the network. `download` goes to
    `huggingface_hub.snapshot_download` (`revision`, `token`, `cache_dir`, `local_files_only`, ...).

    Raises FileNotFoundError naming the remedy.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _fetch(str(name), **download)
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise FileNotFoundError(f"No checkpoint file {folder / file}; {REMEDY}.")
    return folder


def read_config(folder: Path) -> NetworkConfig:
    """The configuration in a checkpoint's folder. Raises ValueError naming the remedy."""
    try:
        return NetworkConfig.of(json.loads(read_bytes(folder / CONFIG, MOST_CONFIG_BYTES)))
    except (RecursionError, ValueError) as error:
        raise damaged(folder, error) from error


def read_weights(folder: Path, file_name: str = WEIGHTS) -> dict[str, np.ndarray]:
    """The weights in a checkpoint's folder by their names, finite float32 (and int64 where they count batches).

    Raises ValueError naming the remedy.
    """
    from safetensors import SafetensorError, safe_open  # page and command need it only once they have begun
    weights = {}
    try:
        check_regular(folder / file_name, MOST_WEIGHT_BYTES)
        with safe_open(folder / file_name, "numpy") as file:
            for name in file.keys():
                dtype = file.get_slice(name).get_dtype()
                if dtype not in (("I64",) if name.endswith(COUNTS) else DTYPES):
                    raise ValueError(f"{name} holds numbers of the type {dtype}")
                array = file.get_tensor(name)
                if array.dtype.kind == "f":
                    with np.errstate(over="ignore"):
                        array = array.astype(np.float32, copy=False)
                    if not np.isfinite(array).all():
                        raise ValueError(f"{name} holds numbers that are not finite")
                weights[name] = array
    except (SafetensorError, ValueError) as error:
        raise damaged(folder, error) from error
    return weights


def damaged(folder: Path, error: Exception) -> ValueError:
    """What to raise where a checkpoint's files cannot be read or do not fit each other."""
    return ValueError(f"{WEIGHTS} and {CONFIG} in {folder} do not belong together or are damaged ({one_line(error)}); "
                      "restore both from the same training run.")


def one_line(error: Exception) -> str:
    """An error's message, cut to what fits into a sentence."""
    return shorten(str(error) or type(error).__name__, 160, placeholder=" ...").rstrip(".: ")


def _named(value: object) -> str:
    """A value out of a file, cut to what fits into a sentence."""
    return one_line(ValueError(ascii(value))) if isinstance(value, str | int | float | None) else type(value).__name__


def _fetch(name: str, **download) -> Path:
    """The folder of a checkpoint from the Hub. Raises FileNotFoundError where there is none or it cannot be had."""
    if re.fullmatch(HUB_ID, name) is None or Path(name).parent.is_dir():
        raise FileNotFoundError(f"There is no checkpoint folder {name}; {REMEDY}.")
    from huggingface_hub import snapshot_download  # takes time to import, and is seldom asked
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS, GRAPH], **download))
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise FileNotFoundError(f"There is no folder {name}, and the Hub's {name} cannot be had ({one_line(error)}); "
                                "check the name and the network, or give a folder that is here.") from error
