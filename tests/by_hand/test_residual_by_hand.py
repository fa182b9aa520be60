"""The residual of steps made up by hand, its power, and what excuses a failure."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from made_up import TINY, evidence_of, measured, steps_of

from harness.checks import step_residual
from harness.checks.step_residual import _judge
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging.power import power_of
from harness.judging.steps import DirectionSteps
from reference import FORMATS, activation_interval


def one_layer(steps: DirectionSteps, own: Any = None, **changes: Any) -> Any:
    length, batch, _ = steps.a.shape
    config = Config(nonlinearity="relu", steps=length, batch=batch, bias=False, **changes)
    return evidence_of(config, own)


def steps_with_power(reverse: bool) -> DirectionSteps:
    """Two steps, three rows, one unit, every E = 1/2; the last row has no bound."""
    from_input = np.array([[[4.0], [2.0], [np.inf]], [[5.0], [0.5], [7.0]]])
    from_state = np.array([[[1.0], [3.0], [0.0]], [[2.0], [0.25], [0.5]]])
    a = from_input + from_state + 1.5
    return steps_of(
        a,
        np.zeros(a.shape),
        from_input=from_input,
        from_state=from_state,
        b_ih=np.array([1.0]),
        b_hh=np.array([0.5]),
        defined=np.broadcast_to(np.array([[True], [True], [False]]), a.shape),
        reverse=reverse,
    )


@pytest.mark.parametrize(("reverse", "state"), [(False, 1.0), (True, 0.75)])
def test_power_by_hand(reverse: bool, state: float) -> None:
    """Of four elements, those that move by more than 1/2.

    bias: all by 1/2. input: by 4, 2, 5 and 1/2. row: by infinity and 0, by 1/2 and 6 1/4. state:
    forward by -1, -3, then -1, 2 3/4; in reverse by 1, -2 3/4, then -2, -1/4.
    """
    steps = steps_with_power(reverse)
    evidence = one_layer(steps)
    evidence.config = Config(nonlinearity="relu", steps=2, batch=3)
    expected = {"bias": 0.0, "input": 0.75, "row": 0.25, "state": state}
    assert power_of(evidence, steps) == expected
    (result,) = _judge(evidence, steps)
    assert (result.verdict, result.power) == ("fail", expected)


def test_power_downwards_and_upwards() -> None:
    """A bias of -1 or 1 leaves an interval of 1/2 to either side."""
    for bias in (-1.0, 1.0):
        steps = steps_of([[[4.0]]], [[[4.0]]], b_hh=np.array([bias]))
        evidence = one_layer(steps)
        evidence.config = Config(nonlinearity="relu")
        assert power_of(evidence, steps) == {"bias": 1.0, "input": 1.0}


def test_power_takes_away_what_a_fault_drops() -> None:
    """a = -2: without 4 it is -6, which is 0 to relu as well; with 4 twice it would not be."""
    steps = steps_of([[[-2.0]]], [[[0.0]]], from_input=np.full((1, 1, 1), 4.0))
    assert power_of(one_layer(steps), steps) == {"input": 0.0}
    steps = steps_of([[[-2.0]]], [[[0.0]]], b_hh=np.array([4.0]))
    evidence = one_layer(steps)
    evidence.config = Config(nonlinearity="relu")
    assert power_of(evidence, steps)["bias"] == 0.0


@pytest.mark.parametrize(("reverse", "share"), [(False, 3 / 4), (True, 2 / 4)])
def test_power_of_a_state_too_old_in_four_steps(reverse: bool, share: float) -> None:
    """W_hh h of 4, 6, 6 and 0. Forward: 0 - 4, 4 - 6, 0, 6 - 0; in reverse 6 - 4, 0, 0 - 6, 0."""
    from_state = np.array([4.0, 6, 6, 0])[:, None, None]
    steps = steps_of(np.full((4, 1, 1), 9.0), np.zeros((4, 1, 1)), from_state=from_state)
    steps = dataclasses.replace(steps, reverse=reverse)
    assert power_of(one_layer(steps), steps)["state"] == share


def test_power_is_asked_only_for_faults_that_can_occur() -> None:
    one = np.ones((1, 1, 1))
    steps = steps_of(4 * one, 4 * one, from_state=one)
    assert power_of(one_layer(steps), steps) == {"input": 1.0}
    assert power_of(one_layer(steps, h_0=True), steps) == {"input": 1.0, "state": 1.0}
    steps = steps_of([[[4.0]], [[4.0]]], [[[4.0]], [[4.0]]], from_state=np.ones((2, 1, 1)))
    assert power_of(one_layer(steps), steps) == {"input": 1.0, "state": 0.5}
    steps = steps_of([[[4.0], [4.0]]], [[[4.0], [4.0]]])
    shares = {"input": 1.0, "row": 0.0, "state": 0.0}
    assert power_of(one_layer(steps, h_0=True), steps) == shares


def test_nothing_compared_has_no_power() -> None:
    steps = steps_of([[[4.0]]], [[[4.0]]], defined=np.zeros((1, 1, 1), bool))
    assert power_of(one_layer(steps), steps) == {"input": 0.0}
    evidence = one_layer(steps)
    evidence.case.valid[:] = False
    assert power_of(evidence, steps) == {}


def test_power_where_equality_is_asked_for() -> None:
    """a = 4, 4, -1 and 4, of which the last is not compared; 4, 1/4, 4 and 4 come from x."""
    steps = steps_of([[[4.0, 4, -1, 4]]], [[[0] * 4]], from_input=np.array([[[4, 0.25, 4, 4]]]))
    exact = np.array([[[True, True, True, False]]])
    assert power_of(one_layer(steps), steps, exact=exact) == {"input": 2 / 3}
    assert power_of(one_layer(steps), steps) == {"input": 2 / 4}


def judged(steps: DirectionSteps, own: Any = None) -> list[Comparison]:
    return list(_judge(one_layer(steps, own), steps))


def failing_steps(reverse: bool) -> DirectionSteps:
    """Four steps, two rows, two units; a = 4 +- 1/2. Wrong are both units of row 0 at step 1,
    unit 0 of it at step 2, and unit 1 of row 1 at step 2; one element has no bound, and one lies
    at the very end of its interval."""
    actual = np.full((4, 2, 2), 4.0)
    actual[1, 0] = 5.0, 4.75
    actual[2, 0, 0] = actual[2, 1, 1] = 3.0
    actual[0, 0, 0] = 99.0
    actual[3, 1, 0] = 4.5
    defined = np.ones((4, 2, 2), bool)
    defined[0, 0, 0] = False
    return steps_of(np.full((4, 2, 2), 4.0), actual, reverse=reverse, defined=defined)


@pytest.mark.parametrize(
    ("reverse", "first", "value", "conditional"),
    [(False, (1, 0, 0), 5, 1), (True, (2, 0, 0), 3, 2)],
)
def test_residual_by_hand(
    reverse: bool, first: tuple[int, int, int], value: float, conditional: int
) -> None:
    """Behind the first wrong step of its own row, in the direction's own order, an element is
    wrong on a condition."""
    (result,) = judged(failing_steps(reverse))
    side = "reverse" if reverse else "forward"
    assert result.part == f"layer 0 {side}"
    assert (result.verdict, result.cause) == ("fail", "unexplained")
    assert (result.compared, result.failing, result.undefined) == (15, 4, 1)
    assert result.conditional == conditional
    judged_as = {"expected": 4.0, "pre_activation": 4.0}
    assert result.first == Worst("output", 0, side, *first, actual=value, **judged_as)
    assert result.worst == Worst("output", 0, side, 1, 0, 0, actual=5.0, bound=0.5, **judged_as)
    assert result.message == "4 of 15 states cannot come from the equation"
    assert result.power == {"input": 1.0, "row": 0.0, "state": 0.0}


def test_padding_is_not_counted_as_undefined() -> None:
    steps = failing_steps(False)
    evidence = one_layer(steps)
    evidence.case.valid[0, 0] = False
    (result,) = _judge(evidence, steps)
    assert result.undefined == 0


def test_flushing_explains_a_smallest_normal_number_for_each_operation() -> None:
    """2 terms: 4 results; factors of magnitude 3; the state itself: 8 in all, around a = 10."""
    a = np.full((1, 1, 4), 10 * TINY)
    one = 2.0**-18
    actual = TINY * np.array([2, 2 - one, 18, 18 + one]).reshape(a.shape)
    steps = steps_of(a, actual, error=0.0)
    flushed, other = judged(steps, measured(flushes=True))
    assert (flushed.cause, flushed.failing, flushed.compared) == ("flush", 2, 2)
    assert (other.cause, other.failing, other.compared) == ("unexplained", 2, 2)
    assert {flushed.verdict, other.verdict} == {"fail"}
    assert [r.cause for r in judged(steps, measured())] == ["unexplained"]
    assert [r.cause for r in judged(steps)] == ["unexplained"]


def test_an_activation_explains_the_errors_measured_over_the_interval() -> None:
    """a = 1 +- 1/4, errors from -1/2 to 1: from 1/4 to 2 1/4."""
    asked = []

    def error_range(low: Any, high: Any) -> tuple[Any, Any]:
        asked.append((low.tolist(), high.tolist()))
        return np.full(low.shape, -0.5), np.full(high.shape, 1.0)

    a, one = np.ones((1, 1, 4)), 2.0**-20
    steps = steps_of(a, [[[0.25, 0.25 - one, 2.25, 2.25 + one]]], error=0.25)
    own = measured(errs=True, error_range=error_range)
    explained, other = judged(steps, own)
    assert asked[0] == ([[[0.75] * 4]], [[[1.25] * 4]])
    assert (explained.cause, explained.failing, explained.compared) == ("activation", 2, 2)
    assert (other.cause, other.failing, other.compared) == ("unexplained", 2, 2)
    assert explained.worst is not None
    assert explained.worst.unit == 2


def test_an_element_has_one_cause_and_right_ones_stand_in_every_comparison() -> None:
    """Wrong by 4 smallest numbers, by 1, by 9, and not at all."""
    a = np.zeros((1, 1, 4))
    steps = steps_of(a, [[[4 * TINY, 1.0, 9.0, 0.0]]], error=0.0)
    own = measured(True, True, error_range=lambda low, high: (low - 2, high + 2))
    found = [(r.cause, r.compared, r.failing) for r in judged(steps, own)]
    assert found == [("flush", 2, 1), ("activation", 2, 1), ("unexplained", 2, 1)]


def test_a_residual_that_nothing_would_have_shown_is_inconclusive() -> None:
    """An input of 1/4 within 1/2; both rows alike."""
    (result,) = judged(steps_of([[[0.25], [0.25]]], [[[0.25], [0.25]]]))
    assert (result.verdict, result.cause) == ("inconclusive", None)
    assert result.message == "no element would have shown: input, row"
    (result,) = judged(steps_of([[[4.0], [2.0]]], [[[4.5], [2.0]]]))
    assert (result.verdict, result.message, result.ratio) == ("pass", "", 1)
    assert result.power == {"input": 1.0, "row": 1.0}


def test_flushing_is_excused_beside_the_five_ulp_of_tanh() -> None:
    """At 7 smallest normal numbers, 7 * 2^-126, an ulp is 2^-147; and one number more is stored."""
    a, ulp = np.zeros((1, 1, 2)), 2.0**-147
    actual = 8 * TINY + np.array([[[4 * ulp, 6 * ulp]]])
    interval = activation_interval("tanh", a, a, FORMATS["fp32"])
    steps = steps_of(a, actual, error=0.0, interval=interval)
    evidence = one_layer(steps, measured(flushes=True))
    evidence.config = Config(nonlinearity="tanh", hidden_size=2)
    assert [(r.cause, r.failing) for r in _judge(evidence, steps)] == [
        ("flush", 1),
        ("unexplained", 1),
    ]


def test_layers_behind_one_that_was_not_seen_conclude_nothing(monkeypatch: Any) -> None:
    """Of three layers the input of the second was not seen: it and the third are open."""
    asked = []
    monkeypatch.setattr(step_residual, "same_states", lambda evidence, layer: layer != 1)

    def made(evidence: Any, layer: int, reverse: bool) -> Any:
        asked.append((layer, reverse))
        return steps_of([[[4.0]]], [[[9.0]]], layer=layer, reverse=reverse)

    monkeypatch.setattr(step_residual, "direction_steps", made)
    evidence = one_layer(steps_of([[[4.0]]], [[[4.0]]]))
    evidence.config = Config(nonlinearity="relu", num_layers=3, bidirectional=True)
    found = list(step_residual.step_residual(evidence))
    assert asked == [(layer, reverse) for layer in range(3) for reverse in (False, True)]
    assert [(r.verdict, r.cause) for r in found] == [("fail", "unexplained")] * 2 + [
        ("inconclusive", None)
    ] * 4
    said = "the stack's own hidden states were not seen: a shorter stack gives other bits"
    assert {r.message for r in found[2:]} == {said}
    assert [r.failing for r in found] == [1] * 6
