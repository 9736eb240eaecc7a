"""The training loss: its terms, and how much each of them counts."""
from __future__ import annotations

from dataclasses import asdict

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812, the customary name

from handpose.hand_model.layer import HandLayer
from handpose.network.hand_network import Estimate
from handpose.placement import solve_translation

from ..data.augment import Batch
from .recipe import LossWeights

FIRST_JOINTS, TIPS = [1, 5, 9, 13, 17], [4, 8, 12, 16, 20]  # of thumb, index, ... little


class HandLoss:
    """`HandLoss(weights, hand_model)(estimate, batch)` gives the loss of B hands and its terms by name, scalars.

    The hand model's joints pose the estimated hand; it has to be the one whose betas the labels are. What is not known
    of a hand does not count: joints in the image by their trust, everything else by the batch's masks; and each hand
    counts by its weight. Of several processes each takes the means over its own hands.
    """

    def __init__(self, weights: LossWeights, hand_model: HandLayer):
        self.weights, self.skeleton = weights, hand_model.joints_only()

    def __call__(self, estimate: Estimate, batch: Batch, with_image: bool = True) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum and the terms for the batch's hands, of which `estimate` has a row each; `with_image`: the
        network was given images of them, and so has heatmaps."""
        goal, trust = batch.joints, batch.trust * batch.weight[:, None]
        exactness = torch.where(batch.exact, 1.0, self.weights.fitted_3d)
        sure = exactness * batch.weight
        if not with_image:  # what has neither an image nor landmarks cannot be estimated
            trust, sure = trust * batch.given[:, None], sure * batch.given
        labelled = (batch.trust > 0).sum().clamp(min=1)

        def by_point(error: Tensor) -> Tensor:
            """The mean over the joints that are known in the image, each as much as it is trusted."""
            return (error * trust).sum() / labelled

        def by_hand(error: Tensor, known: Tensor) -> Tensor:
            """The mean over the hands of which the label is known, each as much as that is sure."""
            return (error.reshape(len(error), -1).mean(1) * sure * known).sum() / known.sum().clamp(min=1)

        unknown = 1 - batch.has_betas * exactness
        l1 = (estimate.joints - goal).abs()
        posed = self.skeleton.pose(estimate.rotations, estimate.betas, torch.zeros_like(batch.joints_3d[:, 0]))
        joints = self.skeleton.data_joints(posed)
        rooted = joints - joints[:, :1]
        transl = solve_translation(rooted, goal[..., :2] / batch.focal[:, None, None], batch.trust)
        placed = rooted + transl[:, None]
        projected = placed[..., :2] / placed[..., 2:].clamp(min=0.05) * batch.focal[:, None, None]
        spread = estimate.spread.clamp(min=1e-3)
        parts = {
            "joints": by_point(l1[..., :2].sum(2) / spread + 2 * spread.log()),
            "joints_depth": by_hand(l1[..., 2], batch.has_3d),
            "joints_3d": by_hand((rooted - batch.joints_3d).abs() * 10, batch.has_3d),
            "projection": by_point((projected - goal[..., :2]).abs().mean(2).clamp(max=2)),
            "orientation": by_hand((estimate.rotations[:, :1] - batch.rotations[:, :1]).abs(), batch.has_pose),
            "palm_normal": by_hand(1 - (palm_normals(rooted) * palm_normals(batch.joints_3d)).sum(1), batch.has_3d),
            "tips_depth": by_hand((tips_depth(rooted) - tips_depth(batch.joints_3d)).abs() * 10, batch.has_3d),
            "pose": by_hand((estimate.rotations[:, 1:] - batch.rotations[:, 1:]).abs(), batch.has_pose),
            "betas": by_hand((estimate.betas - batch.betas).square(), batch.has_betas),
            "shape": (estimate.betas.square().mean(1) * unknown).sum() / unknown.sum().clamp(min=1),
        }
        if with_image:
            off, deep = (estimate.image_joints - goal).abs(), batch.has_3d * exactness
            parts |= {"heatmap": by_point(self._heatmap_entropy(estimate.heatmaps, goal)),
                      "image_joints": by_point((off[..., :2].sum(2) + off[..., 2] * deep[:, None]) / 3)}
        weights = asdict(self.weights)
        return sum(weights[name] * part for name, part in parts.items()), parts

    def of_confidence(self, of_hands: Tensor, of_empty: Tensor, mirror_of: Tensor) -> Tensor:
        """For logits (H,) of crops with a right hand and (E,) of crops without, which show the hand `mirror_of` (E,) in
        a mirror or none (-1)."""
        confidence = torch.cat([of_hands, of_empty])
        holds_hand = torch.cat([torch.ones_like(of_hands), torch.zeros_like(of_empty)])
        weight = torch.cat([torch.ones_like(of_hands), torch.where(mirror_of >= 0, self.weights.mirrored, 1.0)])
        return self.weights.confidence * F.binary_cross_entropy_with_logits(confidence, holds_hand, weight)

    def of_side(self, of_hands: Tensor, of_empty: Tensor, mirror_of: Tensor, weight: Tensor) -> Tensor:
        """For the same logits and the hands' weights (H,): that a hand is rather believed in than its mirror image, the
        logistic loss of the difference (Burges et al., Learning to Rank using Gradient Descent, 2005), which asks no
        more of how sure a hand is. A hand's side is told so: it is shown as one of either."""
        shown = mirror_of >= 0
        hand, known = of_hands[mirror_of[shown]], weight[mirror_of[shown]] > 0
        loss = F.softplus(of_empty[shown] - hand) * known
        return self.weights.side * loss.sum() / known.sum().clamp(min=1)

    def _heatmap_entropy(self, heatmaps: Tensor, goal: Tensor) -> Tensor:
        """(B, 21) cross-entropy with a Gaussian about each joint; zero for joints outside the crop."""
        height, width = heatmaps.shape[2:]
        v = (torch.arange(height, device=goal.device) + 0.5) * 2 / height - 1
        u = (torch.arange(width, device=goal.device) + 0.5) * 2 / width - 1
        squared = (v[:, None] - goal[..., 1, None, None]) ** 2 + (u - goal[..., 0, None, None]) ** 2
        wanted = (-squared / (2 * self.weights.heatmap_sigma**2)).flatten(2).softmax(2)
        entropy = -(wanted * heatmaps.flatten(2).clamp(min=1e-9).log()).sum(2)
        return entropy * (goal[..., :2].abs() < 1).all(2)


def palm_normals(joints: Tensor) -> Tensor:
    """Unit normals (B, 3) of the palms of joints (B, 21, 3): of the triangle of wrist, index and little knuckle."""
    return F.normalize(torch.linalg.cross(joints[:, 5] - joints[:, 0], joints[:, 17] - joints[:, 0]), dim=1, eps=1e-6)


def tips_depth(joints: Tensor) -> Tensor:
    """How much farther away (B, 5) each fingertip of joints (B, 21, 3) is than its finger's first joint."""
    return joints[:, TIPS, 2] - joints[:, FIRST_JOINTS, 2]
