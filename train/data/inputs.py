"""What the network is shown in a step: hands, crops without a right hand, and landmarks of hands without an image."""
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
    """For `HandNetwork.forward`: first the hands, then crops without a right hand, then hands without an image."""
    images: Tensor  # (hands + empty, 3, S, S) RGB 0..255
    landmarks: Tensor  # (hands + empty + imageless, 21, 6) as `HandNetwork.forward` takes them
    given: Tensor  # (hands + empty + imageless,) bool, which rows' landmarks count
    hands: Batch
    imageless: Batch | None


def make_inputs(groups: list[Group], recipe: Recipe, size: int, backgrounds: Tensor | None, device: torch.device
                ) -> Inputs:
    """Crops of `size` px and labels of the groups, on the device; `backgrounds` (N, S, S, 3) uint8 without hands."""
    data = recipe.data
    hands, empty, imageless = [], [], []
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
            # What a landmark model finds looks like a hand even where none is.
            borrowed = torch.randperm(count, device=device)[:places]
            empty.append((F.interpolate(drawn, size=(size, size), mode="bilinear"), batch.landmarks[borrowed],
                          batch.given[borrowed]))
        if group.imageless is not None:
            imageless.append(make_batch(group.imageless.to(device), size, recipe.augment, with_images=False))
    hands, imageless = _join(hands), _join(imageless) if imageless else None
    images, landmarks, given = (torch.cat([part, *more]) for part, *more in
                                zip((hands.images, hands.landmarks, hands.given), *empty, strict=True))
    if imageless is not None:
        landmarks, given = torch.cat([landmarks, imageless.landmarks]), torch.cat([given, imageless.given])
    return Inputs(images, landmarks, given, hands, imageless)


def _join(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
