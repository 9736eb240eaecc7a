"""The finder's network: a picture of any size -> at each place of two grids, whether a hand is there, and which.

It has two trunks. One is BlazePalm's (Zhang et al., MediaPipe Hands: On-device Real-time Hand Tracking, 2020),
separable blocks with 5 x 5 kernels and a feature pyramid, which knows palms. The other has seen all sorts of photos
(`image_trunk`). On both sit heads of our own, as in FCOS (Tian et al., 2019) without anchors: for each cell a score,
where the hand's middle is, how large it is, where its fingers point and which side it is of.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, the customary name

from .image_trunk import GIVEN, ImageTrunk
from .layers import Halving

CHANNELS = (128, 256)  # of the pyramid's features on the grids of strides 8 and 16
HEAD_BLOCKS = 2
IMAGE_SCALE = 0.2  # brings the image trunk's features to the spread of the palm trunk's
DROPPED = 0.15  # of the features' channels in training: without, six thousand steps know their pictures by heart
WITHOUT = (0.1, 0.2)  # of the pictures in training, those without the palm trunk's features, and without the image's
VALUES = ("score", "u", "v", "side", "up_u", "up_v", "right")  # of a cell, in this order; see `DetectorNetwork`


class Block(nn.Module):
    """A separable convolution beside a shortcut, (B, C, h, w) -> (B, C', h, w), or half as high and wide."""

    def __init__(self, inputs: int, outputs: int, halving: bool = False):
        super().__init__()
        self.depthwise = (Halving(inputs, inputs, inputs) if halving
                          else nn.Conv2d(inputs, inputs, 5, padding=2, groups=inputs))
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        self.activation = nn.PReLU(outputs)
        self.halving, self.added = halving, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.max_pool2d(x, 2) if self.halving else x
        if self.added:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.added))
        return self.activation(shortcut + self.pointwise(self.depthwise(x)))


class Finer(nn.Module):
    """Adds coarse features (B, C', h, w), twice as high and wide, to finer ones (B, C, 2h, 2w)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.lateral = nn.Conv2d(inputs, outputs, 1)
        self.activation = nn.PReLU(outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        coarse = F.interpolate(coarse, scale_factor=2.0, mode="bilinear", align_corners=False)
        return fine + self.activation(self.lateral(coarse))


def stage(inputs: int, outputs: int, blocks: int, halving: bool = True) -> nn.Sequential:
    """`blocks` blocks, after one that halves if `halving`."""
    first = [Block(inputs, outputs, True)] if halving else []
    return nn.Sequential(*first, *(Block(outputs, outputs) for _ in range(blocks)))


class PalmTrunk(nn.Module):
    """Pictures (B, 3, H, W) RGB 0..1, H and W multiples of 32, to features of strides 8 and 16."""

    def __init__(self):
        super().__init__()
        self.stem, self.activation = Halving(3, 32), nn.PReLU(32)
        self.stride_2, self.stride_4, self.stride_8 = stage(32, 32, 4, False), stage(32, 64, 4), stage(64, 128, 4)
        self.stride_16, self.stride_32 = stage(128, 256, 4), stage(256, 256, 4)
        self.to_16, self.fuse_16 = Finer(256, 256), stage(256, 256, 2, False)
        self.to_8, self.fuse_8 = Finer(256, 128), stage(128, 128, 2, False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        eighth = self.stride_8(self.stride_4(self.stride_2(self.activation(self.stem(pictures)))))
        sixteenth = self.stride_16(eighth)
        fused = self.fuse_16(self.to_16(self.stride_32(sixteenth), sixteenth))
        return self.fuse_8(self.to_8(fused, eighth)), fused


class Trunks(nn.Module):
    """Pictures (B, 3, H, W) RGB 0..1, H and W multiples of 32, to features: the palm trunk's of strides 8 and 16, the
    image trunk's of strides 8, 16 and 32."""

    def __init__(self):
        super().__init__()
        self.palm, self.image = PalmTrunk(), ImageTrunk()

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        return *self.palm(pictures), *self.image(pictures)


class Heads(nn.Module):
    """What each cell says: both trunks' features to values (B, 7, h, w) of each of the two grids."""

    def __init__(self):
        super().__init__()
        of_image = list(GIVEN.values())
        self.joining = nn.ModuleList(nn.Conv2d(channels + of_image[level] + of_image[level + 1], channels, 1)
                                     for level, channels in enumerate(CHANNELS))
        self.heads = nn.ModuleList(nn.Sequential(*(Block(channels, channels) for _ in range(HEAD_BLOCKS)),
                                                 nn.Conv2d(channels, len(VALUES), 1)) for channels in CHANNELS)
        with torch.no_grad():
            for head in self.heads:
                head[-1].weight.mul_(0.1)
                head[-1].bias.zero_()
                head[-1].bias[0] = -4.0  # few cells show a hand
                for block in head[:-1]:
                    block.pointwise.weight.mul_(0.3)

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        of_palm, of_image = features[:2], [IMAGE_SCALE * grid for grid in features[2:]]
        if self.training:
            of_palm, of_image = (_sometimes(grids, share) for grids, share in zip((of_palm, of_image), WITHOUT,
                                                                                  strict=True))
        answers = []
        for level, (join, head) in enumerate(zip(self.joining, self.heads, strict=True)):
            coarser = F.interpolate(of_image[level + 1], scale_factor=2.0, mode="bilinear", align_corners=False)
            joined = torch.cat([of_palm[level], of_image[level], coarser], 1)
            answers.append(head(join(F.dropout2d(joined, DROPPED, self.training))))
        return tuple(answers)


def _sometimes(grids: Sequence[Tensor], share: float) -> list[Tensor]:
    """Features of some pictures, for this share of which they are zero."""
    kept = (torch.rand(len(grids[0]), 1, 1, 1) >= share).to(grids[0])
    return [grid * kept for grid in grids]


class DetectorNetwork(nn.Module):
    """Pictures (B, 3, H, W) RGB 0..1, H and W multiples of 32, to what each cell of both grids says, (B, 7, h, w).

    Of the hand whose middle is near the cell: a logit that there is one; its box's middle from the cell's middle, in
    strides; the logarithm of its box's longer side over the detector's BASE_SIDES; where its fingers point, (u, v) of
    any length; a logit that it is a right one.
    """

    def __init__(self):
        super().__init__()
        self.trunks, self.heads = Trunks(), Heads()

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        return self.heads(self.trunks(pictures))
