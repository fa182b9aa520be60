"""Ranges in balls: what correct rounding in a format may make of an equation.

The rules are those that `reference.intervals` derives for itself, evaluated in balls, so that no
float64 rounds them; they are written apart from it. With n terms of magnitudes that add up to m,
u the unit roundoff and eta the smallest subnormal:

                      an implementation                     the oracle, in float64
    sum of products   gamma_(n+1) m + (n + sum |w|) eta/2   gamma_n m + n eta / 2
    sum of others     gamma_(n-1) m                         the same
    product           u |p| + eta / 2                       the same
    blend             gamma_3 (|n| + |z| (|n| + |h|)) + eta the same
    state as factor   u |h| + eta / 2, where it was stored  none: it is what was given out
    tanh              5 ulp                                 4 ulp
    sigmoid           u (s (6 (1 - s) + 6) + 3)             u s (8 (1 - s) + 2)

The sum of |w| is over states. The oracle's sigmoid is e / (1 + e) or 1 / (1 + e), e = exp(-|a|):
4 ulp of e are at most 8 u relative to it, of which s takes the share 1 - s; the addition and the
division round once each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from reference import TANH_ULPS, Format, gamma
from reference.activations import ORACLE_ULPS
from reference.arrays import Array
from tests.campaigns.ball_arithmetic import (
    ZERO,
    Balls,
    Rows,
    Vector,
    entries,
    exact_balls,
)

NOT_FINITE, OVERFLOW = "operands not finite", "sums may overflow"


@dataclass(frozen=True, eq=False)
class Range:
    """[low, high] around the exact value; `open` says why nothing is claimed, or is empty."""

    low: Vector
    exact: Vector
    high: Vector
    open: list[str]
    stored: bool = False

    @property
    def largest(self) -> Vector:
        return [abs(a).max(abs(b)) for a, b in zip(self.low, self.high, strict=True)]

    @property
    def known(self) -> bool:
        """Whether it is numbers."""
        return self.low is self.exact


@dataclass(frozen=True, eq=False)
class Sum:
    """A sum that is still open for more terms; `weights` sums the magnitudes of those of states."""

    exact: Vector
    below: Vector
    above: Vector
    magnitude: Vector
    weights: Vector
    open: list[str]
    terms: int
    products: bool


class Ranges:
    """The reading of all correct evaluations in a format, or of the oracle's."""

    def __init__(self, fmt: Format, *, oracle: bool = False) -> None:
        self.fmt, self.oracle, self.balls = fmt, oracle, Balls()
        self.u, self.eta = arb(fmt.unit_roundoff), arb(fmt.smallest_subnormal)

    def leaf(self, name: str, place: tuple[int, int], numbers: Array) -> Range:
        exact = exact_balls(numbers)
        return Range(exact, exact, exact, [""] * len(exact))

    def seen(self, value: Range | Sum, numbers: Array) -> Range:
        """A state in place of what it was found to be: the number that was given out."""
        exact = exact_balls(numbers)
        return Range(exact, exact, exact, [""] * len(exact), stored=True)

    def join(self, parts: Sequence[Range]) -> Range:
        """Parts that were all seen."""
        exact = self.balls.join([part.exact for part in parts])
        reasons = [reason for part in parts for reason in part.open]
        return Range(exact, exact, exact, reasons, stored=True)

    def linear(self, rows: Rows, value: Range | Sum) -> Sum:
        v = self.close(value)
        none = [ZERO] * len(rows.weight)
        below = above = none
        if not v.known:
            down, up = _differences(v)
            signs = (rows.absolute + rows.matrix) / 2, (rows.absolute - rows.matrix) / 2
            below = entries(signs[0] * down + signs[1] * up)
            above = entries(signs[0] * up + signs[1] * down)
        largest = v.largest
        m = rows.absolute * arb_mat(len(largest), 1, largest)
        m += arb_mat(len(none), 1, [abs(b) for b in entries(rows.offset)])
        states = (v.stored or not v.known) and not self.oracle
        sums = rows.absolute * arb_mat(len(largest), 1, [arb(1)] * len(largest))
        # A product with 0 is 0, and adding it rounds nothing.
        terms = int(np.count_nonzero(rows.weight, axis=1).max(initial=0))
        terms += rows.bias is not None and bool(rows.bias.any())
        reason = next((r for r in v.open if r), "")
        return Sum(
            self.balls.linear(rows, v.exact), below, above, entries(m),
            entries(sums) if states else none, [reason] * len(none), terms, True,
        )  # fmt: skip

    def add(self, *values: Range | Sum) -> Sum:
        terms = [self._opened(value) for value in values]
        add = self.balls.add
        return Sum(
            add(*(term.exact for term in terms)),
            add(*(term.below for term in terms)),
            add(*(term.above for term in terms)),
            add(*(term.magnitude for term in terms)),
            add(*(term.weights for term in terms)),
            _reasons(*(term.open for term in terms)),
            sum(term.terms for term in terms),
            any(term.products for term in terms),
        )

    def multiply(self, one: Range | Sum, other: Range | Sum) -> Range:
        a, b = self.operand(one), self.operand(other)
        corners = [self.balls.multiply(p, q) for p in (a.low, a.high) for q in (b.low, b.high)]
        magnitude = self.balls.multiply(a.largest, b.largest)
        error = [self.u * m + self.eta / 2 for m in magnitude]
        return self._hull(self.balls.multiply(a.exact, b.exact), corners, magnitude, error, a, b)

    def blend(self, weight: Range | Sum, one: Range | Sum, other: Range | Sum) -> Range:
        """Linear in each operand, so its extremes are at the corners."""
        z, n, h = self.operand(weight), self.operand(one), self.operand(other)
        corners = [
            self.balls.blend(w, p, q)
            for w in (z.low, z.high)
            for p in (n.low, n.high)
            for q in (h.low, h.high)
        ]
        magnitude = [
            b + a * (b + c) for a, b, c in zip(z.largest, n.largest, h.largest, strict=True)
        ]
        error = [gamma(3, self.fmt.unit_roundoff) * m + self.eta for m in magnitude]
        exact = self.balls.blend(z.exact, n.exact, h.exact)
        return self._hull(exact, corners, magnitude, error, z, n, h)

    def activation(self, name: str, value: Range | Sum) -> Range:
        """Monotone: its ends are those of the argument, and what it errs itself beyond them."""
        a = self.operand(value)
        low, exact, high = (self.balls.activation(name, v) for v in (a.low, a.exact, a.high))
        error = [
            self._allowed(name, p, q) if p.is_finite() and q.is_finite() else ZERO
            for p, q in zip(low, high, strict=True)
        ]
        return Range(
            [v - e for v, e in zip(low, error, strict=True)],
            exact,
            [v + e for v, e in zip(high, error, strict=True)],
            a.open,
        )

    def _allowed(self, name: str, low: arb, high: arb) -> arb:
        if name == "relu":
            return ZERO
        if name == "sigmoid":
            if self.oracle:
                return self.u * high * (8 * (1 - low) + 2) * arb(1.0001) + 5 * self.eta
            return self.u * (high * (6 * (1 - high) + 6) + 3)
        largest = float(abs(low).max(abs(high)).upper())
        ulp = self.fmt.ulp(min(largest, 1 - self.fmt.unit_roundoff))
        return arb((ORACLE_ULPS if self.oracle else TANH_ULPS) * float(ulp))

    def close(self, value: Range | Sum) -> Range:
        """A sum with what adding it up may err."""
        if isinstance(value, Range):
            return value
        error, n = self._error(value), self.fmt.largest
        low = [v - b - e for v, b, e in zip(value.exact, value.below, error, strict=True)]
        high = [v + b + e for v, b, e in zip(value.exact, value.above, error, strict=True)]
        sizes = [m + e for m, e in zip(value.magnitude, error, strict=True)]
        return Range(low, value.exact, high, _reasons(value.open, _sized(sizes, n)))

    def _error(self, value: Sum) -> Vector:
        if not value.products:
            relative = gamma(value.terms - 1, self.fmt.unit_roundoff)
            return [(relative * m).upper() for m in value.magnitude]
        relative = gamma(value.terms + (not self.oracle), self.fmt.unit_roundoff)
        return [
            (relative * m + (value.terms + w) * self.eta / 2).upper()
            for m, w in zip(value.magnitude, value.weights, strict=True)
        ]

    def operand(self, value: Range | Sum) -> Range:
        """A factor: a state may be kept in a higher precision than it is stored in."""
        v = self.close(value)
        if not v.stored or self.oracle:
            return v
        off = [self.u * m + self.eta / 2 for m in v.largest]
        low = [a - e for a, e in zip(v.low, off, strict=True)]
        return Range(low, v.exact, [a + e for a, e in zip(v.high, off, strict=True)], v.open)

    def _opened(self, value: Range | Sum) -> Sum:
        if isinstance(value, Sum):
            return value
        v = self.operand(value)
        down, up = (entries(m) for m in _differences(v))
        return Sum(v.exact, down, up, v.largest, [ZERO] * len(down), v.open, 1, False)

    def _hull(
        self, exact: Vector, corners: list[Vector], magnitude: Vector, error: Vector, *of: Range
    ) -> Range:
        low, high = list(corners[0]), list(corners[0])
        for corner in corners[1:]:
            low = [a.min(b) for a, b in zip(low, corner, strict=True)]
            high = [a.max(b) for a, b in zip(high, corner, strict=True)]
        reasons = _reasons(*(r.open for r in of), _sized(magnitude, self.fmt.largest / 2))
        return Range(
            [v - e for v, e in zip(low, error, strict=True)],
            exact,
            [v + e for v, e in zip(high, error, strict=True)],
            reasons,
        )


def _differences(v: Range) -> tuple[arb_mat, arb_mat]:
    n = len(v.exact)
    down = [a - b for a, b in zip(v.exact, v.low, strict=True)]
    up = [a - b for a, b in zip(v.high, v.exact, strict=True)]
    return arb_mat(n, 1, down), arb_mat(n, 1, up)


def _sized(sizes: Vector, limit: float) -> list[str]:
    """Why a sum of such magnitudes has no bound."""
    return [NOT_FINITE if not m.is_finite() else "" if m < limit else OVERFLOW for m in sizes]


def _reasons(*of: list[str]) -> list[str]:
    return [next((r for r in reasons if r), "") for reasons in zip(*of, strict=True)]
