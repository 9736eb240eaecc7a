"""Which hands each step of training shows, read ahead of the step.

A batch is made of groups. What a group holds, and what chance does to it, follows from the seed, the step and the
group's number alone, not from the device that makes it: training is the same on one device or on several, and a resumed
run goes on as an unbroken one.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .samples import Samples

AHEAD = 3  # steps that are read before they are asked for


class Source(Protocol):
    """Hands to train on; `take` may be called from several threads."""
    def __len__(self) -> int: ...
    def take(self, index: Tensor, with_images: bool = True) -> Samples: ...


class Group(NamedTuple):
    seed: int  # of all that chance does to it
    hands: Samples
    imageless: Samples | None  # hands of which only the landmarks will be shown


class Shuffle:
    """The indices 0 .. count - 1 in an endless row: every epoch holds each of them once, in an order of its own."""

    def __init__(self, count: int, seed: int):
        self.count = count
        self._order = lru_cache(2)(lambda epoch: torch.randperm(
            count, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch)))

    def at(self, positions: range) -> Tensor:
        return torch.tensor([self._order(p // self.count)[p % self.count] for p in positions], dtype=torch.long)


class Loader:
    """The groups that process `rank` of `world` shows in each step, in each the sources' hands in their order.

    A group shows `counts` hands of the sources and landmarks alone of `imageless_counts` more.
    """

    def __init__(self, sources: list[Source], counts: list[int], imageless_counts: list[int], groups: int, seed: int,
                 rank: int = 0, world: int = 1, threads: int = 1):
        self.groups, self.seed, self.mine = groups, seed, range(rank, groups, world)
        self._hands, self._imageless = (
            [(source, n, Shuffle(len(source), seed + shift)) for source, n in zip(sources, numbers, strict=True) if n]
            for shift, numbers in enumerate((counts, imageless_counts)))
        self._pool = ThreadPoolExecutor(threads)

    def steps(self, first: int, last: int) -> Iterator[list[Group]]:
        """The groups of the steps `first` <= step < `last`, read ahead in threads."""
        waiting: list[list[Future]] = []
        for step in range(first, last):
            for later in range(step + len(waiting), min(step + AHEAD, last)):
                waiting.append([self._pool.submit(self._group, later, number) for number in self.mine])
            yield [future.result() for future in waiting.pop(0)]

    def _group(self, step: int, number: int) -> Group:
        place = step * self.groups + number

        def draw(parts: list, with_images: bool) -> Samples | None:
            taken = [source.take(order.at(range(place * n, (place + 1) * n)), with_images)
                     for source, n, order in parts]
            return Samples.join(taken) if taken else None
        return Group(self.seed * 1_000_000_007 + place, draw(self._hands, True), draw(self._imageless, False))


def share_out(count: int, shares: list[float]) -> list[int]:
    """`count` things in proportion to `shares`, whole: each gets what its share holds, and those with the largest
    remainders one more (Hamilton's method)."""
    exact = [count * share / sum(shares) for share in shares]
    counts = [math.floor(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda n: counts[n] - exact[n])
    for n in by_remainder[:count - sum(counts)]:
        counts[n] += 1
    return counts
