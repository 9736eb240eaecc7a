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
    """Mean errors (`metrics`) of the network's hands, posed but not placed: 2D is that of its 2.5D joints.

    Each is the mean over what is known; NaN where no hand's joints are known in space.
    """
    device, found = next(network.parameters()).device, []
    for index in torch.arange(len(source)).split(batch):
        crops = make_batch(source.take(index).to(device), network.config.input_size, None)
        estimate = network(crops.images, crops.landmarks, crops.given & with_landmarks)
        posed = skeleton.pose(estimate.rotations, estimate.betas, torch.zeros_like(crops.joints_3d[:, 0]))
        posed = skeleton.data_joints(posed)
        goal, labelled = crops.joints[..., :2], crops.trust > 0
        uv = torch.where(labelled[..., None], estimate.joints[..., :2], goal)  # no error where nothing is known
        pairs = posed[crops.has_3d], crops.joints_3d[crops.has_3d], uv, goal, labelled.float().mean(1)
        found.append([values.cpu().numpy() for values in pairs])
    joints, goal, uv, goal_uv, share = (np.concatenate(part) for part in zip(*found, strict=True))
    in_space = {"pa_mpjpe_mm": pa_mpjpe, "root_relative_mm": root_relative}
    return {**{name: float(error(joints, goal).mean()) if len(joints) else np.nan for name, error in in_space.items()},
            "error_2d": float((error_2d(uv, goal_uv) / share).mean())}
