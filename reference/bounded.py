"""Values with a running bound on their rounding errors: the arithmetic of the backward pass.

Rounding in any order of evaluation moves a sum of products by at most gamma_(n+1) times the sum
of the terms' magnitudes (Higham, section 3.1; n terms, one rounding more for stored operands), and
errors of the operands enter with their factors: a running error analysis (Higham, section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.arrays import BoolArray, Float64Array
from reference.formats import FORMATS, Format, gamma

__all__ = ["Bounded", "BoundedArithmetic", "concatenated", "where"]


@dataclass(frozen=True)
class Bounded:
    """A value and how far correct rounding may carry a computed one from it; float64."""

    value: Float64Array
    bound: Float64Array

    def __add__(self, other: Bounded) -> Bounded:
        return Bounded(self.value + other.value, self.bound + other.bound)

    def __neg__(self) -> Bounded:
        return Bounded(-self.value, self.bound)

    def __abs__(self) -> Bounded:
        return Bounded(np.abs(self.value), self.bound)

    def __getitem__(self, key: Any) -> Bounded:
        return Bounded(self.value[key], self.bound[key])

    @property
    def magnitude(self) -> Float64Array:
        """The largest magnitude that a computed value may have."""
        magnitude: Float64Array = np.abs(self.value) + self.bound
        return magnitude

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Bounded:
        return cls(np.zeros(shape), np.zeros(shape))

    @classmethod
    def exact(cls, value: Float64Array) -> Bounded:
        return cls(value, np.zeros(value.shape))


def where(condition: BoolArray, one: Bounded, other: Bounded) -> Bounded:
    """Elementwise choice."""
    return Bounded(
        np.where(condition, one.value, other.value), np.where(condition, one.bound, other.bound)
    )


def concatenated(parts: list[Bounded], axis: int = -1) -> Bounded:
    """Along the last axis, or another."""
    return Bounded(
        np.concatenate([part.value for part in parts], axis=axis),
        np.concatenate([part.bound for part in parts], axis=axis),
    )


class BoundedArithmetic:
    """Sums and products with the bound on their rounding in a format, and in float64 here.

    Args:
        flushed: let bounds allow for subnormal operands and results taken as 0.
    """

    def __init__(self, fmt: Format, flushed: bool = False) -> None:
        oracle = FORMATS["fp64"]
        self.flushed = fmt.smallest_normal if flushed else 0.0
        self.units = (fmt.unit_roundoff, oracle.unit_roundoff)
        self.largest = fmt.largest
        self.eta = fmt.smallest_subnormal + oracle.smallest_subnormal

    def relative(self, roundings: int) -> float:
        return sum(gamma(roundings, unit) for unit in self.units)

    def reached(self, value: Float64Array, bound: Float64Array, terms: Float64Array) -> Bounded:
        """No bound where magnitudes of terms add up to overflow: partial sums may, too.

        Half the largest number is the limit, since two such sums may be added as one. What
        depends on such an element has an infinite bound, or none at all (NaN, from 0 times it).
        """
        return Bounded(value, np.where(2 * terms < self.largest, bound, np.inf))

    def plus(self, a: Bounded, b: Bounded, terms: int) -> Bounded:
        """One sum of that many terms; the bound of an operand that is a sum counts its own.

        An operand without a bound is exact, and one term, which may come first.
        """
        exact = np.abs(np.where(a.bound == 0, a.value, 0.0))
        exact = exact + np.abs(np.where(b.bound == 0, b.value, 0.0))
        bound = a.bound + b.bound + self.relative(terms) * exact + 3 * self.flushed
        return self.reached(a.value + b.value, bound, a.magnitude + b.magnitude)

    def term(self, a: Bounded, others: int) -> Bounded:
        """A term of a sum that has `others` besides: it passes through as many additions."""
        return Bounded(a.value, a.bound + self.relative(others) * a.magnitude) if others else a

    def product(self, a: Bounded, b: Bounded, others: int = 0) -> Bounded:
        """Elementwise, in a sum that has `others` terms besides."""
        bound = np.abs(a.value) * b.bound + a.bound * b.magnitude
        bound = bound + self.relative(1 + others) * a.magnitude * b.magnitude + self.eta
        bound = bound + self.flushed * (1 + a.magnitude + b.magnitude)
        return self.reached(a.value * b.value, bound, a.magnitude * b.magnitude)

    def times(self, a: Bounded, matrix: Float64Array, others: int) -> Bounded:
        """a (..., n) times an exact matrix (n, m), in a sum that has `others` terms besides."""
        terms, absolute = len(matrix) + others, np.abs(matrix)
        magnitude = a.magnitude @ absolute
        rounded = self.relative(terms + 1) * magnitude + terms * self.eta
        if self.flushed:
            operands = a.magnitude.sum(axis=-1, keepdims=True) + absolute.sum(axis=0)
            rounded = rounded + self.flushed * (2 * terms + operands)
        return self.reached(a.value @ matrix, a.bound @ absolute + rounded, magnitude)

    def outer(self, a: Bounded, b: Bounded) -> Bounded:
        """Sum over steps and rows of a_i b_j: (n, m)."""
        terms = a.value.shape[0] * a.value.shape[1]
        absolute = b.magnitude
        magnitude = _over(a.magnitude, absolute)
        rounded = self.relative(terms + 2) * magnitude + terms * self.eta
        # A state that is kept in a higher precision is stored to within half of eta.
        rounded = rounded + self.eta / 2 * a.magnitude.sum(axis=(0, 1))[:, None]
        if self.flushed:
            operands = a.magnitude.sum(axis=(0, 1))[:, None] + absolute.sum(axis=(0, 1))
            rounded = rounded + self.flushed * (2 * terms + operands)
        bound = _over(a.bound, absolute) + _over(np.abs(a.value), b.bound) + rounded
        return self.reached(_over(a.value, b.value), bound, magnitude)

    def total(self, a: Bounded) -> Bounded:
        """Sum over steps and rows."""
        terms = a.value.shape[0] * a.value.shape[1]
        magnitude = a.magnitude.sum(axis=(0, 1))
        rounded = self.relative(terms) * magnitude + 2 * terms * self.flushed
        bound = a.bound.sum(axis=(0, 1)) + rounded
        return self.reached(a.value.sum(axis=(0, 1)), bound, magnitude)


def _over(a: Float64Array, b: Float64Array) -> Float64Array:
    """sum_tb a_tbi b_tbj."""
    product: Float64Array = a.reshape(-1, a.shape[2]).T @ b.reshape(-1, b.shape[2])
    return product
