"""A checkpoint: a folder, here or on the Hub, with the network's configuration, its weights and its graph.

    config.json        NetworkConfig
    model.safetensors  the weights, fp16, by the names that they have in torch
    network.onnx       the graph without weights, which `handpose.network.engine` runs; older checkpoints have none
"""
from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from ..shipped import shipped

CHECKPOINT = shipped("checkpoints")
WEIGHTS, CONFIG, GRAPH = "model.safetensors", "config.json", "network.onnx"  # the first two are the Hub's names
HUB_ID = r"\w[\w.-]*/\w[\w.-]*"
REMEDY = ("train one with `python -m train.run` in a clone of handpose's repository, or take the one that comes with "
          "handpose")


@dataclass(frozen=True)
class NetworkConfig:
    """What a HandNetwork is built from; sizes in pixels are the crop's side S, widths are numbers of channels."""
    backbone: str = "resnet50-half"  # a name of resnet.BACKBONES
    input_size: int = 128  # px, side of the square crop, a multiple of 32
    live_size: int | None = None  # px, of the smaller one that `HandEstimator.for_live` looks at; None: the same
    pyramid_channels: int = 128  # of the features that heatmaps and joint features are read from
    token_width: int = 192
    token_layers: int = 2
    token_heads: int = 6
    lifter_width: int = 640  # of the residual MLP
    lifter_blocks: int = 3
    hand_model: str = "open"  # whose betas these are


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
        return NetworkConfig(**json.loads((folder / CONFIG).read_text()))
    except (TypeError, ValueError) as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: Exception) -> ValueError:
    """What to raise where a checkpoint's files cannot be read or do not fit each other."""
    return ValueError(f"{WEIGHTS} and {CONFIG} in {folder} do not belong together or are damaged ({one_line(error)}); "
                      "restore both from the same training run.")


def one_line(error: Exception) -> str:
    """An error's message, cut to what fits into a sentence."""
    return shorten(str(error) or type(error).__name__, 160, placeholder=" ...").rstrip(".: ")


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
