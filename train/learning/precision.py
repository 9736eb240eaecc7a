"""Whether a machine trains faster in bfloat16 than in float32: it is tried, for neither model nor flags tell.

CPUs without instructions for it compute in bfloat16 at half the speed, and some that have them are slower, too.
"""
from __future__ import annotations

import copy
import time

import torch
from lightning.fabric import Fabric
from torch import nn

from ..data.inputs import Inputs

TURNS = 5  # of each, in turns, the first of which is not counted
IMAGES = 16  # of a turn: enough to tell, few enough for a slow machine


def faster_in_bfloat16(network: nn.Module, inputs: Inputs, fabric: Fabric) -> bool:
    """Trains a copy of the network, forward and backward, in both; the processes answer alike."""
    trial = copy.deepcopy(network).to(fabric.device)
    shown = [part[:IMAGES] for part in (inputs.images, inputs.landmarks, inputs.given)]
    seconds = torch.zeros(TURNS, 2, device=fabric.device)
    for turn in range(TURNS):
        for low in (0, 1):
            _wait(fabric.device)
            start = time.perf_counter()
            with torch.autocast(fabric.device.type, torch.bfloat16, enabled=bool(low)):
                estimate = trial(*shown)
            sum(part.float().mean() for part in estimate).backward()
            _wait(fabric.device)
            seconds[turn, low] = time.perf_counter() - start
    full, low = fabric.all_reduce(seconds[1:].median(0).values).tolist()
    return low < full


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
