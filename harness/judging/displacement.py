"""A call and itself, displaced by any number of places in the order of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reference.arrays import BoolArray

__all__ = ["Displaced", "apart", "most_striking_displacement"]

LARGE = 300
"""Elements of a call from which on displacements beyond its half leave pairs enough."""


@dataclass(frozen=True)
class Displaced:
    """How often a call agrees with itself `distance` places later, in disjoint pairs."""

    same: int
    pairs: int
    distance: int
    order: str
    choices: int


def most_striking_displacement(
    call: BoolArray, alike: float, wanted: Sequence[str] = ("steps", "rows")
) -> Displaced:
    """Of a call (T, B, K), in either order of its memory."""
    orders = {"steps": call.ravel(), "rows": call.swapaxes(0, 1).ravel()}
    orders = {order: orders[order] for order in wanted}
    size = call.size
    distances = np.arange(1, (3 * size // 4 if size >= LARGE else (size + 1) // 2) + 1)
    excess = {}
    for order, flat in orders.items():
        spectrum = np.fft.rfft(np.where(flat, 1.0, -1.0), 2 * size)
        agreement = np.fft.irfft(np.abs(spectrum) ** 2)[distances] / (size - distances)
        excess[order] = np.abs((agreement + 1) / 2 - alike) * np.sqrt(size - distances)
    order = max(orders, key=lambda one: float(excess[one].max()))
    distance = int(distances[excess[order].argmax()])
    one, other = apart(orders[order], 0, distance, 0)
    same = int((one == other).sum())
    return Displaced(same, one.size, distance, order, len(orders) * len(distances))


def apart(kept: BoolArray, axis: int, distance: int, start: int) -> tuple[BoolArray, BoolArray]:
    """Elements and those `distance` after them, each element in one pair at most."""
    places = np.arange(start, kept.shape[axis] - distance)
    first = places[(places - start) // distance % 2 == 0]
    return np.take(kept, first, axis), np.take(kept, first + distance, axis)
