"""The network: an upright crop of a right hand, and a landmark model's 21 points if there are any -> a MANO hand.

A ResNet with a small feature pyramid gives 2.5D joints by soft-argmax heatmaps (Sun et al., Integral Human Pose
Regression, 2018) and features sampled at the joints (Moon et al., Pose2Pose / Hand4Whole, 2022). Each joint becomes a
token, to which the landmark model's point is added where one is given; a transformer encoder compares these and a token
of the whole crop, and a residual MLP over all of them (as in Martinez et al., A Simple yet Effective Baseline for 3D
Human Pose Estimation, 2017) predicts MANO's parameters. Training withholds the points at random, so that one set of
weights runs with and without them.

Crop units: the crop spans [-1, 1] right and down; depth is in the same unit, relative to the wrist, away from the
camera. The crop's frame is that of a camera looking at the crop's middle, turned with the crop, mirrored for a left
hand.
"""
from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, the customary name

from ..whole_file import whole_file
from .checkpoint import (
    CHECKPOINT,
    CONFIG,
    GRAPH,
    WEIGHTS,
    NetworkConfig,
    damaged,
    find_checkpoint,
    read_config,
    read_weights,
)
from .onnx_export import export_graph
from .resnet import make_backbone

JOINTS, ROTATIONS, BETAS = 21, 16, 10
COMPRESSED = 32  # numbers of each token that the lifter reads: small beside its own width
LANDMARK_VALUES = 6  # u, v, depth in crop units, and the world point in decimetres
IMAGE_MEAN, IMAGE_STD = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)  # ImageNet's, RGB, of 255


class Estimate(NamedTuple):
    """What the network predicts of B hands; see the module's docstring for units and frame."""
    heatmaps: Tensor  # (images, 21, h, w) probabilities, h = w = S / 8
    image_joints: Tensor  # (B, 21, 3) 2.5D joints from the heatmaps alone; without an image the landmarks
    joints: Tensor  # (B, 21, 3) 2.5D joints from everything
    spread: Tensor  # (B, 21) expected error of `joints` in the image, crop units
    rotations: Tensor  # (B, 16, 3, 3) of MANO's joints, the first in the crop's frame
    betas: Tensor  # (B, 10)
    confidence: Tensor  # (B,) logit: a right hand, well seen


class ImageFeatures(NamedTuple):
    """What `HandNetwork.encode` makes of N images of side S; nothing in it depends on landmarks."""
    pyramid: Tensor  # (N, pyramid_channels, S / 8, S / 8)
    pooled: Tensor  # (N, backbone.channels[3]) the last stage's mean
    heatmaps: Tensor  # (N, 21, S / 8, S / 8) probabilities
    joints: Tensor  # (N, 21, 3) 2.5D joints that the heatmaps expect
    peak: Tensor  # (N, 21) each heatmap's highest probability


class Lifter(nn.Module):
    """A residual MLP: (B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int):
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(),
                                                  nn.Linear(width, width)) for _ in range(blocks))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Linear(width, outputs))
        with torch.no_grad():
            self.leave[-1].weight.mul_(0.1)
            self.leave[-1].bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x)


class HandNetwork(nn.Module, PyTorchModelHubMixin, library_name="handpose", license="apache-2.0",
                  pipeline_tag="keypoint-detection", tags=["hand-pose-estimation", "hand-mesh", "mano"]):
    """Crops (B, 3, S, S) RGB 0..255 and landmarks (B, 21, 6) to an `Estimate`; S is any multiple of 32.

    Raises ValueError for a configuration whose crops are no such multiple or whose backbone there is not.
    """

    def __init__(self, config: NetworkConfig = NetworkConfig()):  # noqa: B008, frozen
        super().__init__()
        self.config = config
        self.backbone = make_backbone(config.backbone)
        channels, width = config.pyramid_channels, config.token_width
        self.lateral = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in self.backbone.channels[1:])
        self.smooth = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
                                    nn.ReLU(inplace=True))
        self.heat = nn.Conv2d(channels, JOINTS, 1)
        self.depth = nn.Conv2d(channels, JOINTS, 1)

        self.joint_token = nn.Linear(channels + 4, width)
        self.landmark_token = nn.Linear(LANDMARK_VALUES + 3, width)
        self.no_landmark = nn.Parameter(torch.zeros(width))
        self.no_image = nn.Parameter(torch.zeros(2, width))  # in a joint's and in the crop's token
        self.crop_token = nn.Linear(self.backbone.channels[-1], width)
        self.places = nn.Parameter(torch.randn(JOINTS + 1, width) * 0.3)
        layer = nn.TransformerEncoderLayer(width, config.token_heads, 2 * width, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, config.token_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.joint_out = nn.Linear(width, 5)  # shift (3), trust in the landmark, log spread
        self.compress = nn.Linear(width, COMPRESSED)
        inputs = (JOINTS + 1) * COMPRESSED + JOINTS * (2 * LANDMARK_VALUES + 1)
        self.lifter = Lifter(inputs, config.lifter_width, config.lifter_blocks, ROTATIONS * 6 + BETAS + 1)
        self.rotation_basis = nn.Parameter(torch.eye(3)[:, :2].reshape(6).repeat(ROTATIONS, 1))
        with torch.no_grad():
            self.joint_out.weight.mul_(0.1)
            self.joint_out.bias.zero_()

    def forward(self, images: Tensor, landmarks: Tensor | None = None, given: Tensor | None = None) -> Estimate:
        """Estimates the hands in B crops.

        `images` (B, 3, S, S) RGB 0..255; `landmarks` (B, 21, 6): u, v, depth in crop units and world points (crop's
        frame, wrist at the origin) in decimetres; `given` (B,) bool, which crops' landmarks count (default: all, or
        none where `landmarks` is None). Landmarks in excess of images are of hands without an image: the last rows,
        which cost little to train on, and which the estimator never has.
        """
        encoded = self.encode(images)
        with torch.autocast(images.device.type, enabled=False):  # on CPUs attention over few tokens is slow in bfloat16
            return self.decode(encoded, landmarks, given)

    def predict(self, images: Tensor, landmarks: Tensor, given: Tensor, image: Tensor) -> Estimate:
        """M queries about N images (N, 3, S, S), each of which is encoded once: what `forward` estimates of the images
        `image` (M,) int64 with landmarks (M, 21, 6) where `given` (M,) bool."""
        return self.decode(ImageFeatures(*(part[image] for part in self.encode(images))), landmarks, given)

    def encode(self, images: Tensor) -> ImageFeatures:
        """Of images (N, 3, S, S) RGB 0..255, what does not depend on landmarks."""
        mean, std = (torch.tensor(v, device=images.device).reshape(1, 3, 1, 1) for v in (IMAGE_MEAN, IMAGE_STD))
        _, c3, c4, c5 = self.backbone(((images - mean) / std).contiguous(memory_format=torch.channels_last))
        features = self.lateral[2](c5)
        for lateral, finer in ((self.lateral[1], c4), (self.lateral[0], c3)):
            features = F.interpolate(features, scale_factor=2.0, mode="nearest") + lateral(finer)
        features = self.smooth(features).float()
        return ImageFeatures(features, c5.float().mean((2, 3)), *self._read_heatmaps(features))

    def decode(self, encoded: ImageFeatures, landmarks: Tensor | None, given: Tensor | None) -> Estimate:
        """What `forward` estimates of hands whose images were encoded so."""
        features, pooled, heatmaps, image_joints, peak = encoded
        if landmarks is None:
            landmarks = features.new_zeros(len(features), JOINTS, LANDMARK_VALUES)
            given = torch.zeros(len(features), dtype=torch.bool)
        elif given is None:
            given = torch.ones(len(landmarks), dtype=torch.bool)
        given = given.to(landmarks.device)[:, None, None]
        imageless = len(landmarks) - len(features)
        beside_images = slice(-imageless) if imageless else slice(None)

        at = torch.where(given[beside_images], landmarks[beside_images, :, :2], image_joints[..., :2])
        sampled = F.grid_sample(features, at[:, :, None], align_corners=False)[..., 0].transpose(1, 2)
        joint_tokens = self.joint_token(torch.cat([sampled, image_joints, peak[..., None]], 2))
        crop_token = self.crop_token(pooled)
        if imageless:
            joint_tokens = torch.cat([joint_tokens, self.no_image[0].expand(imageless, JOINTS, -1)])
            crop_token = torch.cat([crop_token, self.no_image[1].expand(imageless, -1)])
            image_joints = torch.cat([image_joints, landmarks[-imageless:, :, :3]])
        apart = landmarks[..., :3] - image_joints
        joint_tokens = joint_tokens + torch.where(given, self.landmark_token(torch.cat([landmarks, apart], 2)),
                                                  self.no_landmark)
        tokens = torch.cat([joint_tokens, crop_token[:, None]], 1) + self.places
        tokens = self.norm(self.encoder(tokens)).float()

        shift, trust, log_spread = self.joint_out(tokens[:, :JOINTS]).split([3, 1, 1], 2)
        trust = torch.where(given, trust.sigmoid(), 0.0)
        joints = image_joints + trust * apart + shift
        # The lifter gets the joints themselves, too: what they say of the pose needs no detour through the tokens.
        numbers = [joints, image_joints, torch.where(given, landmarks, 0.0), given.expand(-1, JOINTS, 1)]
        lifted = self.lifter(torch.cat([self.compress(tokens).flatten(1), torch.cat(numbers, 2).flatten(1)], 1))
        six, betas, confidence = lifted.split([ROTATIONS * 6, BETAS, 1], 1)
        six = (self.rotation_basis + six.reshape(-1, ROTATIONS, 6)).reshape(-1, ROTATIONS, 3, 2)
        return Estimate(heatmaps, image_joints, joints, (log_spread[..., 0] - 3).exp(), gram_schmidt(six), betas,
                        confidence[:, 0])

    def _read_heatmaps(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Heatmaps (B, 21, h, w), the joints (B, 21, 3) where they expect them, and their peaks (B, 21)."""
        logits, size = self.heat(features).float(), features.shape[3]
        heatmaps = logits.flatten(2).softmax(2).reshape(logits.shape)
        places = ((torch.arange(size, device=features.device) + 0.5) * 2 / size - 1)[:, None]  # of rows and columns
        depth = (heatmaps * self.depth(features).float()).sum((2, 3))[..., None]
        joints = torch.cat([heatmaps.sum(2) @ places, heatmaps.sum(3) @ places, depth - depth[:, :1]], 2)
        return heatmaps, joints, heatmaps.amax((2, 3))

    def save(self, folder: str | Path) -> None:
        """Writes the checkpoint: `model.safetensors` (fp16), `config.json` and `network.onnx`, the graph that
        `handpose.network.engine` runs with these weights; each file whole or not at all. Raises OSError."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {key: value.to(torch.float16) if value.is_floating_point() else value
                   for key, value in self.state_dict().items()}
        weights = {key: value.contiguous().cpu() for key, value in weights.items()}
        config = json.dumps(asdict(self.config), indent=1) + "\n"
        for name, content in ((WEIGHTS, to_safetensors(weights)), (CONFIG, config.encode()),
                              (GRAPH, network_graph(self.config))):
            with whole_file(folder / name) as temporary:
                temporary.write_bytes(content)

    def _save_pretrained(self, save_directory: Path) -> None:
        """What the mixin's `save_pretrained` and `push_to_hub` write, beside a model card where there is none."""
        self.save(save_directory)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path = CHECKPOINT, *, strict: bool = True,
                        **download) -> HandNetwork:
        """Reads a checkpoint, in fp32 and ready to run, from a folder or, where there is none, from the Hub.

        Only a name "owner/name" is looked up on the Hub, and not if there is a folder `owner` here, for then it is a
        mistyped path; a folder that exists never touches the network. `download` goes to
        `huggingface_hub.snapshot_download` (`revision`, `token`, `cache_dir`, `local_files_only`, ...).

        Raises FileNotFoundError or ValueError naming the remedy.
        """
        folder = find_checkpoint(pretrained_model_name_or_path, **download)
        config, weights = read_config(folder), read_weights(folder)
        try:
            network = cls(config)
            network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()}, strict=strict)
        except (RuntimeError, ValueError) as error:
            raise damaged(folder, error) from error
        return network.eval().to(memory_format=torch.channels_last)


def gram_schmidt(columns: Tensor) -> Tensor:
    """Rotations (..., 3, 3) from their first two columns (..., 3, 2), as far as these are not yet orthonormal (Zhou et
    al., On the Continuity of Rotation Representations in Neural Networks, 2019)."""
    first, second = columns.unbind(-1)
    first = first / first.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = second / second.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    # The cross product, which as torch.linalg.cross would be three times as many operators in ONNX.
    yzx, zxy = (torch.tensor(order, device=columns.device) for order in ((1, 2, 0), (2, 0, 1)))
    third = (first.index_select(-1, yzx) * second.index_select(-1, zxy)
             - first.index_select(-1, zxy) * second.index_select(-1, yzx))
    return torch.stack([first, second, third], -1)


@cache
def network_graph(config: NetworkConfig) -> bytes:
    """The ONNX graph of a network, see `export_graph`; it follows from the configuration alone. Takes seconds."""
    with torch.random.fork_rng(devices=[]):
        network = HandNetwork(config)
    return export_graph(network.eval(), config.input_size, json.dumps(asdict(config)))
