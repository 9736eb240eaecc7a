"""Errors of a network on held-out samples, as training watches them."""
from __future__ import annotations

import numpy as np
import torch

from handpose.hand_model.layer import HandLayer
from handpose.network.hand_network import HandNetwork

from ..data.augment import make_batch
from ..data.loader import Source
from .metrics import error_2d, pa_mpjpe, root_relative


@torch.no_grad()
def evaluate_source(network: HandNetwork, source: Source, skeleton: HandLayer, with_landmarks: bool,
                    batch: int = 128) -> dict[str, float]:
    """Mean errors (`metrics`) of the network's hands, posed but not placed: 2D is that of its 2.5D joints."""
    device, found = next(network.parameters()).device, []
    for index in torch.arange(len(source)).split(batch):
        crops = make_batch(source.take(index).to(device), network.config.input_size, None)
        estimate = network(crops.images, crops.landmarks, crops.given & with_landmarks)
        posed = skeleton.pose(estimate.rotations, estimate.betas, torch.zeros_like(crops.joints_3d[:, 0])).joints
        pairs = posed, crops.joints_3d, estimate.joints[..., :2], crops.joints[..., :2]
        found.append([values.cpu().numpy() for values in pairs])
    joints, goal, uv, goal_uv = (np.concatenate(part) for part in zip(*found, strict=True))
    return {"pa_mpjpe_mm": float(pa_mpjpe(joints, goal).mean()),
            "root_relative_mm": float(root_relative(joints, goal).mean()),
            "error_2d": float(error_2d(uv, goal_uv).mean())}
