"""From samples to a batch as the network sees it: crops cut, turned and coloured at random, on the training device."""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import roma
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name

from handpose.crop_predictor import CROP_SCALE

from ..learning.recipe import AugmentConfig
from .samples import Samples


class Batch(NamedTuple):
    """B hands in crop units and the crop's frame (see handpose.network.hand_network)."""
    images: Tensor  # (B, 3, S, S) RGB 0..255
    joints: Tensor  # (B, 21, 3) 2.5D joints: u, v, depth relative to the wrist
    joints_3d: Tensor  # (B, 21, 3) metres, relative to the wrist
    rotations: Tensor  # (B, 16, 3, 3)
    betas: Tensor  # (B, 10)
    focal: Tensor  # (B,) in crop units
    trust: Tensor  # (B, 21)
    weight: Tensor  # (B,)
    exact: Tensor  # (B,) bool
    has_3d: Tensor  # (B,) bool; where not, joints_3d and the depth of joints mean nothing
    has_pose: Tensor  # (B,) bool, likewise rotations
    has_betas: Tensor  # (B,) bool
    landmarks: Tensor  # (B, 21, 6)
    given: Tensor  # (B,) bool


def upright_boxes(joints_2d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centres (B, 2), sides (B,), angles (B,) of hands' upright boxes: `handpose.estimator.upright_box` for batches."""
    up = (joints_2d[:, 5] + joints_2d[:, 13]) / 4 + joints_2d[:, 9] / 2 - joints_2d[:, 0]
    angle = torch.atan2(up[:, 0], -up[:, 1])
    turned = torch.einsum("bij,bpj->bpi", _turn(angle), joints_2d)
    low, high = turned.amin(1), turned.amax(1)
    center = torch.einsum("bji,bj->bi", _turn(angle), (low + high) / 2)
    return center, (high - low).amax(1), angle


def _turn(angle: Tensor) -> Tensor:
    """(B, 2, 2): image directions to those of a crop whose up is turned clockwise by `angle`."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, s], 1), torch.stack([-s, c], 1)], 1)


def make_batch(samples: Samples, size: int, config: AugmentConfig | None, with_images: bool = True) -> Batch:
    """Crops of `size` px around the hands; no play and all landmarks that were found where `config` is None.

    `with_images=False` leaves the images out (and (0, 3, size, size) in their place) and withholds no landmarks.
    """
    count, device = len(samples), samples.images.device
    play = lambda width, *shape: (torch.rand(count, *shape, device=device) * 2 - 1) * width  # noqa: E731
    center, box, angle = upright_boxes(samples.joints_2d)
    side = box * CROP_SCALE
    boxed = torch.zeros(count, dtype=torch.bool, device=device)
    if config:
        if with_images and config.boxed:
            boxed = torch.rand(count, device=device) < config.boxed
        farther = torch.where(boxed, config.boxed_play, 1.0)
        side = side * (play(config.scale) * farther).exp()
        center = center + play(config.shift, 2) * (farther * side)[:, None]
        angle = angle + play(torch.pi / 180 * config.turn_deg) * farther
    turn, half = _turn(angle), side / 2

    images = torch.zeros(0, 3, size, size, device=device)
    if with_images:
        images = _cut(samples.images, center, turn, half, size)

    def to_crop(points: Tensor) -> Tensor:
        return torch.einsum("bij,b...j->b...i", turn, points - center.reshape(count, *[1] * (points.ndim - 2), 2)) \
            / half.reshape(count, *[1] * (points.ndim - 1))

    # The crop's frame: a camera turned onto the crop's middle, then by the crop's angle.
    focal = samples.focal
    ray = torch.cat([(center - samples.principal) / focal[:, None], torch.ones(count, 1, device=device)], 1)
    ray = F.normalize(ray, dim=1)
    forward = torch.tensor([0.0, 0, 1], device=device).expand_as(ray)
    axis = torch.cross(forward, ray, dim=1)
    onto_ray = roma.rotvec_to_rotmat(axis / axis.norm(dim=1, keepdim=True).clamp(min=1e-9)
                                     * torch.atan2(axis.norm(dim=1), ray[:, 2])[:, None])
    frame = torch.eye(3, device=device).repeat(count, 1, 1)
    frame[:, :2, :2] = turn
    frame = frame @ onto_ray.transpose(1, 2)
    joints_3d = torch.einsum("bij,bpj->bpi", frame, samples.joints_3d)
    focal = focal / half
    depth = joints_3d[..., 2:] * (focal / samples.distance)[:, None, None]
    rotations = roma.rotvec_to_rotmat(samples.rotvec)
    rotations = torch.cat([(frame @ rotations[:, 0])[:, None], rotations[:, 1:]], 1)

    view = torch.randint(samples.landmarks.shape[1] if config else 1, (count,), device=device)
    row = torch.arange(count, device=device)
    seen, given = samples.landmarks[row, view], samples.found[row, view]
    world = seen[..., 3:].clone()
    world[..., :2] = torch.einsum("bij,bpj->bpi", turn, world[..., :2])
    landmarks = torch.cat([to_crop(seen[..., :2]), seen[..., 2:3] / half[:, None, None], world * 10], 2)
    if config:
        noise = torch.randn_like(landmarks) * config.landmark_noise * torch.rand(count, 1, 1, device=device)
        landmarks = landmarks + noise
        if with_images:
            given = given & ~boxed & (torch.rand(count, device=device) >= config.withhold)
            images = recolor(images, config, samples.exact)
    return Batch(images, torch.cat([to_crop(samples.joints_2d), depth], 2), joints_3d, rotations, samples.betas, focal,
                 samples.trust, samples.weight, samples.exact, samples.has_3d, samples.has_pose, samples.has_betas,
                 landmarks, given)


def _cut(images: Tensor, center: Tensor, turn: Tensor, half: Tensor, size: int) -> Tensor:
    """Crops (B, 3, size, size) of byte images (B, S, S, 3) about `center` (B, 2) px, turned, `half` (B,) px wide."""
    if images.device.type == "cpu":
        return _cut_bytes(images, center, turn, half, size)
    extent = images.shape[1]
    # Where each pixel of the crop lies in the image, in grid_sample's units (the image spans [-1, 1]).
    theta = torch.cat([turn.transpose(1, 2) * (half * 2 / extent)[:, None, None],
                       ((center + 0.5) * 2 / extent - 1)[:, :, None]], 2)
    grid = F.affine_grid(theta, [len(images), 3, size, size], align_corners=False)
    return F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, mode="bilinear", align_corners=False)


def _cut_bytes(images: Tensor, center: Tensor, turn: Tensor, half: Tensor, size: int) -> Tensor:
    """The same by OpenCV, which cuts bytes as such: on a CPU in a fraction of the time, for images are larger than
    crops, and floats than bytes."""
    onto = turn.transpose(1, 2) * (half * 2 / size)[:, None, None]  # crop's pixels to the image's
    matrix = torch.cat([onto, (center + onto.sum(2) * (1 - size) / 2)[..., None]], 2).numpy().astype(float)
    crops = [cv2.warpAffine(image, one, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
             for image, one in zip(images.numpy(), matrix, strict=True)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float()


def mirrored(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Images, landmarks and given of the same hands seen in a mirror: left hands, which the network must not take."""
    flip = torch.tensor([-1.0, 1, 1, -1, 1, 1], device=batch.images.device)
    return batch.images.flip(3), batch.landmarks * flip, batch.given


def recolor(images: Tensor, config: AugmentConfig, rendered: Tensor | None = None) -> Tensor:
    """Light, white balance, contrast, sharpness, noise, foreign amplitude spectra and patches, drawn for each image.

    The spectra are any other image's; of `rendered` (B,) bool images a photo's, if there is one.
    """
    count, device, strength = len(images), images.device, config.color
    chance = lambda share: torch.rand(count, 1, 1, 1, device=device) < share  # noqa: E731
    play = lambda by, channels=1: 1 + (2 * torch.rand(count, channels, 1, 1, device=device) - 1) * by  # noqa: E731

    if config.fourier:
        partner = torch.randperm(count, device=device)
        if rendered is not None and rendered.any() and not rendered.all():
            photos = (~rendered).nonzero()[:, 0]
            partner = torch.where(rendered, photos[partner % len(photos)], partner)
        other = images[partner]
        images = _changed(images, config.fourier, lambda some, chosen: _mix_amplitudes(some, other[chosen]))
    images = (images / 255).clamp(1e-3, 1) ** play(0.35 * strength)
    images = images * (play(0.3 * strength) * play(0.12 * strength, 3))
    middle = images.mean((2, 3), keepdim=True)
    images = (images - middle) * play(0.3 * strength) + middle
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * torch.where(chance(config.grey), 0.0, play(0.4 * strength))
    for share, coarser in ((0.14 * strength, 2), (0.06 * strength, 4)):
        images = _changed(images, share, lambda some, _, by=coarser: F.interpolate(
            F.avg_pool2d(some, by), scale_factor=by, mode="bilinear", align_corners=False))
    images = _changed(images, 0.5, lambda some, _: some + torch.randn_like(some) * 0.05 * strength * torch.rand(
        len(some), 1, 1, 1, device=device))
    if config.motion_blur:
        images = _changed(images, config.motion_blur, lambda some, _: _motion_blur(some))
    if config.cutout:
        images = torch.where(_patches(images, config.cutout), images.roll(1, 0), images)
    return images.clamp(0, 1) * 255


def _changed(images: Tensor, share: float, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The images, a `share` of them drawn at random and changed: `change` takes these and their indices."""
    chosen = (torch.rand(len(images), device=images.device) < share).nonzero()[:, 0]
    return images.index_copy(0, chosen, change(images[chosen], chosen)) if len(chosen) else images


def _mix_amplitudes(images: Tensor, other: Tensor, reach: float = 0.05) -> Tensor:
    """Images whose lowest frequencies have amplitudes between their own and another image's; phases stay."""
    spectrum, foreign = torch.fft.rfft2(images), torch.fft.rfft2(other)
    size = images.shape[2]
    rows = torch.fft.fftfreq(size, device=images.device).abs()[:, None]
    columns = torch.fft.rfftfreq(images.shape[3], device=images.device)[None]
    low = ((rows < reach / 2) & (columns < reach / 2)).float() * torch.rand(len(images), 1, 1, 1, device=images.device)
    amplitude = spectrum.abs() * (1 - low) + foreign.abs() * low
    return torch.fft.irfft2(torch.polar(amplitude, spectrum.angle()), s=images.shape[2:]).clamp(0, 255)


def _motion_blur(images: Tensor, longest: float = 0.08, samples: int = 7) -> Tensor:
    """Each image averaged along a line of its own, up to `longest` of its side."""
    count, device = len(images), images.device
    angle = torch.rand(count, device=device) * torch.pi
    reach = torch.stack([angle.cos(), angle.sin()], 1) * torch.rand(count, 1, device=device) * longest  # in [-1, 1]
    theta = torch.eye(2, 3, device=device).repeat(count, 1, 1)
    blurred = torch.zeros_like(images)
    for way in torch.linspace(-1, 1, samples):
        theta[:, :, 2] = reach * way
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        blurred += F.grid_sample(images, grid, padding_mode="border", align_corners=False) / samples
    return blurred


def _patches(images: Tensor, share: float) -> Tensor:
    """(B, 1, S, S) bool: one rectangle in a `share` of the images."""
    count, size, device = len(images), images.shape[2], images.device
    extent = torch.rand(count, 2, 1, device=device) * 0.3 + 0.05
    start = torch.rand(count, 2, 1, device=device) * 1.1 - 0.2
    at = torch.arange(size, device=device) / size
    inside = (at > start) & (at < start + extent)  # (B, 2, S)
    patch = (inside[:, 0, :, None] & inside[:, 1, None, :])[:, None]
    return patch & (torch.rand(count, 1, 1, 1, device=device) < share)
