"""Comparisons, bits, layouts and tests of chance: each number is worked out here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.bits import beyond_flushing, differing_bits, same_bits
from harness.comparison import Comparison, Worst, compare, compare_bits
from harness.significance import Test as Significance
from harness.significance import binomial, uniform
from harness.verdicts import Verdict
from reference import FORMATS

FP16, FP32, FP64 = FORMATS["fp16"], FORMATS["fp32"], FORMATS["fp64"]


def place(index: tuple[int, ...]) -> Worst:
    return Worst("somewhere", step=index[0])


def compared(actual: list[float], expected: list[float], ratio: list[float], **more: Any) -> Any:
    return compare(
        "part", np.array(actual, "f"), np.array(expected), np.array(ratio), FP32, place, **more
    )


def test_a_failing_comparison_in_all_its_numbers() -> None:
    """Errors 0, 1/4 of 2 and 1 of -4; an ulp is 2^-22 from 2 on, and 2^-21 from 4 on."""
    result = compared([1, 2.25, -3], [1, 2, -4], [0, 0.5, 2])
    assert result == Comparison(
        "part",
        Verdict.FAIL,
        3,
        max_abs=1.0,
        max_rel=0.25,
        max_ulp=2.0**21,
        ratio=2.0,
        worst=Worst("somewhere", step=2, actual=-3.0, expected=-4.0, bound=0.5),
        failing=1,
        assert_close="2 / 3 elements mismatched",
    )


def test_what_has_no_bound_is_not_looked_at() -> None:
    result = compared([9, 1, 2], [0, 1, 2], [math.inf, 0, 0], defined=np.array([False, True, True]))
    assert (result.verdict, result.compared, result.undefined) == ("pass", 2, 1)
    assert (result.max_abs, result.max_rel, result.max_ulp, result.ratio) == (0, 0, 0, 0)
    assert result.worst == Worst("somewhere", step=1, actual=1.0, expected=1.0, bound=None)
    assert (result.failing, result.assert_close) == (0, "pass")


def test_nothing_to_compare_is_inconclusive() -> None:
    result = compared([9, 1], [0, 1], [math.inf, 0], defined=np.zeros(2, bool))
    message = "no element has a bound here"
    assert result == Comparison("part", Verdict.INCONCLUSIVE, 0, message, undefined=2)


def test_a_ratio_of_one_passes_and_a_nan_is_beyond_any_bound() -> None:
    assert compared([2], [1], [1]).verdict == "pass"
    assert compared([2], [1], [1]).worst.bound == 1
    assert compared([2], [1], [np.nextafter(1, 2)]).verdict == "fail"
    result = compared([2, 5], [1, 1], [math.nan, 3])
    assert (result.verdict, result.ratio, result.failing) == ("fail", math.inf, 2)
    assert result.worst == Worst("somewhere", step=0, actual=2.0, expected=1.0, bound=None)


def test_equal_infinities_and_two_nans_have_no_error_and_one_nan_an_infinite_one() -> None:
    both = compared([math.inf, math.nan], [math.inf, math.nan], [0, 0])
    assert (both.max_abs, both.max_rel, both.max_ulp) == (0, 0, 0)
    one, other = [1.0, math.nan], [1.0, 1.0]
    for actual, expected in (one, other), (other, one):
        assert compared(actual, expected, [0, math.inf]).max_abs == math.inf


def test_assert_close_counts_what_is_beyond_atol_plus_rtol() -> None:
    """In float64 both are 1e-7; an error of exactly that is allowed."""
    actual, expected = np.array([1e-7, -2.0, 3.0]), np.array([0.0, -2 - 3.1e-7, 3 - 3.9e-7])
    result = compare("part", actual, expected, np.zeros(3), FP64, place)
    assert result.assert_close == "1 / 3 elements mismatched"
    assert (
        compare("part", actual[:1], expected[:1], np.zeros(1), FP64, place).assert_close == "pass"
    )


def test_bits_are_compared_with_a_message_where_they_differ() -> None:
    zeros, signed = np.zeros(2, "f"), np.array([0.0, -0.0], "f")
    same = compare_bits("part", zeros, zeros, FP32, place, "they differ")
    assert (same.verdict, same.message, same.ratio) == ("pass", "", 0)
    other = compare_bits("part", zeros, signed, FP32, place, "they differ")
    assert (other.verdict, other.message, other.ratio) == ("fail", "they differ", math.inf)
    assert other.worst is not None
    assert (other.part, other.failing, other.worst.step) == ("part", 1, 1)


def test_any_nan_equals_any_nan_and_nothing_else_equals_another() -> None:
    nan, payload = np.array([math.nan], "f"), np.array([0x7FC00001], "u4").view("f")
    assert not differing_bits(nan, payload)
    assert differing_bits(nan, np.array([1], "f"))
    assert differing_bits(np.array([1], "f"), nan)
    assert differing_bits(np.array([0.0]), np.array([-0.0]))
    strided = np.arange(6, dtype="f")[::2]
    assert not differing_bits(strided, np.array([0, 2, 4], "f")).any()


def test_same_bits_asks_for_the_same_shape_and_dtype() -> None:
    assert same_bits(np.ones(2), np.ones(2))
    assert not same_bits(np.ones(2), np.ones(1))
    assert not same_bits(np.ones(2), np.ones(2, "f"))
    assert not same_bits(np.ones(2), np.array([1.0, 2.0]))


@pytest.mark.parametrize(("name", "exponent"), [("fp32", -126), ("fp64", -1022)])
def test_flushing_may_move_an_answer_by_2_to_the_20_smallest_numbers(
    name: str, exponent: int
) -> None:
    dtype: Any = {"fp32": np.float32, "fp64": np.float64}[name]
    limit = dtype(2.0 ** (exponent + 20))
    values = np.array([limit, np.nextafter(limit, dtype(1)), math.nan, -limit], dtype)
    found = beyond_flushing(values, np.zeros(4, dtype), FORMATS[name])
    assert found.tolist() == [False, True, True, False]
    assert beyond_flushing(np.zeros(4, dtype), values, FORMATS[name]).tolist() == found.tolist()


def test_flushing_excuses_a_small_difference_of_large_numbers() -> None:
    one = np.array([2.0**-105], "f")
    two = np.nextafter(one, np.float32(1))
    assert not beyond_flushing(one, two, FP32)
    assert beyond_flushing(one, -two, FP32)


def test_flushing_excuses_nothing_in_float16() -> None:
    tiny = np.array([2.0**-24, 0], np.float16)
    assert beyond_flushing(tiny, np.zeros(2, np.float16), FP16).tolist() == [True, False]


def test_a_significance_of_one_in_a_thousand_million() -> None:
    ratios = [Significance(p, True).ratio for p in (1.0, 1e-9, 1e-18, 0.0)]
    assert ratios == [0, 1, 2, math.inf]


def test_binomial_by_hand() -> None:
    """8 or more, 2 or fewer of 10 coins: 2 (45 + 10 + 1) / 1024."""
    assert binomial(8, 10, 0.5).p_value == pytest.approx(112 / 1024, rel=1e-12, abs=0)
    assert binomial(0, 0, 0.5) == Significance(1.0, False)


def test_binomial_is_powerful_where_none_and_all_would_show() -> None:
    """30 coins alike happen with 2^-29 = 1.9e-9, 31 with 2^-30 = 9.3e-10."""
    assert not binomial(15, 30, 0.5).powerful
    assert binomial(15, 31, 0.5).powerful
    assert not binomial(15, 20, 0.1).powerful  # none: 0.9^20
    assert not binomial(15, 20, 0.9).powerful  # all: 0.9^20


def test_uniform_by_hand() -> None:
    """One value at d of the way, d > 1/2: a distance of d, seen with probability 2 (1 - d)."""
    assert uniform(np.array([3.8]), 2, 4).p_value == pytest.approx(0.2, rel=1e-9, abs=0)
    # Two values, at 0.1 and 0.8: 1 - 2 (2 * 0.4 - 1/2)^2, where the approximation gives 0.88.
    assert uniform(np.array([0.1, 0.8]), 0, 1).p_value == pytest.approx(0.82, rel=1e-9, abs=0)
    assert uniform(np.linspace(-1, 1, 300), -1, 1).powerful
    assert not uniform(np.linspace(-1, 1, 299), -1, 1).powerful
