"""The calling thread's environment, and identical calls, as made up by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of, forward, measured, seen

from harness.checks import float_environment
from harness.checks import steady as steady_check
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.observe import Forward, Series, Steady


def environment(*disturbed: tuple[str, ...], ended: str | None = None) -> list[Comparison]:
    observation = SimpleNamespace(ended=ended, disturbed=disturbed)
    return list(float_environment.float_environment(evidence_of(Config(), observation=observation)))


def test_a_thread_left_as_it_was() -> None:
    """Three probes before, three behind."""
    assert environment((), ()) == [Comparison("calling thread", "pass", 6, ratio=0.0)]
    assert environment((), (), ended="crashed") == environment(("a",), (), ended="hung") == []


@pytest.mark.parametrize(
    ("before", "behind", "message"),
    [
        (("a",), (), "before the call a"),
        ((), ("a", "b"), "after the call a and b"),
        (("a", "b"), ("c",), "before the call a and b; after the call c"),
    ],
)
def test_a_disturbed_thread(before: Any, behind: Any, message: str) -> None:
    expected = Comparison("calling thread", "fail", 6, message, "environment")
    assert environment(before, behind) == [expected]


OUTPUT, H_N = np.arange(1.0, 13).reshape(2, 3, 2), np.arange(1.0, 7).reshape(1, 3, 2)


EXACT = SimpleNamespace(tolerance=Forward(np.zeros((2, 3, 2)), np.zeros((1, 3, 2))))
"""Nothing is allowed."""


def steady(*series: Series, own: Any = None, monkeypatch: Any = None, **more: Any) -> Any:
    config = Config(aspect="steady", data="plain", steps=2, batch=3, hidden_size=2)
    first = forward(OUTPUT, H_N)
    observation = SimpleNamespace(facts=Steady(series), forward=first)
    vars(observation).update(more)
    evidence = evidence_of(config, own, observation=observation, forward=first, oracle=EXACT)
    return list(steady_check.steady(evidence))


def test_identical_calls_that_gave_the_same() -> None:
    """12 and 6 numbers a call."""
    found = steady(Series("a", 5, 0, None), Series("b", 2, 0, None))
    assert found == [
        Comparison("a", "pass", 90, ratio=0.0),
        Comparison("b", "pass", 36, ratio=0.0),
    ]
    assert steady(Series("a", 5, 0, None), facts=None) == []
    assert steady(Series("a", 5, 0, None), forward=None) == []


def moved(output: float = 0.0, h_n: float = 0.0) -> Series:
    other = forward(OUTPUT, H_N)
    other.output[1, 2, 1] += output
    other.h_n[0, 1, 0] += h_n
    return Series("in turn", 7, 3, other)


def test_identical_calls_that_gave_other_bits() -> None:
    message = "3 of 7 identical calls in turn give other bits"
    (result,) = steady(moved(output=1, h_n=1))
    assert (result.part, *seen(result)) == ("in turn", "fail", "unexplained", 12, 1)
    assert (result.message, result.ratio) == (message, math.inf)
    assert result.worst == Worst("output", 0, "forward", 1, 2, 1, actual=13.0, expected=12.0)
    (result,) = steady(moved(h_n=1))
    assert (result.part, *seen(result)) == ("in turn", "fail", "unexplained", 6, 1)
    assert result.message == message
    assert result.worst == Worst("h_n", 0, "forward", None, 1, 0, actual=4.0, expected=3.0)


def test_identical_calls_may_differ_by_what_flushing_moves(monkeypatch: Any) -> None:
    """By 1/4 of output and 1/2 of h_n; a NaN is the same as another, and unlike any number."""
    extra = Forward(np.full((1, 3, 1), 0.25), np.full((1, 3, 1), 0.5))
    monkeypatch.setattr(steady_check, "flushed_extra", lambda evidence: extra if evidence else None)

    def cause(series: Series) -> str | None:
        (result,) = steady(series, own=measured(flushes=True))
        return result.cause

    assert cause(moved(0.25, 0.5)) == cause(moved(-0.25, -0.5)) == cause(moved(0.25)) == "flush"
    for wrong in (moved(0.5), moved(h_n=0.75), moved(0.25, 0.75), moved(math.nan)):
        assert cause(wrong) == "unexplained"
    monkeypatch.setattr(steady_check, "flushed_extra", lambda evidence: None)
    assert cause(moved(0.25)) == "unexplained"


def test_identical_calls_may_differ_by_rounding() -> None:
    """Two that are off by a tolerance each: 1/8 of output and 1/4 of h_n."""
    tolerance = Forward(np.full((1, 3, 1), 0.125), np.full((1, 3, 1), 0.25))
    config = Config(aspect="steady", data="plain", steps=2, batch=3, hidden_size=2)
    oracle, first = SimpleNamespace(tolerance=tolerance), forward(OUTPUT, H_N)

    def cause(series: Series) -> str | None:
        observation = SimpleNamespace(facts=Steady((series,)), forward=first)
        evidence = evidence_of(config, oracle=oracle, observation=observation, forward=first)
        (result,) = steady_check.steady(evidence)
        assert result.verdict == "fail"
        return result.cause

    assert cause(moved(0.25, 0.5)) == cause(moved(-0.25, -0.5)) == cause(moved(0.25)) == "rounding"
    for wrong in (moved(0.3125), moved(h_n=0.625), moved(0.25, 0.625), moved(math.nan)):
        assert cause(wrong) == "unexplained"


def test_what_was_nan_and_infinite_before_is_no_difference(monkeypatch: Any) -> None:
    extra = Forward(np.full((1, 3, 1), 0.25), np.full((1, 3, 1), 0.5))
    monkeypatch.setattr(steady_check, "flushed_extra", lambda _: extra)
    for value in (math.nan, math.inf):
        both = [forward(OUTPUT, H_N) for _ in range(2)]
        for one in both:
            one.output[0, 0, 0] = value
        both[1].output[0, 0, 1] += 0.25
        config = Config(aspect="steady", data="plain", steps=2, batch=3, hidden_size=2)
        observation = SimpleNamespace(facts=Steady((Series("a", 2, 1, both[1]),)), forward=both[0])
        evidence = evidence_of(config, observation=observation, forward=both[0], oracle=EXACT)
        (result,) = steady_check.steady(evidence)
        assert (result.verdict, result.cause) == ("fail", "flush")


@pytest.mark.parametrize("allowed", [np.inf, np.nan, 12.0, 1e300])
def test_a_tolerance_that_allows_anything_explains_nothing(allowed: float) -> None:
    """Of the row 5, 6, 11, 12 the largest is 12; a tolerance of less is one."""
    moved_by_one = moved(output=1).other
    assert moved_by_one is not None
    first = forward(OUTPUT, H_N)
    for tolerance, cause in ((allowed, "unexplained"), (5.9, "rounding")):
        oracle = SimpleNamespace(
            tolerance=Forward(np.full((2, 3, 2), tolerance / 2), np.zeros((1, 3, 2)))
        )
        evidence = evidence_of(Config(), None, forward=first, oracle=oracle)
        assert steady_check._cause(evidence, moved_by_one) == cause


def test_a_tolerance_is_measured_by_the_largest_number_of_its_row() -> None:
    """Steps and units of a row count, other rows do not, nor what is not finite; of a row of zeros
    no tolerance says anything.
    """
    values = np.array([[[1.0, 0], [0, 8]], [[0, 3], [math.inf, 0]]])
    values = np.concatenate([values, np.zeros((2, 1, 2))], axis=1)
    for tolerance, said in ((2.5, [2.5, 2.5, 0]), (3.0, [0, 3, 0]), (8.0, [0, 0, 0])):
        found = steady_check._said(np.full((2, 3, 2), tolerance), values)
        assert (found == np.array(said).reshape(1, 3, 1)).all()
        assert found.shape == (2, 3, 2)
    assert not steady_check._said(np.full((2, 3, 2), 0.5), values)[:, 2].any()
    assert not steady_check._said(np.full((2, 3, 2), math.inf), values).any()
