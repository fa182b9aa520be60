"""The reading that knows values to the bit: integers, and gates that are 0 or 1.

A sum of integers of which all partial sums are below 2^p is exact in a precision of p bits,
whatever the order, fused or not; so is a product of two such. A sigmoid far from 0 is 0 or 1, a
tanh -1 or 1, to the bit unless it errs there, where exp of the argument's size is nothing beside 1
and below the smallest number; and 0 times anything finite is 0.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from reference.activations import exact_activation
from reference.arithmetic import Block
from reference.arrays import Array, BoolArray, Float64Array
from reference.formats import Format

__all__ = ["Known", "Selected", "saturation"]


@dataclass(frozen=True, eq=False)
class Known:
    """Values, where they are known to the bit, and the sum of the magnitudes of their terms."""

    value: Float64Array
    exact: BoolArray
    magnitude: Float64Array

    @property
    def whole(self) -> BoolArray:
        """Where it is known, and an integer."""
        found: BoolArray = self.exact & (self.value == np.rint(self.value))
        return found


def saturation(fmt: Format) -> float:
    """From which size of a on exp(-|a|) is below a quarter of the smallest number: rounded, it is
    0.
    """
    return math.log(4.0) - math.log(fmt.smallest_subnormal)


class Selected:
    """Values with that knowledge; a value that is not known to the bit is a near one.

    Args:
        saturating: activations that give -1, 0 or 1 to the bit where they should. One that may err
            by some ulp need not.
    """

    def __init__(self, fmt: Format, saturating: Collection[str] = ("sigmoid", "tanh")) -> None:
        self.limit = 2.0**fmt.precision
        self.saturating = saturating
        self.far = saturation(fmt)
        self.near = 2.0 ** (4 - fmt.precision)

    def given(self, array: Array) -> Known:
        """Numbers as the format has them."""
        value = array.astype(np.float64)
        return Known(value, np.isfinite(value), np.abs(value))

    def linear(self, block: Block, value: Known) -> Known:
        whole = value.whole.all(axis=-1, keepdims=True)
        rows = (block.weight == np.rint(block.weight)).all(axis=1)
        found, magnitude = (
            value.value @ block.weight.T,
            np.abs(value.value) @ np.abs(block.weight).T,
        )
        if block.bias is not None:
            found, magnitude = found + block.bias, magnitude + np.abs(block.bias)
            rows = rows & (block.bias == np.rint(block.bias))
        return Known(found, whole & rows & (magnitude < self.limit), magnitude)

    def add(self, *terms: Known) -> Known:
        value, magnitude = terms[0].value, terms[0].magnitude
        whole = terms[0].whole
        for term in terms[1:]:
            value, magnitude = value + term.value, magnitude + term.magnitude
            whole = whole & term.whole
        return Known(value, whole & (magnitude < self.limit), magnitude)

    def multiply(self, one: Known, other: Known) -> Known:
        value = one.value * other.value
        size = np.abs(value)
        none = (one.exact & (one.value == 0)) | (other.exact & (other.value == 0))
        both = one.whole & other.whole & (size < self.limit)
        return Known(value, (none & np.isfinite(value)) | both, size)

    def complement(self, value: Known) -> Known:
        return self.add(self.given(np.ones_like(value.value)), self.negative(value))

    @staticmethod
    def negative(value: Known) -> Known:
        return Known(-value.value, value.exact, value.magnitude)

    def blend(self, weight: Known, one: Known, other: Known) -> Known:
        """(1 - 0) n + 0 h and n + 0 (h - n) are n; n + 1 (h - n) is h where both are whole."""
        sum_ = self.add(self.multiply(self.complement(weight), one), self.multiply(weight, other))
        both = one.whole & other.whole
        shut = weight.exact & (weight.value == 0) & one.exact & np.isfinite(other.value)
        return Known(sum_.value, (sum_.exact & both) | shut, sum_.magnitude)

    def activation(self, name: str, value: Known) -> Known:
        found = exact_activation(name, value.value)
        if name == "relu":
            return Known(found, value.exact, value.magnitude)
        far = np.abs(value.value) - self.near * value.magnitude >= self.far
        far &= name in self.saturating
        none = value.exact & (value.value == 0)
        rounded = np.rint(found)
        exact = far | (none & (rounded == found))
        found = np.where(far, rounded, found)
        return Known(found, exact, np.abs(found))
