"""What the finder's answers cost: a focal loss for scores (Lin et al., 2017), and for each hand what its cells are off
by in place, size, direction and side."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name

FOCUS, HAND_SHARE = 2.0, 0.75  # the focal loss's gamma and alpha
WEIGHTS = {"score": 1.0, "place": 0.5, "size": 1.0, "direction": 1.0, "side": 0.2}


def detection_loss(answers: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Terms of the loss, weighted: `answers` of both grids (B, 7, h, w) as DetectorNetwork gives them, `targets`
    (B, 8, h, w) as `targets.targets`. Each is a mean over hands, the score's a sum over cells for each hand."""
    sums = {name: 0.0 for name in WEIGHTS}
    hands = directed = sided = 1e-6
    for answer, target in zip(answers, targets, strict=True):
        answer, target = (part.float().movedim(1, -1).flatten(0, -2) for part in (answer, target))
        known = ~target[:, 0].isnan()
        logit, hand, weight = answer[known, 0], target[known, 0], target[known, 7]
        error = F.binary_cross_entropy_with_logits(logit, hand, reduction="none")
        share = torch.where(hand > 0, HAND_SHARE * 2 * weight, 1 - HAND_SHARE)
        sums["score"] = sums["score"] + (share * (1 - torch.exp(-error)) ** FOCUS * error).sum()
        shown = known & (target[:, 0] > 0)
        answer, target = answer[shown], target[shown]
        weight = target[:, 7]
        hands = hands + weight.sum()
        place = F.smooth_l1_loss(answer[:, 1:3], target[:, 1:3], reduction="none").sum(1)
        size = F.smooth_l1_loss(answer[:, 3], target[:, 3], reduction="none", beta=0.1)
        sums["place"] = sums["place"] + (place * weight).sum()
        sums["size"] = sums["size"] + (size * weight).sum()
        has = ~target[:, 4].isnan()
        off = 1 - F.cosine_similarity(answer[has, 4:6], target[has, 4:6])
        sums["direction"], directed = sums["direction"] + (off * weight[has]).sum(), directed + weight[has].sum()
        has = ~target[:, 6].isnan()
        wrong = F.binary_cross_entropy_with_logits(answer[has, 6], target[has, 6], reduction="none")
        sums["side"], sided = sums["side"] + (wrong * weight[has]).sum(), sided + weight[has].sum()
    counts = {"direction": directed, "side": sided}
    return {name: WEIGHTS[name] * total / counts.get(name, hands) for name, total in sums.items()}
