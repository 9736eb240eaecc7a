"""What the network is shown in a step: hands, crops without a right hand, and landmarks of hands without an image."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name

from ..learning.recipe import Recipe
from .augment import Batch, make_batch, mirrored, recolor
from .loader import Group, share_out


@dataclass(frozen=True)
class Inputs:
    """For `HandNetwork.forward`: first the hands, then crops without a right hand, then hands without an image."""
    images: Tensor  # (hands + empty, 3, S, S) RGB 0..255
    landmarks: Tensor  # (hands + empty + imageless, 21, 6) as `HandNetwork.forward` takes them
    given: Tensor  # (hands + empty + imageless,) bool, which rows' landmarks count
    hands: Batch
    mirror_of: Tensor  # (empty,) int64, the row of the hand that a crop shows in a mirror; -1: it shows none
    imageless: Batch | None


def make_inputs(groups: list[Group], recipe: Recipe, size: int, without_hands: list[Tensor], device: torch.device
                ) -> Inputs:
    """Crops of `size` px and labels of the groups, on the device; of `without_hands`, kinds of (N, S, S, 3) uint8 that
    show none, alike many."""
    data = recipe.data
    hands, empty, mirror_of, imageless = [], [], [], []
    for group in groups:
        torch.manual_seed(group.seed)
        batch = make_batch(group.hands.to(device), size, recipe.augment)
        count = len(batch.images)
        before = sum(len(one.images) for one in hands)
        hands.append(batch)
        chosen = torch.randperm(count, device=device)[:round(count * data.mirrored)]
        empty.append(tuple(part[chosen] for part in mirrored(batch)))
        mirror_of.append(before + chosen)
        places = round(count * data.without_hand) if without_hands else 0
        if places:
            drawn = torch.cat([_drawn(crops, number, size) for crops, number in zip(
                without_hands, share_out(places, [1.0] * len(without_hands)), strict=True)])
            # What a landmark model finds looks like a hand even where none is.
            borrowed = torch.randperm(count, device=device)[:places]
            empty.append((recolor(drawn, recipe.augment), batch.landmarks[borrowed], batch.given[borrowed]))
            mirror_of.append(torch.full((places,), -1, device=device))
        if group.imageless is not None:
            imageless.append(make_batch(group.imageless.to(device), size, recipe.augment, with_images=False))
    hands, imageless = _join(hands), _join(imageless) if imageless else None
    images, landmarks, given = (torch.cat([part, *more]) for part, *more in
                                zip((hands.images, hands.landmarks, hands.given), *empty, strict=True))
    if imageless is not None:
        landmarks, given = torch.cat([landmarks, imageless.landmarks]), torch.cat([given, imageless.given])
    return Inputs(images, landmarks, given, hands, torch.cat(mirror_of), imageless)


def _drawn(crops: Tensor, count: int, size: int) -> Tensor:
    """Some of the crops at random (count, 3, size, size), each mirrored or not."""
    drawn = crops[torch.randint(len(crops), (count,), device=crops.device)].permute(0, 3, 1, 2).float()
    drawn = F.interpolate(drawn, size=(size, size), mode="bilinear")
    return torch.where(torch.rand(count, 1, 1, 1, device=crops.device) < 0.5, drawn.flip(3), drawn)


def _join(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
