"""Shares, and what is concluded from them; what a comparison of each law could have seen."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of, forward, steps_of

from harness.checks import bounded, last_state, padding_zero, rows_independent
from harness.comparison import Comparison
from harness.config import Config
from harness.judging.power import (
    differs,
    end_to_end_power,
    neighbours,
    share,
    stated,
)
from harness.observe import Forward
from harness.probes import Probe


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


PASSED = Comparison("part", "pass", 3, ratio=0.5, cause=None)


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


@pytest.mark.parametrize("verdict", ["fail", "inconclusive"])
def test_other_verdicts_stand_whatever_would_have_been_seen(verdict: str) -> None:
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
    oracle = SimpleNamespace(
        exact=Forward(exact, exact),
        faulty={Probe.BIAS: Forward(bias, exact), Probe.ROW: Forward(exact, bias)},
    )
    evidence = evidence_of(Config(hidden_size=5), oracle=oracle)
    allowed = np.array([[[2.0, 2, 1, 1, 1]]])
    among = np.array([[[True, True, True, True, False]]])
    found = end_to_end_power(evidence, "output", allowed, among)
    assert found == {"bias": 0.5, "row": 0.0}
    assert end_to_end_power(evidence, "h_n", allowed, among) == {"bias": 0.0, "row": 0.5}
    assert end_to_end_power(evidence, "h_n", allowed, np.ones((1, 1, 5), bool))["row"] == 3 / 5


def last(h_0: Any = None, **changes: Any) -> dict[str, float]:
    """Power of h_n of one layer: rows of length 3, 2 and 0, three steps.

    Outputs of row 0 are 1, 2, 3 forward and 10, 20, 30 in reverse; of row 1 4, 5, 0 and 40, 3, 0.
    """
    forwards = np.array([[1.0, 4, 0], [2, 5, 0], [3, 0, 0]])
    backwards = np.array([[10.0, 40, 0], [20, 3, 0], [30, 0, 0]])
    given = {"steps": 3, "batch": 3, "bidirectional": True, "lengths": "empties", **changes}
    config = Config(**given)
    sides = [forwards, backwards][: config.directions]
    ends = [[3.0, 5, 0], [10.0, 40, 0]][: config.directions]
    start = None if h_0 is None else np.full((config.directions, 3, 1), h_0, "f")
    h_n = np.array(ends)[:, :, None]
    if start is not None:
        h_n[:, 2] = start[:, 2]
    answer = forward(np.stack(sides, axis=2), h_n)
    evidence = evidence_of(config, forward=answer, observation=SimpleNamespace(hidden=()))
    evidence.case.h_0 = start
    evidence.case.valid = np.arange(3)[:, None] < np.array([3, 2, 0])
    (result,) = last_state.last_state(evidence)
    assert result.verdict == "pass"
    return result.power


def test_another_state_in_place_of_the_last_one_shows_where_it_is_another() -> None:
    """state: 2 for 3, 4 for 5; 20 for 10, 3 for 40; an empty row has none. end: 3 for 3, 0 for 5;
    30 for 10, 0 for 40; 0 for 0. row: 0, 3, 5 for 3, 5, 0, and so on in reverse."""
    assert last() == {"state": 4 / 6, "end": 3 / 6, "row": 1}
    assert last(bidirectional=False) == {"state": 2 / 3, "end": 1 / 3, "row": 1}


def test_the_state_of_an_empty_row_is_h_0_and_the_end_another() -> None:
    """7, which the output at the last step, 0, is not."""
    assert last(7.0) == {"state": 4 / 6, "end": 5 / 6, "row": 1}


def test_the_end_is_another_state_only_where_there_is_padding_or_a_reverse_direction() -> None:
    def found(steps: int, lengths: list[int], **changes: Any) -> dict[str, float]:
        config = Config(steps=steps, batch=len(lengths), hidden_size=1, **changes)
        sides, batch = config.directions, len(lengths)
        output = 1 + np.arange(float(steps * batch * sides)).reshape(steps, batch, sides)
        valid = np.arange(steps)[:, None] < np.array(lengths)
        output *= valid[:, :, None]
        ends = [output[np.array(lengths) - 1, np.arange(batch), 0], output[0, :, -1]][:sides]
        answer = forward(output, np.stack(ends)[:, :, None])
        evidence = evidence_of(config, forward=answer, observation=SimpleNamespace(hidden=()))
        evidence.case.valid = valid
        (result,) = last_state.last_state(evidence)
        return result.power

    assert found(2, [2, 2]) == {"state": 1, "row": 1}
    assert found(2, [2]) == {"state": 1}
    assert found(2, [2, 1]) == {"state": 1, "end": 0.5, "row": 1}
    assert found(2, [2], bidirectional=True) == {"state": 1, "end": 0.5}
    assert found(1, [1], bidirectional=True) == {"state": 1}


def test_a_state_held_through_the_padding_shows_where_it_is_not_zero() -> None:
    """h_n of the last layer is 1 and 0 forward, 0 and 0 in reverse; one step of each is padding."""
    config = Config(num_layers=2, bidirectional=True, steps=2, batch=2, lengths="ragged")
    h_n = np.zeros((4, 2, 1))
    h_n[:2], h_n[2, 0] = 9, 1
    evidence = evidence_of(config, forward=forward(np.zeros((2, 2, 2)), h_n))
    evidence.case.valid[1] = False
    (result,) = padding_zero.padding_zero(evidence)
    assert (result.verdict, result.power) == ("pass", {"held": 0.25})
    h_n[2, 0] = 0
    evidence = evidence_of(config, forward=forward(np.zeros((2, 2, 2)), h_n))
    evidence.case.valid[1] = False
    (result,) = padding_zero.padding_zero(evidence)
    assert (result.verdict, result.message) == ("inconclusive", "no element would have shown: held")


def test_a_tanh_beyond_one_shows_where_five_ulp_carry_it_there() -> None:
    """An ulp of 1 is 2^-23 in float32."""
    near, below = 1 - 5 * 2.0**-23, 1 - 5 * 2.0**-23 - 2.0**-24
    evidence = evidence_of(Config(hidden_size=4), forward=forward([[[near, -near, below, 0]]]))
    (result,) = bounded.bounded(evidence)
    assert (result.verdict, result.power) == ("pass", {"saturated": 0.5})
    evidence = evidence_of(Config(hidden_size=2), forward=forward([[[below, -below]]]))
    (result,) = bounded.bounded(evidence)
    assert (result.verdict, result.power) == ("inconclusive", {"saturated": 0})


def test_twins_show_another_row_where_it_is_further_off_than_they_may_be(monkeypatch: Any) -> None:
    """Rows 0 and 2 of 4 may differ by 1/2 and 1/2; row 1, before the twin, is 5 and 5 1/2."""
    for other, power in ((5.0, 0.0), (5.5, 1.0), (math.nan, 1.0)):
        steps = steps_of([[[4.0], [9], [4]]], [[[4.0], [other], [4.0]]])
        monkeypatch.setattr(rows_independent, "direction_steps", lambda *_, s=steps: s)
        evidence = evidence_of(
            Config(nonlinearity="relu", batch=3), observation=SimpleNamespace(repeats=())
        )
        evidence.case.twins = (0, 2)
        (result,) = rows_independent.rows_independent(evidence)
        assert result.power == {"row": power}
        assert result.verdict == ("pass" if power else "inconclusive")
