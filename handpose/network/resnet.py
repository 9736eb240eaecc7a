"""ResNets (He et al., Deep Residual Learning, 2016) as feature extractors: torchvision's, and one of half the width."""
from __future__ import annotations

import copy
from functools import partial

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import resnet


class ResNet(resnet.ResNet):
    """torchvision's ResNet without its classifier; `channels` gives the width of each of its four stages."""
    width = 64  # of the first stage's 3x3 convolutions; doubles each stage

    def __init__(self, block: type[resnet.BasicBlock | resnet.Bottleneck], blocks: tuple[int, int, int, int]):
        super().__init__(block, [*blocks])
        del self.avgpool, self.fc
        # Lists, so that what is folded is no part of the weights. See `freeze`.
        self._frozen: list[nn.Module] | None = None
        self._folded: list[nn.Module] = []
        self.channels = [self.width * 2**stage * block.expansion for stage in range(4)]

    def freeze(self, stages: int) -> None:
        """Keeps the stem and the first `stages` stages as they are, batch statistics included, until `train()`.

        They then compute without batch norms, which are folded into copies of the convolutions.
        """
        self._frozen = [getattr(self, f"layer{stage + 1}") for stage in range(stages)]
        for module in (self.conv1, self.bn1, *self._frozen):
            module.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> ResNet:
        self._frozen, self._folded = None, []
        return super().train(mode)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) to features (B, channels[k], H / s, W / s) at strides s of 4, 8, 16 and 32."""
        if self._frozen is not None and not self._folded:  # not before: weights may yet be loaded, or moved to a device
            stem = nn.Sequential(fuse_conv_bn_eval(self.conv1, self.bn1), self.relu, self.maxpool)
            self._folded = [stem, *(_folded(copy.deepcopy(stage)) for stage in self._frozen)]
        x, features = images, []
        for number, part in enumerate((self._stem, self.layer1, self.layer2, self.layer3, self.layer4)):
            x = (self._folded[number] if number < len(self._folded) else part)(x)
            features.append(x)
        return tuple(features[1:])

    def _stem(self, images: Tensor) -> Tensor:
        return self.maxpool(self.relu(self.bn1(self.conv1(images))))


def _folded(stage: nn.Module) -> nn.Module:
    """A stage in evaluation whose batch norms, each behind its convolution, are folded into these, in place."""
    for module, first, second in normed_convolutions(stage):
        setattr(module, first, fuse_conv_bn_eval(getattr(module, first), getattr(module, second)))
        setattr(module, second, nn.Identity())
    return stage


def normed_convolutions(network: nn.Module) -> list[tuple[nn.Module, str, str]]:
    """Where a batch norm stands behind a convolution: the module that holds both, and their names in it."""
    found = []
    for module in network.modules():
        children = list(module.named_children())
        found += [(module, first, second) for (first, conv), (second, norm) in zip(children, children[1:], strict=False)
                  if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)]
    return found


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
