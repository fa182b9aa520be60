"""Identical calls that gave other bits, written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.activation import OwnActivations
from harness.checks.repeated_calls import repeated_calls
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging.excuses import flush
from harness.observe import Outputs, RepeatedCalls, Series
from harness.oracle import Oracle
from harness.verdicts import Verdict
from reference.arrays import Array
from tests.synthetic import evidence_of, measured, oracle_of, outputs_of, summary

CONFIG = Config.of(aspect="repeated", data="plain", steps=2, batch=3, hidden_size=2)
OUTPUT, H_N = np.arange(1.0, 13).reshape(2, 3, 2), np.arange(1.0, 7).reshape(1, 3, 2)


def judged(
    *series: Series,
    output: Any = OUTPUT,
    tolerance: Outputs | None = None,
    own: OwnActivations | None = None,
) -> list[Comparison]:
    """Nothing is allowed, unless something is given."""
    first = outputs_of(output, H_N)
    oracle = None if own is not None else oracle_of(first, tolerance)
    details = RepeatedCalls(series)
    return list(repeated_calls(evidence_of(CONFIG, first, own=own, oracle=oracle, details=details)))


def cause(series: Series, **given: Any) -> str | None:
    (result,) = judged(series, **given)
    assert result.verdict == "fail"
    return result.cause


def test_identical_calls_that_gave_the_same() -> None:
    """12 and 6 numbers a call."""
    assert judged(Series("a", 5, 0, None), Series("b", 2, 0, None)) == [
        Comparison("a", Verdict.PASS, 90, ratio=0.0),
        Comparison("b", Verdict.PASS, 36, ratio=0.0),
    ]


def moved(output: float = 0.0, h_n: float = 0.0) -> Series:
    other = outputs_of(OUTPUT, H_N)
    other["output"][1, 2, 1] += output
    other["h_n"][0, 1, 0] += h_n
    return Series("in turn", 7, 3, other)


def test_identical_calls_that_gave_other_bits() -> None:
    message = "3 of 7 identical calls in turn give other bits"
    (result,) = judged(moved(output=1, h_n=1))
    assert (result.part, *summary(result)) == ("in turn", "fail", "unexplained", 12, 1)
    assert (result.message, result.ratio) == (message, math.inf)
    assert result.worst == Worst("output", 0, "forward", 1, 2, 1, actual=13.0, expected=12.0)
    (result,) = judged(moved(h_n=1))
    assert (result.part, *summary(result)) == ("in turn", "fail", "unexplained", 6, 1)
    assert result.message == message
    assert result.worst == Worst("h_n", 0, "forward", None, 1, 0, actual=4.0, expected=3.0)


def test_identical_calls_may_differ_by_what_flushing_moves() -> None:
    """In outputs of 0: a NaN is the same as another, and unlike any number."""
    extra = {
        name: float(a.max()) for name, a in flush(Oracle(evidence_of(CONFIG).case)).extra.items()
    }
    flushes = measured(flushes=True)

    def found(output: float, h_n: float, own: OwnActivations = flushes) -> str | None:
        first = outputs_of(0 * OUTPUT, 0 * H_N)
        other = {name: array.copy() for name, array in first.items()}
        other["output"][1, 2, 1], other["h_n"][0, 1, 0] = output, h_n
        details = RepeatedCalls((Series("in turn", 7, 3, other),))
        (result,) = repeated_calls(evidence_of(CONFIG, first, own=own, details=details))
        assert result.verdict == "fail"
        return result.cause

    little, much = (factor * extra["output"] for factor in (0.99, 1.01))
    assert found(little, 0.99 * extra["h_n"]) == found(-little, 0) == "flush"
    for wrong in (
        (much, 0),
        (0, 1.01 * extra["h_n"]),
        (little, 1.01 * extra["h_n"]),
        (math.nan, 0),
    ):
        assert found(*wrong) == "unexplained"
    assert found(little, 0, measured()) == "unexplained"


def tolerance_of(output: Any, h_n: float = 0.0) -> Outputs:
    return {"output": np.full((2, 3, 2), output), "h_n": np.full((1, 3, 2), h_n)}


def test_identical_calls_may_differ_by_rounding() -> None:
    """Two that are off by a tolerance each: 1/8 of output and 1/4 of h_n."""
    given = {"tolerance": tolerance_of(0.125, 0.25)}
    for right in (moved(0.25, 0.5), moved(-0.25, -0.5), moved(0.25)):
        assert cause(right, **given) == "rounding"
    for wrong in (moved(0.3125), moved(h_n=0.625), moved(0.25, 0.625), moved(math.nan)):
        assert cause(wrong, **given) == "unexplained"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_was_nan_and_infinite_before_is_no_difference(value: float) -> None:
    output: Array = OUTPUT.copy()
    output[0, 0, 0] = value
    other = moved(0.25).other
    assert other is not None
    other["output"][0, 0, 0] = value
    series = Series("a", 2, 1, other)
    assert cause(series, output=output, tolerance=tolerance_of(0.125)) == "rounding"


@pytest.mark.parametrize("allowed", [np.inf, np.nan, 12.0, 1e300])
def test_a_tolerance_that_allows_anything_explains_nothing(allowed: float) -> None:
    """Of the row 5, 6, 11, 12 the largest is 12; a tolerance of less is one."""
    one = moved(output=1)
    assert cause(one, tolerance=tolerance_of(allowed / 2)) == "unexplained"
    assert cause(one, tolerance=tolerance_of(5.9)) == "rounding"


def test_a_tolerance_is_measured_by_the_largest_number_of_its_row() -> None:
    """Steps and units of a row count, other rows do not, nor what is not finite; of a row of zeros
    no tolerance means anything. Twice 1 1/4 is below 3 and 8, 3 below 8 alone.
    """
    values = np.array([[[1.0, 0], [0, 8], [0, 0]], [[0, 3], [math.inf, 0], [0, 0]]])
    for half, explained in (
        (0.25, [True, True, False]),
        (1.25, [True, True, False]),
        (1.5, [False, True, False]),
        (4.0, [False] * 3),
    ):
        for row in range(3):
            other = outputs_of(values, H_N)
            other["output"][0, row, 0] += 0.5
            found = cause(Series("a", 2, 1, other), output=values, tolerance=tolerance_of(half))
            assert (found == "rounding") == explained[row]
