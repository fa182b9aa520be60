"""The rounded reading: the interval that every correct evaluation of an equation lies in.

Each operation takes intervals to an interval that holds whatever a computation in the working
precision may give for it, in any order of summation, with fused multiply-adds or without, and
with operands kept in a higher precision than they are stored in. A value outside cannot come from
the equation by rounding.

Sources: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., SIAM 2002
(section 2.1 for the model with underflow, 3.1 for gamma_n and inner products); R. E. Moore,
*Interval Analysis*, Prentice-Hall 1966 (products of intervals).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference.activations import allowance, exact_activation, oracle_error
from reference.arithmetic import Block
from reference.arrays import Array, BoolArray, Float64Array
from reference.formats import FORMATS, Format, gamma

__all__ = ["Argument", "ErrorRange", "Interval", "Rounded", "Sum", "sum_error"]

ErrorRange = Callable[[str, Float64Array, Float64Array], tuple[Float64Array, Float64Array]]
"""(activation, low, high) -> its smallest and largest error for arguments in [low, high]."""

ORACLE = FORMATS["fp64"]


def sum_error(
    magnitude: npt.ArrayLike,
    terms: int,
    fmt: Format,
    *,
    stored: npt.ArrayLike = 0.0,
    products: bool = True,
) -> Float64Array:
    """Bound E on the error of a sum of so many terms, made in any order in precision `fmt`.

    Derivation. A pre-activation a = W_ih x + b_ih + W_hh h + b_hh is a sum of n terms, products
    counted as one. Whatever the order of evaluation (left to right, pairwise, blocked, the biases
    first, last or added to each other, with fused multiply-adds or without), each term passes
    through at most one rounding of its product and n - 1 roundings of additions. An
    implementation may also keep a state in a higher precision than it stores it in, as fused
    kernels do; the x and h that are seen are then off by one more rounding. Hence (Higham,
    section 3.1)

        |computed - a| <= gamma_(n+1) m,   m = |W_ih||x| + |b_ih| + |W_hh||h| + |b_hh|.

    Sums never underflow with an error (a subnormal sum is exact; Higham, section 2.1 and problem
    2.19); a product may, by half the smallest subnormal eta, and so may a stored state, which its
    weight w then multiplies: (n + sum |w|) eta / 2 is added. Terms that are no products of stored
    numbers have had both roundings before: gamma_(n-1) is left. The float64 evaluation of a and
    m here has the same bound with its own u, and that is added too, so that the bound also holds
    for fp64.

    Args:
        magnitude: m, any shape, float64, not negative.
        terms: n.
        fmt: working precision of the implementation under test.
        stored: sum of |w| over the terms whose x or h is a state of the implementation;
            broadcasts against m.
        products: whether some terms are products of stored numbers.

    Returns:
        E, of the shape of m. Infinite where the number of roundings times u is 1 or more.
    """
    roundings = terms + 1 if products else terms - 1
    relative = gamma(roundings, fmt.unit_roundoff)
    relative += gamma(terms if products else terms - 1, ORACLE.unit_roundoff)
    half = 0.5 * (fmt.smallest_subnormal + ORACLE.smallest_subnormal)
    with np.errstate(invalid="ignore"):
        underflow = (terms + np.asarray(stored, np.float64)) * half
        return np.asarray(magnitude, np.float64) * relative + underflow


@dataclass(frozen=True, eq=False)
class Interval:
    """[low, high] around `expected`, the exact value; float64, arrays of one shape.

    `bounded` says where a bound exists: nothing on the way may have overflowed. `stored` says
    that these are numbers as the implementation stores them, states of its own.
    """

    low: Float64Array
    expected: Float64Array
    high: Float64Array
    bounded: BoolArray | bool = True
    stored: bool = False

    def ratio(self, actual: Float64Array) -> Float64Array:
        """|actual - expected| over the bound on that side; 0 for equal values, inf for NaN."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            error = actual - self.expected
            bound = np.where(error > 0, self.high - self.expected, self.expected - self.low)
            ratio = np.where(actual == self.expected, 0.0, np.abs(error) / bound)
        return np.where(np.isnan(ratio), np.inf, ratio)

    @functools.cached_property
    def largest(self) -> Float64Array:
        """The largest magnitude in it."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def exact(self) -> bool:
        """Whether it is a single number everywhere."""
        return self.low is self.expected and self.high is self.expected

    @property
    def half_width(self) -> Float64Array:
        """The larger of its two sides."""
        return np.maximum(self.high - self.expected, self.expected - self.low)


@dataclass(frozen=True, eq=False)
class Sum:
    """A sum that is still open: its terms may be added in any order with those of others.

    `expected` is exact; `below` and `above` say how far inexact terms may carry it; `magnitude`
    is the sum of the magnitudes of all terms, `terms` their number, `stored` as `sum_error` takes
    it, `factors` the sum of the magnitudes of all factors (for what flushing may do).
    """

    expected: Float64Array
    below: Float64Array | float
    above: Float64Array | float
    magnitude: Float64Array
    terms: int
    stored: Float64Array | float
    factors: Float64Array | float
    products: bool
    bounded: BoolArray | bool


@dataclass(frozen=True, eq=False)
class Argument:
    """What an activation was applied to: its name, the interval, and the terms of the sum.

    `error` is the bound on the sum alone.
    """

    activation: str
    interval: Interval
    magnitude: Float64Array
    error: Float64Array


Value = Interval | Sum


class Rounded:
    """Intervals of everything that correct evaluations in a format may give.

    Args:
        fmt: working precision.
        activation_error: forgives an implementation the errors of its own activations, as they
            were measured, beyond what each may err.
        flushed: also allow that any operand or result below the smallest normal number v counts
            as zero. A flushed result errs by v at most, a flushed factor by v times the other
            factor.
        cast: the format is a lower one than numbers are stored in, so every operand is rounded to
            it before, or cut off, which errs twice as much: four more roundings of every product,
            a subnormal times the other factor, and as much for every result.

    Attributes:
        arguments: what activations were applied to, in the order of the equation.
    """

    def __init__(
        self,
        fmt: Format,
        *,
        activation_error: ErrorRange | None = None,
        flushed: bool = False,
        cast: bool = False,
    ) -> None:
        self.fmt, self.activation_error, self.cast = fmt, activation_error, cast
        self.flush = fmt.smallest_normal if flushed else 0.0
        self.unit = fmt.unit_roundoff + ORACLE.unit_roundoff
        self.half_eta = 0.5 * (fmt.smallest_subnormal + ORACLE.smallest_subnormal)
        self.arguments: list[Argument] = []

    def given(self, array: Array, *, stored: bool = False) -> Interval:
        """Numbers that are known exactly: inputs, parameters, or (`stored`) seen states."""
        exact = array.astype(np.float64)
        return Interval(exact, exact, exact, stored=stored or self.cast)

    def linear(self, block: Block, value: Value) -> Sum:
        v = self.close(value)
        absolute = np.abs(block.weight)
        expected = v.expected @ block.weight.T
        magnitude = v.largest @ absolute.T
        below: Float64Array | float = 0.0
        above: Float64Array | float = 0.0
        if not v.exact:
            down, up = v.expected - v.low, v.high - v.expected
            positive, negative = np.maximum(block.weight, 0.0).T, np.maximum(-block.weight, 0.0).T
            below = down @ positive + up @ negative
            above = up @ positive + down @ negative
        rows = absolute.sum(axis=1)
        factors: Float64Array | float = 0.0
        if self.flush or self.cast:
            factors = v.largest.sum(axis=-1, keepdims=True) + rows
        # A product with a weight of 0 is 0, and adding it rounds nothing.
        terms = int(np.count_nonzero(block.weight, axis=1).max(initial=0))
        if block.bias is not None:
            expected, magnitude = expected + block.bias, magnitude + np.abs(block.bias)
            terms += bool(block.bias.any())
        stored = rows if v.stored or not v.exact else 0.0
        return Sum(expected, below, above, magnitude, terms, stored, factors, True, _rows(v))

    def add(self, *terms: Value) -> Sum:
        opened = [self._opened(term) for term in terms]
        first, *others = opened
        for one in others:
            first = Sum(
                first.expected + one.expected,
                first.below + one.below,
                first.above + one.above,
                first.magnitude + one.magnitude,
                first.terms + one.terms,
                first.stored + one.stored,
                first.factors + one.factors,
                first.products or one.products,
                first.bounded & one.bounded,
            )
        return first

    def multiply(self, one: Value, other: Value) -> Interval:
        return self._product(self.operand(one), self.operand(other))

    def complement(self, value: Value) -> Interval:
        v = self.operand(value)
        low, high = 1.0 - v.high, 1.0 - v.low
        widening = self.unit * np.maximum(np.abs(low), np.abs(high)) + 2 * self.flush
        return Interval(low - widening, 1.0 - v.expected, high + widening, v.bounded)

    def blend(self, weight: Value, one: Value, other: Value) -> Interval:
        """Bilinear in weight and each operand, so its extremes are at the corners.

        Its forms are (1 - z) n + z h, n - z n + z h, and n + z (h - n). In each, n, z n and z h
        pass through at most three roundings, so gamma_3 (|n| + |z| (|n| + |h|)) bounds them all.
        """
        z, n, h = self.operand(weight), self.operand(one), self.operand(other)
        corners = [
            (1.0 - w) * p + w * q
            for w in (z.low, z.high)
            for p in (n.low, n.high)
            for q in (h.low, h.high)
        ]
        magnitude = n.largest + z.largest * (n.largest + h.largest)
        relative = gamma(3, self.fmt.unit_roundoff) + gamma(3, ORACLE.unit_roundoff)
        widening = relative * magnitude + 2 * self.half_eta
        widening = widening + self.flush * (4 + n.largest + 2 * z.largest + h.largest)
        expected = (1.0 - z.expected) * n.expected + z.expected * h.expected
        bounded = z.bounded & n.bounded & h.bounded & (magnitude < self.fmt.largest / 2)
        return _hull(corners, expected, widening, bounded)

    def activation(self, name: str, value: Value) -> Interval:
        """[act(a.low), act(a.high)], widened at both ends by what the activation itself may err.

        The interval goes through the activation (all are monotone): an error added after it
        would be blind wherever tanh saturates. The widening is the largest that any value in the
        interval may err, and that of float64's own activation.
        """
        a = self._argument(name, value)
        low, high = exact_activation(name, a.low), exact_activation(name, a.high)
        expected = exact_activation(name, a.expected)
        largest = np.maximum(np.abs(low), np.abs(high))
        widening = allowance(name, largest, self.fmt) + oracle_error(name, largest) + self.flush
        if self.cast:
            widening = widening + 2 * (self.unit * largest + self.half_eta)
        low, high = low - widening, high + widening
        if self.activation_error is not None:
            smallest, most = self.activation_error(name, a.low, a.high)
            low, high = low + smallest, high + most
        return Interval(low, expected, high, a.bounded)

    def close(self, value: Value) -> Interval:
        """A value as an interval; an open sum with the error that adding it up may make."""
        if isinstance(value, Interval):
            return value
        error = self.error(value)
        low, high = value.expected - value.below - error, value.expected + value.above + error
        bounded = value.bounded & (value.magnitude + error < self.fmt.largest)
        return Interval(low, value.expected, high, bounded & np.isfinite(value.expected))

    def operand(self, value: Value) -> Interval:
        """A value as a factor or a term of its own.

        A state may be kept in a higher precision than it is stored in, so the one that is seen is
        one rounding off, and half a subnormal. (`sum_error` counts that for matrix products.)
        """
        v = self.close(value)
        if not v.stored:
            return v
        off = (1 + self.cast) * (self.unit * v.largest + self.half_eta)
        return Interval(v.low - off, v.expected, v.high + off, v.bounded)

    def error(self, value: Sum) -> Float64Array:
        """The bound on the error of adding up the terms of a sum."""
        terms = value.terms + 4 * self.cast
        error = sum_error(
            value.magnitude, terms, self.fmt, stored=value.stored, products=value.products
        )
        if self.cast:
            error = error + 2 * self.half_eta * value.factors
        return error + self.flush * (2 * value.terms + value.factors) if self.flush else error

    def _argument(self, name: str, value: Value) -> Interval:
        interval = self.operand(value)
        if isinstance(value, Sum):
            magnitude, error = value.magnitude, self.error(value)
        else:
            magnitude, error = interval.largest, np.zeros(np.shape(interval.expected))
        self.arguments.append(Argument(name, interval, magnitude, error))
        return interval

    def _opened(self, value: Value) -> Sum:
        """A value as a term of a sum; it has had its own roundings."""
        if isinstance(value, Sum):
            return value
        v = self.operand(value)
        below, above = v.expected - v.low, v.high - v.expected
        return Sum(v.expected, below, above, v.largest, 1, 0.0, 0.0, False, v.bounded)

    def _product(self, a: Interval, b: Interval) -> Interval:
        corners = [p * q for p in (a.low, a.high) for q in (b.low, b.high)]
        magnitude = a.largest * b.largest
        widening = self.unit * magnitude + self.half_eta
        widening = widening + self.flush * (1 + a.largest + b.largest)
        bounded = a.bounded & b.bounded & (magnitude < self.fmt.largest / 2)
        return _hull(corners, a.expected * b.expected, widening, bounded)


def _hull(
    corners: Sequence[Float64Array],
    expected: Float64Array,
    widening: Float64Array,
    bounded: BoolArray | bool,
) -> Interval:
    low = functools.reduce(np.minimum, corners, expected)
    high = functools.reduce(np.maximum, corners, expected)
    return Interval(low - widening, expected, high + widening, bounded)


def _rows(value: Interval) -> BoolArray | bool:
    """Where all elements that a row of a matrix product takes are bounded."""
    if isinstance(value.bounded, bool):
        return value.bounded
    found: BoolArray = np.asarray(value.bounded).all(axis=-1, keepdims=True)
    return found
