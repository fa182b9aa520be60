"""Intervals, number by number: each expected value is worked out here from the derivation.

A bound that grows by one rounding or one ulp still passes everything that is right; only its own
value shows it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reference import FORMATS, TANH_ULPS, Block, Interval, Rounded, allowance, gamma, sum_error
from reference.activations import ORACLE_ULPS, oracle_error
from reference.arrays import Array
from reference.intervals import Sum

FP16, FP32, FP64 = FORMATS["fp16"], FORMATS["fp32"], FORMATS["fp64"]
UNIT = 2.0**-11 + 2.0**-53
"""One rounding of float16, and of the float64 here."""
HALF_ETA = 2.0**-25
TINY = 2.0**-14


def relative(roundings: int) -> float:
    """gamma of float16 and of the oracle's float64."""
    return roundings / (2**11 - roundings) + roundings / (2**53 - roundings)


def within(name: str, a: Array, error: Array) -> Interval:
    """An activation in float32 of everything in [a - error, a + error]."""
    return Rounded(FP32).activation(name, Interval(a - error, a, a + error))


def test_sum_error() -> None:
    """n = 3, u = 2^-11: gamma_4 = 4 / (2^11 - 4) = 1 / 511, and float64's own gamma_3.

    Half the smallest subnormal, 2^-24 for float16, for each product and each unit of weight.
    """
    expected = 1 + Fraction(511 * 3, 2**53 - 3) + (3 + 5) * Fraction(1, 2**25)
    found = sum_error(511, 3, FP16, stored=5)
    assert float(found) == pytest.approx(float(expected), rel=4e-16, abs=0)
    assert float(sum_error(0, 3, FP16)) == 3 * 2.0**-25
    assert float(sum_error(0, 2, FP64)) == 2 * 2.0**-1074  # and the same again for the oracle
    assert sum_error(np.array([1.0], "f"), 3, FP32).dtype == np.float64
    assert sum_error(0, 3, FP64, stored=np.array([5], "f")).tolist() == [8 * 2.0**-1074]


def test_gamma_has_no_value_from_the_pole_on() -> None:
    assert gamma(255, 2.0**-8) == 255
    assert gamma(256, 2.0**-8) == gamma(300, 2.0**-8) == np.inf


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("a", "error", "ulp", "of_float64"),
    [(0.001, 0, 2.0**-33, 2.0**-62), (0.5, 0.75, 2.0**-24, 2.0**-53), (20, 0, 2.0**-24, 2.0**-52)],
)
def test_a_tanh_is_widened_by_five_ulp_of_its_format_and_four_of_float64(
    a: float, error: float, ulp: float, of_float64: float, sign: int
) -> None:
    """Of the larger end: tanh(0.001) is in [2^-10, 2^-9), tanh(5/4) is 0.85; float64's tanh(20) is
    1, and the largest ulp of float32 is that below 1."""
    assert (TANH_ULPS, ORACLE_ULPS) == (5, 4)
    found = within("tanh", np.array([sign * a]), np.array([error]))
    low, high = sorted(sign * np.tanh([a - error, a + error]))
    assert found.expected.item() == np.tanh(sign * a)
    assert found.low.item() == low - (5 * ulp + 4 * of_float64)
    assert found.high.item() == high + (5 * ulp + 4 * of_float64)


def interval(low: float, expected: float, high: float) -> Interval:
    ends = [np.array([v], np.float64) for v in (low, expected, high)]
    return Interval(ends[0], ends[1], ends[2])


def assert_interval(actual: Interval, expected: list[float], widening: float) -> None:
    """[low, middle, high], and what both ends are moved by."""
    low, middle, high = expected
    assert actual.expected.item() == middle
    assert (low - actual.low).item() == pytest.approx(widening, rel=1e-9, abs=0)
    assert (actual.high - high).item() == pytest.approx(widening, rel=1e-9, abs=0)
    assert np.all(actual.bounded)


FLUSHED = pytest.mark.parametrize("flushed", [0, 1])


@FLUSHED
def test_a_product_of_intervals(flushed: int) -> None:
    """[-1, 3] [4, 6] = [-6, 18], rounded once: of 18 at most; one product may underflow."""
    found = Rounded(FP16, flushed=bool(flushed)).multiply(interval(-1, 2, 3), interval(4, 5, 6))
    assert_interval(found, [-6, 10, 18], UNIT * 18 + HALF_ETA + flushed * TINY * (1 + 3 + 6))
    found = Rounded(FP16).multiply(interval(-4, -3, -2), interval(-1, 0, 5))
    assert_interval(found, [-20, 0, 4], UNIT * 20 + HALF_ETA)


@FLUSHED
def test_a_complement(flushed: int) -> None:
    """1 - [-1, 3] = [-2, 2]; 1 - [5, 6] = [-5, -4]; a difference does not underflow."""
    op = Rounded(FP16, flushed=bool(flushed))
    assert_interval(op.complement(interval(-1, 2, 3)), [-2, -1, 2], UNIT * 2 + flushed * TINY * 2)
    assert_interval(op.complement(interval(5, 5, 6)), [-5, -4, -4], UNIT * 5 + flushed * TINY * 2)


@FLUSHED
def test_a_blend(flushed: int) -> None:
    """Weights in [1/4, 3/4]; from 1/4 (-3 + 4) to 1/4 (3 + 24), and the other way round.

    Three roundings of |n| + |z| (|n| + |h|) = 3 + 3/4 * 11, or 8 + 3/4 * 11.
    """
    op, z = Rounded(FP16, flushed=bool(flushed)), interval(0.25, 0.5, 0.75)
    n, h = interval(-1, 2, 3), interval(4, 5, 8)
    widening = relative(3) * 11.25 + 2 * HALF_ETA + flushed * TINY * (4 + 3 + 1.5 + 8)
    assert_interval(op.blend(z, n, h), [0.25, 3.5, 6.75], widening)
    widening = relative(3) * 16.25 + 2 * HALF_ETA + flushed * TINY * (4 + 8 + 1.5 + 3)
    assert_interval(op.blend(z, h, n), [0.25, 3.5, 6.75], widening)


@FLUSHED
def test_a_linear_term_of_an_inexact_operand(flushed: int) -> None:
    """[-1, 2] - 2 [2, 5] - 7, of 0 - 6 - 7: 5 below and 4 above; magnitudes 2 + 10 + 7, n = 3.

    Operands may be stored: five roundings less one, and sum |w| = 3 for what underflows.
    """
    op = Rounded(FP16, flushed=bool(flushed))
    v = Interval(np.array([-1.0, 2]), np.array([0.0, 3]), np.array([2.0, 5]))
    block = Block("hr", 0, np.array([[1.0, -2]]), np.array([-7.0]))
    found = op.close(op.linear(block, v))
    error = (4 / (2**11 - 4) + 3 / (2**53 - 3)) * 19 + (3 + 3) * HALF_ETA
    error += flushed * TINY * (2 * 3 + 2 + 5 + 3)
    assert_interval(found, [-18, -13, -9], error)


def test_a_linear_term_of_exact_and_of_stored_numbers() -> None:
    """2 * 3 + 1, n = 2: three roundings; a stored operand underflows, an exact one does not."""
    op, block = Rounded(FP16), Block("hh", 0, np.array([[2.0]]), np.array([1.0]))
    relative = 3 / (2**11 - 3) + 2 / (2**53 - 2)
    plain = op.close(op.linear(block, op.given(np.array([3.0]))))
    assert_interval(plain, [7, 7, 7], relative * 7 + 2 * HALF_ETA)
    stored = op.close(op.linear(block, op.given(np.array([3.0]), stored=True)))
    assert_interval(stored, [7, 7, 7], relative * 7 + (2 + 2) * HALF_ETA)


def test_a_sum_of_intervals_and_of_an_open_sum() -> None:
    """[1, 4] + [-6, -4]: one rounding of 10. With 2 * 3 besides: n = 3, four roundings of 16."""
    op = Rounded(FP16)
    one, other = interval(1, 2, 4), interval(-6, -5, -4)
    relative = 1 / (2**11 - 1) + 1 / (2**53 - 1)
    assert_interval(op.close(op.add(one, other)), [-5, -3, 0], relative * 10 + 2 * HALF_ETA)
    term = op.linear(Block("ih", 0, np.array([[2.0]]), None), op.given(np.array([3.0])))
    found = op.add(one, term, other)
    relative = 4 / (2**11 - 4) + 3 / (2**53 - 3)
    assert isinstance(found, Sum)
    assert_interval(op.close(found), [1, 3, 6], relative * 16 + 3 * HALF_ETA)


def test_a_stored_state_is_one_rounding_off_wherever_it_is_an_operand() -> None:
    """3 may stand for 3 (1 +- u) +- eta / 2. So it may in 1 - h, 2 h, h + 5, and tanh(h)."""
    op, one = Rounded(FP16), interval(1, 1, 1)
    h, off = op.given(np.array([3.0]), stored=True), UNIT * 3 + HALF_ETA
    largest = 3 + off
    assert_interval(op.operand(h), [3, 3, 3], off)
    assert_interval(op.complement(h), [-2, -2, -2], off + UNIT * (2 + off))
    found = op.multiply(h, interval(2, 2, 2))
    assert_interval(found, [6, 6, 6], 2 * off + UNIT * 2 * largest + HALF_ETA)
    relative = 1 / (2**11 - 1) + 1 / (2**53 - 1)
    found = op.close(op.add(h, interval(5, 5, 5)))
    assert_interval(found, [8, 8, 8], off + relative * (5 + largest) + 2 * HALF_ETA)
    found = op.blend(one, one, h)
    three = 3 / (2**11 - 3) + 3 / (2**53 - 3)
    assert_interval(found, [3, 3, 3], off + three * (2 + largest) + 2 * HALF_ETA)
    found = op.activation("relu", h)
    assert_interval(found, [3, 3, 3], off)
    exact = op.given(np.array([3.0]))
    assert op.operand(exact) is exact


def test_what_a_sigmoid_may_err() -> None:
    """In units of u: s (6 (1 - s) + 6) + 3 is 3, 7.5, 8.625 and 9 at 0, 1/2, 3/4 and 1."""
    found = allowance("sigmoid", np.array([0.0, 0.5, 0.75, 1.0, 1.5, -1.0]), FP16)
    assert (found * 2**11).tolist() == [3, 7.5, 8.625, 9, 9, 3]
    assert oracle_error("sigmoid", np.array([0.5])).tolist() == [6 * 2.0**-53]
    assert oracle_error("tanh", np.array([0.5])).tolist() == [4 * 2.0**-53]
    assert allowance("relu", np.array([2.0]), FP16).tolist() == [0]
    assert oracle_error("relu", np.array([2.0])).tolist() == [0]
    with pytest.raises(ValueError, match="activation = 'cosine'"):
        allowance("cosine", np.array([2.0]), FP16)


@FLUSHED
def test_an_interval_through_a_sigmoid(flushed: int) -> None:
    """[-log 3, log 3] goes to [1/4, 3/4], and both ends err as 3/4 may; a result may be flushed."""
    a = float(np.log(3.0))
    found = Rounded(FP16, flushed=bool(flushed)).activation("sigmoid", interval(-a, 0, a))
    widening = 8.625 * 2.0**-11 + 6 * 2.0**-53 + flushed * TINY
    assert_interval(found, [0.25, 0.5, 0.75], widening)


def test_measured_errors_of_an_activation_are_forgiven_beyond_what_it_may_err() -> None:
    """From -1/8 to 1/2 over [1, 2], of relu, which may err nothing."""

    def error(name: str, low: Array, high: Array) -> tuple[Array, Array]:
        assert (name, low.item(), high.item()) == ("relu", 1, 2)
        return np.array([-0.125]), np.array([0.5])

    found = Rounded(FP16, activation_error=error).activation("relu", interval(1, 1.5, 2))
    assert (found.low.item(), found.expected.item(), found.high.item()) == (0.875, 1.5, 2.5)


def test_an_activation_keeps_what_it_was_applied_to() -> None:
    """A sum with the magnitude of its terms and their error; an interval with its own."""
    op = Rounded(FP16)
    term = op.linear(Block("ih", 0, np.array([[-2.0]]), None), op.given(np.array([3.0])))
    op.activation("tanh", op.add(term, interval(1, 2, 4)))
    op.activation("sigmoid", interval(-4, 1, 2))
    first, second = op.arguments
    relative = 3 / (2**11 - 3) + 2 / (2**53 - 2)
    assert (first.activation, second.activation) == ("tanh", "sigmoid")
    assert first.magnitude.item() == 10
    assert first.error.item() == pytest.approx(relative * 10 + 2 * HALF_ETA, rel=1e-12)
    assert_interval(first.interval, [-5, -4, -2], first.error.item())
    assert (second.magnitude.item(), second.error.item()) == (4, 0)


def test_nothing_is_bounded_where_float16_may_overflow() -> None:
    """Sums up to 65504, and products up to half of that; and whatever depends on them."""
    op = Rounded(FP16)
    for size, bounded in ((65000.0, True), (65504.0, False)):
        block = Block("ih", 0, np.array([[-1.0]]), None)
        found = op.close(op.linear(block, op.given(np.array([size]))))
        assert np.all(found.bounded) == bounded
        assert np.all(op.activation("tanh", found).bounded) == bounded
        assert np.all(op.complement(found).bounded) == bounded
        assert np.all(op.multiply(found, interval(0, 0, 0)).bounded) == bounded
        assert np.all(op.multiply(interval(0, 0, 0), found).bounded) == bounded
        assert np.all(op.close(op.add(found, interval(0, 0, 0))).bounded) == bounded
        assert np.all(op.blend(interval(0, 0, 0), interval(0, 0, 0), found).bounded) == bounded
    for size, bounded in ((32751.0, True), (32752.0, False)):
        assert np.all(op.multiply(interval(size, size, size), interval(1, 1, 1)).bounded) == bounded
        blend = op.blend(interval(0, 0, 0), interval(-size, -size, -size), interval(1, 1, 1))
        assert np.all(blend.bounded) == bounded
    zeros, bounded_at = np.zeros((2, 2)), np.array([[True, False], [True, True]])
    rows = Interval(zeros, zeros, zeros, bounded=bounded_at)
    through = op.linear(Block("hr", 0, np.zeros((3, 2)), None), rows)
    assert np.broadcast_to(op.close(through).bounded, (2, 3)).all(axis=1).tolist() == [False, True]


FP64_UNIT = 2.0**-53


def test_in_float64_the_oracle_errs_as_much_as_what_it_judges() -> None:
    """Twice gamma_2 of a sum of three numbers, twice gamma_3 of a blend, a whole 2^-1074."""
    op, nothing = Rounded(FP64), interval(0, 0, 0)
    found = sum_error(1, 3, FP64, products=False)
    assert float(found) == pytest.approx(2 * gamma(2, FP64_UNIT), rel=1e-12, abs=0)
    blend = op.blend(interval(1, 1, 1), interval(1, 1, 1), nothing)
    assert_interval(blend, [0, 0, 0], 2 * 2 * gamma(3, FP64_UNIT))
    assert op.multiply(nothing, interval(1, 1, 1)).high.item() == 2.0**-1074


def test_flushing_counts_the_factors_of_each_row_and_of_all_terms() -> None:
    """2 terms, factors 3 + 2 and 5 + 2; added to itself twice that; intervals have no factors."""
    plain, flushed = Rounded(FP16), Rounded(FP16, flushed=True)
    block = Block("ih", 0, np.array([[1.0, -1.0]]), None)
    rows = plain.given(np.array([[1.0, 2.0], [1.0, 4.0]]))

    def extra(*terms: Any) -> list[float]:
        sums = [op.error(op.add(*(t(op) for t in terms))) for op in (plain, flushed)]
        found: list[float] = ((sums[1] - sums[0]) / TINY).ravel().tolist()
        return found

    def linear(op: Rounded) -> Sum:
        return op.linear(block, rows)

    assert extra(linear) == pytest.approx([4 + 5, 4 + 7], rel=1e-9)
    assert extra(linear, linear) == pytest.approx([8 + 10, 8 + 14], rel=1e-9)
    assert extra(*[lambda op: interval(1, 1, 1)] * 2) == pytest.approx([4], rel=1e-9)


def test_a_bound_is_missing_of_all_that_a_value_without_one_is_in() -> None:
    """Whatever its size: of sums, of a stored state, of the rows of a product of all steps."""
    op, zero, nowhere = Rounded(FP16), np.zeros(1), np.array([False])
    without = Interval(zero, zero, zero, bounded=nowhere, stored=True)
    assert not np.any(op.operand(without).bounded)
    for terms in ((without, interval(0, 0, 0)), (interval(0, 0, 0), without)):
        assert not np.any(op.add(*terms).bounded)
    every, bounded = np.zeros((2, 2, 2)), np.ones((2, 2, 2), bool)
    bounded[0, 1, 0] = False
    found = op.linear(
        Block("hh", 0, np.zeros((1, 2)), None), Interval(every, every, every, bounded)
    )
    assert np.asarray(found.bounded)[..., 0].tolist() == [[True, False], [True, True]]


def test_arrays_keep_their_shapes() -> None:
    """The error of an activation's argument; and a block without rows, which has no terms."""
    op, two = Rounded(FP16), np.zeros(2)
    op.activation("tanh", Interval(two, two, two))
    assert op.arguments[0].error.tolist() == [0, 0]
    empty = op.linear(Block("ih", 0, np.zeros((0, 2)), None), op.given(two))
    assert (empty.expected.shape, empty.terms) == ((0,), 0)
