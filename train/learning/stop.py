"""Signals that ask a run to end: it finishes its step and saves before it does."""
from __future__ import annotations

import signal

import torch
from lightning.fabric import Fabric

ASKING = (signal.SIGTERM, signal.SIGINT)  # a spot machine's or a scheduler's, and Ctrl-C


class StopSignals:
    """`with StopSignals() as stop:` remembers the first of ASKING that comes; a second one does what it always does.

    `stop.asked` is what this process has got, `stop.signal` what all agreed on when they last did; 0 for none. For the
    main thread, which alone may handle signals.
    """

    def __init__(self):
        self.signal = self.asked = 0

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._remember) for number in ASKING}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _) -> None:
        self.asked = number
        self.__exit__()

    def agree(self, fabric: Fabric) -> None:
        """Lets all processes know of a signal that one of them has got: they have to leave after the same step."""
        asked = self.asked  # what comes from here on counts the next time
        if fabric.world_size > 1:
            asked = int(fabric.all_reduce(torch.tensor(asked, device=fabric.device), reduce_op="max"))
        self.signal = asked
