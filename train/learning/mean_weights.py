"""Weights between those that a run began with and those that it ended with.

Such a mean keeps of what the earlier network knew of photos unlike the run's, and has most of what the run taught
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from handpose.hand_model.model_file import version_fits
from handpose.network.hand_network import HandNetwork


def mean_weights(ended: Path, began: Path, began_share: float) -> HandNetwork:
    """The network of the folder `ended`, with `began_share` (0..1) of the weights of the one in `began`.

    Raises FileNotFoundError or ValueError where one is no checkpoint or they are not alike.
    """
    network, start = (HandNetwork.from_pretrained(folder) for folder in (ended, began))
    began_with, version = start.config, network.config.hand_version
    if version_fits(began_with.hand_version, version):
        began_with = replace(began_with, hand_version=version)
    if network.config != began_with:
        raise ValueError(f"{ended} and {began} hold networks that differ: set start_share=0 where a run begins with "
                         "another network.")
    of_start = start.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(of_start[name], began_share)
    return network
