"""Shares of what a comparison could have seen, and what is concluded from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.comparison import Comparison
from harness.config import Config
from harness.judging.power import differs, end_to_end_power, neighbours, share, stated
from harness.probes import Probe
from harness.verdicts import Verdict
from tests.synthetic import evidence_of, oracle_of


def test_a_share_is_of_what_was_compared() -> None:
    seen = np.array([True, True, False, False])
    assert share(seen) == 0.5
    assert share(seen, np.array([True, False, False, False])) == 1
    assert share(seen, np.array([True, False, True, True])) == 1 / 3
    assert share(seen, np.zeros(4, bool)) == 0
    assert share(np.zeros(0, bool)) == share(np.zeros(0, bool), np.zeros(0, bool)) == 0
    assert type(share(seen)) is type(share(seen, seen)) is float


def test_a_nan_differs_from_numbers_and_from_no_other_nan() -> None:
    a, b = np.array([1, 1, 0.0, math.nan, math.nan, 1]), np.array([1, 2, -0.0, math.nan, 1, np.nan])
    assert differs(a, b).tolist() == [False, True, False, False, True, True]


def test_the_neighbour_is_the_row_before() -> None:
    states = np.arange(6.0).reshape(1, 3, 2)
    assert neighbours(states).tolist() == [[[4, 5], [0, 1], [2, 3]]]


PASSED = Comparison("part", Verdict.PASS, 3, ratio=0.5, cause=None)


def test_what_passes_where_a_fault_would_have_passed_proves_nothing() -> None:
    assert stated(PASSED, {}) == PASSED
    seen = stated(PASSED, {Probe.STATE: 0.25, Probe.BIAS: 1.0})
    assert (seen.verdict, seen.message) == ("pass", "")
    assert list(seen.power.items()) == [("bias", 1.0), ("state", 0.25)]
    unseen = stated(PASSED, {Probe.STATE: 0.0, Probe.ROW: 0.5, Probe.BIAS: 0.0})
    assert (unseen.verdict, unseen.message) == (
        "inconclusive", "no element would have shown: bias, state",
    )  # fmt: skip
    assert list(unseen.power.items()) == [("bias", 0), ("row", 0.5), ("state", 0)]
    assert (unseen.part, unseen.compared, unseen.ratio) == ("part", 3, 0.5)


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INCONCLUSIVE])
def test_other_verdicts_stand_whatever_would_have_been_seen(verdict: Verdict) -> None:
    failed = Comparison("part", verdict, 3, "because")
    result = stated(failed, {Probe.BIAS: 0.0})
    assert (result.verdict, result.message, result.power) == (verdict, "because", {"bias": 0.0})


def test_sizes_are_no_shares() -> None:
    """To notice the smallest deviation is better than to notice a large one only."""
    assert [probe for probe in Probe if probe.is_size] == [
        "smallest_deviation",
        "smallest_distance",
    ]
    assert stated(PASSED, {Probe.SMALLEST_DEVIATION: 0.0}).verdict == "pass"


def test_faults_end_to_end_show_where_they_move_further_than_allowed() -> None:
    """By 2, -3, 1, NaN and infinity, of 2, 2, 1, 1 and 1 allowed; the last is not compared."""
    exact = np.full((1, 1, 5), 4.0)
    bias = exact + np.array([[[2, -3, 1, math.nan, math.inf]]])
    faulty = {
        Probe.BIAS: {"output": bias, "h_n": exact},
        Probe.ROW: {"output": exact, "h_n": bias},
    }
    oracle = oracle_of({"output": exact, "h_n": exact}, faulty=faulty)
    evidence = evidence_of(Config.of(hidden_size=5), oracle=oracle)
    allowed = np.array([[[2.0, 2, 1, 1, 1]]])
    among = np.array([[[True, True, True, True, False]]])
    found = end_to_end_power(evidence, "output", allowed, among)
    assert found == {"bias": 0.5, "row": 0.0}
    assert end_to_end_power(evidence, "h_n", allowed, among) == {"bias": 0.0, "row": 0.5}
    assert end_to_end_power(evidence, "h_n", allowed, np.ones((1, 1, 5), bool))[Probe.ROW] == 3 / 5
