"""Which network the page runs: the one that ships, or another that the command line or the environment tells."""
from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpose import HandEstimator
from handpose.network.checkpoint import CHECKPOINT, HUB_ID, one_line

VARIABLE = "HANDPOSE_CHECKPOINT"
BLANK, SOMEWHERE = np.zeros((256, 256, 3), np.uint8), (64, 64, 192, 192)  # a picture, and a box in it


def told_network(arguments: list[str]) -> tuple[HandEstimator, str | None]:
    """The network that command line or environment tell, ready to run, and what visitors are told of it if it is not
    the one that ships. Raises SystemExit, with a sentence where the network cannot be had or does not fit.
    """
    network = Network.told(arguments)
    try:
        return network.load(), network.name
    except (OSError, ValueError) as error:  # it says what to do
        raise SystemExit(error) from None


@dataclass(frozen=True)
class Network:
    """`checkpoint`: a folder, or an id of the Hub; None for the one that ships. `hand_model`: the file it needs."""
    checkpoint: str | None = None
    hand_model: str | None = None

    @classmethod
    def told(cls, arguments: list[str]) -> Network:
        """By the command line's arguments, else by the environment. Ends the process for --help and wrong ones."""
        parser = argparse.ArgumentParser("python app.py", description="Serves the page; docs/hosting.md tells the "
                                         "variables that say where and to whom.")
        parser.add_argument("--checkpoint", metavar="DIR", default=os.environ.get(VARIABLE) or None,
                            help="another network: its folder, or its id OWNER/NAME on the Hub (default: "
                                 f"${VARIABLE}, else the one that comes along)")
        parser.add_argument("--hand-model", metavar="PATH",
                            help="MANO_RIGHT.pkl or its folder, for a network that answers for MANO's hand (default: "
                                 "$HANDPOSE_MANO, else assets/mano/)")
        return cls(**vars(parser.parse_args(arguments)))

    @property
    def name(self) -> str | None:
        """What visitors are told of another network: not where it lies on this machine."""
        if self.checkpoint is None or re.fullmatch(HUB_ID, self.checkpoint) and not Path(self.checkpoint).is_dir():
            return self.checkpoint
        return Path(self.checkpoint).resolve().name

    def load(self) -> HandEstimator:
        """With all that is slow the first time done. Raises OSError or ValueError where it does not fit, saying why."""
        estimator = HandEstimator.load(self.checkpoint, self.hand_model)
        try:
            for one in (estimator, estimator.for_live()):
                one(BLANK, boxes=[SOMEWHERE])
        except Exception as error:  # what engines raise of a graph that fits no hand has no common class
            raise ValueError(f"The network {self.checkpoint or CHECKPOINT} gives no hands ({one_line(error)}): give "
                             "the folder of a checkpoint that train.run wrote.") from error
        estimator(BLANK)  # looks for hands
        return estimator
