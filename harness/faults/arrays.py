"""The arrays of a call by name, in its layout or time first, as is computed in this package.

Time first and batched: x (T, B, I), initial states `h_0` (L * D, B, H), lengths (B,), output
(T, B, D * H), final states `h_n` (L * D, B, H). Batch rows are axis 1 of all but lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from harness import axes
from harness.config import Config, LayerOptions
from harness.layers import LAYERS
from reference import Cell, parameter_name
from reference.arrays import Array

__all__ = [
    "Arrays",
    "Place",
    "TimeFirst",
    "clean",
    "final",
    "initial",
    "place",
    "resumed",
    "reversed_rows",
    "rounded",
    "scaled_and_back",
    "valid",
    "with_final",
    "with_initial",
    "without_lengths",
]

Arrays = dict[str, Any]
"""By name; of floating-point numbers but for `lengths`."""


def initial(given: Mapping[str, Any]) -> Arrays:
    """The initial states among the inputs of a call."""
    return {name: array for name, array in given.items() if name.endswith("_0")}


def final(found: Mapping[str, Any]) -> Arrays:
    """The final states among the outputs of a call."""
    return {name: array for name, array in found.items() if name.endswith("_n")}


def resumed(found: Arrays) -> Arrays:
    """Initial states for a call that goes on where one ended."""
    return {name.removesuffix("_n") + "_0": array for name, array in final(found).items()}


def with_initial(given: Arrays, change: Callable[[Array], Any]) -> Arrays:
    """All initial states changed."""
    return {**given, **{name: change(array) for name, array in initial(given).items()}}


def with_final(found: Arrays, change: Callable[[Array], Any]) -> Arrays:
    """All final states changed."""
    return {**found, **{name: change(array) for name, array in final(found).items()}}


def without_lengths(given: Mapping[str, Any]) -> Arrays:
    return {name: array for name, array in given.items() if name != "lengths"}


def valid(given: Arrays) -> Any:
    """(T, B, 1): which steps are not padding."""
    steps, rows = given["x"].shape[:2]
    lengths = given.get("lengths", np.full(rows, steps))
    return (np.arange(steps)[:, None] < lengths)[:, :, None]


def clean(given: Arrays) -> Arrays:
    """With zeros in the padding of x."""
    x = given["x"]
    return {**given, "x": np.where(valid(given), x, x.dtype.type(0))}


def reversed_rows(array: Array, lengths: Any) -> Array:
    """(T, B, F) with the valid steps of each row in reverse order."""
    if lengths is None:
        return array[::-1].copy()
    turned = array.copy()
    for row, length in enumerate(lengths):
        turned[:length, row] = array[:length, row][::-1]
    return turned


def rounded(array: Array, dtype: Any) -> Array:
    """Through a narrower format and back."""
    with np.errstate(over="ignore"):
        narrow: Array = array.astype(dtype).astype(array.dtype)
    return narrow


def scaled_and_back(x: Array, scale: Array) -> Array:
    """Within two roundings of x, where nothing underflows."""
    with np.errstate(all="ignore"):
        there = x / scale.astype(x.dtype)
        small = np.abs(there) < np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps
        back: Array = np.where(small, x, there * scale.astype(x.dtype))
    return back


class Place(NamedTuple):
    """Which parameter an array is, of which layer and direction."""

    parameter: str
    layer: int
    reverse: bool

    @property
    def name(self) -> str:
        return parameter_name(*self)


def place(name: str) -> Place:
    """Of an array by its name: `Place("weight_ih", 1, True)` of weight_ih_l1_reverse."""
    parameter, _, rest = name.rpartition("_l")
    number, _, side = rest.partition("_")
    return Place(parameter, int(number), side == "reverse")


class TimeFirst:
    """A layer that is called in the layout of its options, and computes time first."""

    flat = False
    """Whether the call in progress is unbatched."""

    def __init__(self, options: LayerOptions) -> None:
        self.options = options

    @property
    def cell(self) -> Cell:
        return LAYERS[self.options.layer].cell(self.options)

    @property
    def layout(self) -> Config:
        """A config whose layout is that of the call in progress; its other sizes mean nothing."""
        batched = "batchfirst" if self.options.batch_first else "timefirst"
        o = self.options
        kind = "unbatched" if self.flat else batched
        return Config.of(o.layer, layout=kind, hidden_size=o.hidden_size, **o.specific)

    @property
    def states(self) -> tuple[str, ...]:
        """Of any layer of this kind, whatever its options."""
        return self.layout.cell.states

    def entering(self, inputs: Mapping[str, Any]) -> Arrays:
        """The inputs of a call, time first."""
        self.flat = inputs["x"].ndim < (2 if LAYERS[self.options.layer].single_step else 3)
        return self.time_first(inputs)

    def time_first(self, arrays: Mapping[str, Any]) -> Arrays:
        """Fresh copies."""
        layout = self.layout
        return {n: axes.from_layout(layout, n, a).copy() for n, a in arrays.items()}

    def in_layout(self, arrays: Mapping[str, Any]) -> Arrays:
        """Fresh copies, as the call in progress takes or returns them."""
        layout = self.layout
        return {n: axes.to_layout(layout, n, a) for n, a in arrays.items()}
