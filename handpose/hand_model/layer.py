"""The hand model as a torch layer: differentiable, on any device. Training and tests; needs the extra `train`."""
from __future__ import annotations

import copy

import numpy as np
import roma
import torch
from torch import nn

from .model import HandModel


class HandLayer(nn.Module, HandModel):
    """A `HandModel` of torch tensors."""
    xp = torch
    rotvec_to_rotmat = staticmethod(roma.rotvec_to_rotmat)
    forward = HandModel.__call__

    def __init__(self, arrays: dict[str, np.ndarray], name: str):
        nn.Module.__init__(self)
        HandModel.__init__(self, arrays, name)

    def _hold(self, key: str, array: np.ndarray) -> None:
        self.register_buffer(key, torch.from_numpy(np.ascontiguousarray(array)), persistent=False)

    def arrays(self) -> dict[str, np.ndarray]:
        return HandModel.arrays(copy.deepcopy(self).cpu())

    def left(self) -> HandLayer:
        return HandModel.left(self).to(self.v_template)

    def joints_only(self) -> HandLayer:
        return HandModel.joints_only(self).to(self.v_template)
