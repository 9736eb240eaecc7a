"""ResNet feature extractors (He et al., Deep Residual Learning, 2016), parameters named as torchvision names them.

Written out because the page should start without torchvision, which must match torch's build to load at all, and
because torchvision has no half-width ResNet-50.
"""
from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Layout(NamedTuple):
    bottleneck: bool
    blocks: tuple[int, int, int, int]
    width: int = 64  # of the first stage's 3x3 convolutions; doubles each stage
    caffe: bool = False  # the original's layout: a bottleneck's stride on its first convolution, unpadded max-pooling


LAYOUTS = {
    "resnet18": Layout(False, (2, 2, 2, 2)),
    "resnet34": Layout(False, (3, 4, 6, 3)),
    "resnet50": Layout(True, (3, 4, 6, 3)),
    "resnet101": Layout(True, (3, 4, 23, 3)),
    "resnet50-half": Layout(True, (3, 4, 6, 3), width=32, caffe=True),  # openly licensed ImageNet weights exist
}


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, caffe: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, caffe: bool = False):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, stride if caffe else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1 if caffe else stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(channels, width * 4, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def shortcut(channels: int, out: int, stride: int) -> nn.Sequential | None:
    """The projection of a block whose output differs in shape from its input, else None."""
    if stride == 1 and channels == out:
        return None
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    """Images (B, 3, H, W) to features at strides 4, 8, 16 and 32; `channels` gives the width of each.

    Raises ValueError for an unknown name.
    """

    def __init__(self, name: str):
        super().__init__()
        if name not in LAYOUTS:
            raise ValueError(f"There is no backbone {name!r}; choose one of {', '.join(LAYOUTS)}.")
        layout = LAYOUTS[name]
        block = Bottleneck if layout.bottleneck else BasicBlock
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True) if layout.caffe else nn.MaxPool2d(3, 2, 1)
        channels, self.channels = 64, []
        for stage, count in enumerate(layout.blocks):
            width = layout.width * 2**stage
            blocks = []
            for index in range(count):
                blocks.append(block(channels, width, 2 if stage and not index else 1, layout.caffe))
                channels = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self.channels.append(channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def freeze(self, stages: int) -> None:
        """Keeps the stem and the first `stages` stages as they are, batch statistics included, until `train()`."""
        for module in (self.conv1, self.bn1, *(getattr(self, f"layer{stage + 1}") for stage in range(stages))):
            module.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)
