"""Layers of both trunks of the detector."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, the customary name


class Halving(nn.Conv2d):
    """A convolution of stride 2 with an odd kernel, padded as TensorFlow pads even sizes."""

    def __init__(self, inputs: int, outputs: int, groups: int = 1, kernel: int = 5):
        super().__init__(inputs, outputs, kernel, 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        before = (self.kernel_size[0] - 2) // 2
        return super().forward(F.pad(x, (before, before + 1) * 2))
