"""What the network is shown in a step: hands, crops without a right hand, and hands of which there is no image."""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name

from ..learning.recipe import Recipe
from .augment import Batch, make_batch, mirrored
from .loader import Group


@dataclass(frozen=True)
class Inputs:
    """For `HandNetwork.forward`: first the hands, then crops without a right hand, then hands without images."""
    images: Tensor  # (hands + empty, 3, S, S)
    landmarks: Tensor  # (hands + empty + blind, 21, 6)
    given: Tensor  # (hands + empty + blind,)
    hands: Batch
    blind: Batch | None


def make_inputs(groups: list[Group], recipe: Recipe, size: int, backgrounds: Tensor | None, device: torch.device
                ) -> Inputs:
    """Crops of `size` px and labels of the groups, on the device; `backgrounds` (N, S, S, 3) uint8 without hands."""
    data = recipe.data
    hands, empty, blind = [], [], []
    for group in groups:
        torch.manual_seed(group.seed)
        batch = make_batch(group.hands.to(device), size, recipe.augment)
        count = len(batch.images)
        hands.append(batch)
        chosen = torch.randperm(count, device=device)[:round(count * data.mirrored)]
        empty.append(tuple(part[chosen] for part in mirrored(batch)))
        places = round(count * data.without_hand)
        if backgrounds is not None and places:
            drawn = backgrounds[torch.randint(len(backgrounds), (places,), device=device)].permute(0, 3, 1, 2).float()
            # A landmark model's answer looks like a hand even where none is.
            borrowed = torch.randperm(count, device=device)[:places]
            empty.append((F.interpolate(drawn, size=(size, size), mode="bilinear"), batch.landmarks[borrowed],
                          batch.given[borrowed]))
        if group.blind is not None:
            blind.append(make_batch(group.blind.to(device), size, recipe.augment, with_images=False))
    hands, blind = _join(hands), _join(blind) if blind else None
    images, landmarks, given = (torch.cat([part, *more]) for part, *more in
                                zip((hands.images, hands.landmarks, hands.given), *empty, strict=True))
    if blind is not None:
        landmarks, given = torch.cat([landmarks, blind.landmarks]), torch.cat([given, blind.given])
    return Inputs(images, landmarks, given, hands, blind)


def _join(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
