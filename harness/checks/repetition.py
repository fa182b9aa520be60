"""A mask of what was dropped laid over itself, displaced in the order of its memory.

Threads that draw the same random numbers drop the same elements, each in its own part of the
memory: a call repeats itself so many places on.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from harness.significance import Test, binomial
from reference.arrays import BoolArray

__all__ = [
    "MOST_PARTS",
    "Displaced",
    "displacements",
    "in_memory",
    "most_striking",
    "pairs_along",
]

MOST_PARTS = 16
"""Threads that may fill a mask together."""

THREADS = min(MOST_PARTS, os.cpu_count() or MOST_PARTS)
"""As many as there can be here."""


LARGE = 300
"""Elements of a mask from which on displacements beyond its half leave pairs enough."""


@dataclass(frozen=True)
class Displaced:
    """How often a mask agrees with itself `distance` places later, in disjoint pairs."""

    same: int
    pairs: int
    distance: int
    order: str
    choices: int

    def test(self, alike: float) -> Test:
        return binomial(self.same, self.pairs, alike, self.choices)

    def excess(self, alike: float) -> float:
        """In standard deviations, and below 0 where it is less often than by chance."""
        spread = math.sqrt(max(self.pairs * alike * (1 - alike), 1.0))
        return (self.same - self.pairs * alike) / spread

    def deviation(self, alike: float) -> float:
        """Either way: which of several is the most striking."""
        return abs(self.excess(alike))

    def between_threads(self, size: int) -> bool:
        """Whether it is as far as from one thread's part of the memory to another's.

        Threads that draw the same numbers repeat what they drop so far apart, and no nearer. Their
        parts need not be equal (a half of MindSpore's two was seen to be 0.4 of a mask); but none
        is smaller than half an equal share.
        """
        return self.distance >= size / (2 * THREADS)

    def repeats(self, alike: float) -> bool:
        """More often than by chance, that is; by chance alone once in a billion calls."""
        # What is no five standard deviations away is far from that: the exact test is dear.
        return self.excess(alike) > 5 and self.test(alike).ratio > 1


def most_striking(mask: BoolArray, alike: float) -> Displaced:
    """The most striking displacement of a mask (T, B, K), in either order of its memory."""
    return max(displacements(mask, alike), key=lambda one: one.deviation(alike))


def displacements(mask: BoolArray, alike: float, *, more: bool = False) -> list[Displaced]:
    """The most striking one in each order of the memory; `more`: of those that fare alike more
    often than by chance.
    """
    orders = in_memory(mask)
    found = []
    for order, flat in orders.items():
        furthest = 3 * flat.size // 4 if flat.size >= LARGE else (flat.size + 1) // 2
        distances = np.arange(1, furthest + 1)
        spectrum = np.fft.rfft(np.where(flat, 1.0, -1.0), 2 * flat.size)
        agreeing = np.fft.irfft(np.abs(spectrum) ** 2)[distances]
        pairs = flat.size - distances
        excess = ((agreeing / pairs + 1) / 2 - alike) * np.sqrt(pairs)
        distance = int(distances[np.argmax(excess if more else np.abs(excess))])
        a, b = pairs_along(flat, 0, distance, 0)
        choices = len(orders) * len(distances)
        found.append(Displaced(int((a == b).sum()), b.size, distance, order, choices))
    return found


def in_memory(mask: BoolArray) -> dict[str, BoolArray]:
    """A mask (T, B, K) in either order of its memory."""
    return {"steps": mask.ravel(), "rows": mask.swapaxes(0, 1).ravel()}


def pairs_along(
    masks: BoolArray, axis: int, distance: int, start: int
) -> tuple[BoolArray, BoolArray]:
    """Elements and those `distance` behind them, each element in one pair at most."""
    places = np.arange(start, masks.shape[axis] - distance)
    first = places[(places - start) // distance % 2 == 0]
    return np.take(masks, first, axis), np.take(masks, first + distance, axis)
