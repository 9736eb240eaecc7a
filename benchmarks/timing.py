"""Clocks for the benchmarks: rounds that alternate, so that whatever else the machine does hits all alike."""
from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARM_UP = 3  # rounds that do not count


class Clock:
    """Collects milliseconds by name: `result = clock("what", work, *inputs)`, round after round."""

    def __init__(self):
        self.times: dict[str, list[float]] = {}

    def __call__(self, name: str, work: Callable, *inputs: Any) -> Any:
        start = time.perf_counter()
        result = work(*inputs)
        self.times.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result

    def ms(self, name: str, percentile: float = 50) -> float:
        return float(np.percentile(self.times[name][WARM_UP:], percentile))

    def ratio(self, name: str, other: str) -> float:
        """The median, over rounds, of how many times as long as the other it takes."""
        return float(np.median(np.divide(self.times[name], self.times[other])[WARM_UP:]))


def peak_memory_mb() -> float:
    """The most memory that this process has held, in MB (not known on Windows)."""
    try:
        import resource
    except ImportError:
        return float("nan")
    import sys
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
