"""The arithmetic that a cell is written over, and its reading in numbers.

A reading gives the operations a meaning:

    Exact       values, in float64 or in another type: the oracle
    Moved       values that err as far as correct ones may: end-to-end tolerance
    Rounded     the interval of all values that correct evaluations in a format may give
                (`reference.intervals`)
    Reverse     as Rounded, and recorded for backpropagation (`reference.reverse`)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from reference.activations import allowance, exact_activation
from reference.arrays import Array, Float64Array
from reference.formats import Format

__all__ = ["Arithmetic", "Block", "Exact", "Moved", "Parameters"]

V = TypeVar("V")


@dataclass(frozen=True, eq=False)
class Block:
    """The rows of one gate: `weight` (H, n) and `bias` (H,) or None.

    `kind` is "ih" or "hh", `gate` the number of the gate.
    """

    kind: str
    gate: int
    weight: Array
    bias: Array | None


@dataclass(frozen=True)
class Parameters:
    """The blocks of one direction of one layer, by kind and gate."""

    blocks: Mapping[tuple[str, str], Block]

    def __call__(self, kind: str, gate: str = "") -> Block:
        return self.blocks[kind, gate]


class Arithmetic(Protocol[V]):
    """What an equation may do with its values; arrays (..., H), or (..., inputs) for x."""

    def linear(self, block: Block, value: V) -> V:
        """W v + b."""

    def add(self, *terms: V) -> V:
        """The sum of all terms, in any order; sums among the terms are merged into it."""

    def multiply(self, one: V, other: V) -> V:
        """Elementwise."""

    def complement(self, value: V) -> V:
        """1 - value."""

    def blend(self, weight: V, one: V, other: V) -> V:
        """(1 - weight) one + weight other, in any of its equal forms."""

    def activation(self, name: str, value: V) -> V:
        """tanh, relu or sigmoid, elementwise."""


class Exact:
    """Values, as NumPy computes them in the type of its operands.

    Args:
        activation: takes (name, a) in place of the exact activation: what would a layer give
            with another one?
    """

    def __init__(self, activation: Callable[[str, Array], Array] = exact_activation) -> None:
        self._activation = activation

    def linear(self, block: Block, value: Array) -> Array:
        product: Array = value @ block.weight.T
        return product if block.bias is None else product + block.bias

    def add(self, *terms: Array) -> Array:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def multiply(self, one: Array, other: Array) -> Array:
        return one * other

    def complement(self, value: Array) -> Array:
        return value.dtype.type(1) - value

    def blend(self, weight: Array, one: Array, other: Array) -> Array:
        return self.complement(weight) * one + weight * other

    def activation(self, name: str, value: Array) -> Array:
        return self._activation(name, value)


class Moved(Exact):
    """Values in which every activation errs by what it may, with random signs.

    Sampled, not a bound: how far the results of a case move tells how well it is conditioned.

    Args:
        fmt: format of the implementation.
        bits: where the signs come from.
    """

    def __init__(self, fmt: Format, bits: np.random.PCG64) -> None:
        super().__init__()
        self.fmt, self.bits = fmt, bits

    def signs(self, shape: tuple[int, ...]) -> Float64Array:
        """-1 or 1, of equal chance."""
        raw: Any = self.bits.random_raw(math.prod(shape)) >> np.uint64(63)
        values: Float64Array = (raw * 2.0 - 1.0).reshape(shape)
        return values

    def moved(self, array: Array) -> Float64Array:
        """An input or parameter, moved by one ulp."""
        exact = array.astype(np.float64)
        with np.errstate(invalid="ignore"):
            return exact + self.signs(array.shape) * self.fmt.ulp(exact)

    def activation(self, name: str, value: Array) -> Array:
        exact = exact_activation(name, value.astype(np.float64))
        error = 0.5 * self.fmt.ulp(exact) if name == "relu" else allowance(name, exact, self.fmt)
        erring: Array = exact + self.signs(exact.shape) * error * (exact != 0)
        return erring
