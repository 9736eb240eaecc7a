"""Signals that ask a run to end: it finishes its step and saves before it does."""
from __future__ import annotations

import signal

import torch
from lightning.fabric import Fabric

ASKING = (signal.SIGTERM, signal.SIGINT)  # a spot machine's or a scheduler's, and Ctrl-C


class StopSignals:
    """`with StopSignals() as stop:` remembers the first of ASKING in `stop.signal`, 0 while there is none.

    A second one does what it always does. For the main thread, which alone may handle signals.
    """

    def __init__(self):
        self.signal = 0

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._remember) for number in ASKING}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _) -> None:
        self.signal = number
        self.__exit__()

    def agree(self, fabric: Fabric) -> None:
        """Lets all processes know of a signal that one of them has got, for they have to leave after the same step."""
        if fabric.world_size > 1:
            mine = torch.tensor(self.signal, device=fabric.device)
            self.signal = int(fabric.all_reduce(mine, reduce_op="max"))
