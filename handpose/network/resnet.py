"""ResNets (He et al., Deep Residual Learning, 2016) as feature extractors: torchvision's, and one of half the width."""
from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torchvision.models import resnet


class ResNet(resnet.ResNet):
    """torchvision's ResNet without its classifier; `channels` gives the width of each of its four stages."""
    width = 64  # of the first stage's 3x3 convolutions; doubles each stage

    def __init__(self, block: type[resnet.BasicBlock | resnet.Bottleneck], blocks: tuple[int, int, int, int]):
        super().__init__(block, [*blocks])
        del self.avgpool, self.fc
        self.channels = [self.width * 2**stage * block.expansion for stage in range(4)]

    def freeze(self, stages: int) -> None:
        """Keeps the stem and the first `stages` stages as they are, batch statistics included, until `train()`."""
        for module in (self.conv1, self.bn1, *(getattr(self, f"layer{stage + 1}") for stage in range(stages))):
            module.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) to features (B, channels[k], H / s, W / s) at strides s of 4, 8, 16 and 32."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        return c2, c3, c4, self.layer4(c4)


class StrideFirst(resnet.Bottleneck):
    """A bottleneck with its stride on the first convolution, as in the paper; torchvision has it on the second."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


class HalfResNet50(ResNet):
    """A ResNet-50 of half the width in the paper's own (Caffe's) layout, of which openly licensed weights exist; see
    `train.learning.warm_start`."""
    width = 32

    def __init__(self):
        super().__init__(StrideFirst, (3, 4, 6, 3))
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)  # unpadded

    def _make_layer(self, block: type[StrideFirst], planes: int, *arguments, **options) -> nn.Sequential:
        return super()._make_layer(block, planes // 2, *arguments, **options)


BACKBONES = {
    "resnet18": partial(ResNet, resnet.BasicBlock, (2, 2, 2, 2)),
    "resnet34": partial(ResNet, resnet.BasicBlock, (3, 4, 6, 3)),
    "resnet50": partial(ResNet, resnet.Bottleneck, (3, 4, 6, 3)),
    "resnet101": partial(ResNet, resnet.Bottleneck, (3, 4, 23, 3)),
    "resnet50-half": HalfResNet50,
}


def make_backbone(name: str) -> ResNet:
    """A backbone of BACKBONES with random weights. Raises ValueError for another name."""
    if name not in BACKBONES:
        raise ValueError(f"There is no backbone {name!r}; choose one of {', '.join(BACKBONES)}.")
    return BACKBONES[name]()
