"""A row and the others: neighbours that were replaced, and twins; made up by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import TINY, evidence_of, measured, seen, steps_of

from harness.case import make_case, perturb
from harness.checks import rows_independent
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging.power import differs
from harness.observe import Forward, Repeat


def test_neighbours_are_asked_where_a_row_was_changed(monkeypatch: Any) -> None:
    monkeypatch.setattr(rows_independent, "same_rows", lambda *given: given)
    monkeypatch.setattr(rows_independent, "_replaced", lambda *given: iter([given]))
    kinds = [
        SimpleNamespace(neighbours=n, kept=np.array([True, kept]))
        for n in (False, True)
        for kept in (False, True)
    ]
    evidence = evidence_of(Config(), observation=SimpleNamespace(repeats=kinds))
    evidence.case.twins = None
    said = "other numbers in other batch rows gave other bits"
    assert list(rows_independent.rows_independent(evidence)) == [
        (evidence, kinds[2], said, "neighbours"),
        (evidence, kinds[2]),
    ]


def replaced(
    moves: dict[str, list[float]], again: dict[str, list[float]], padding: bool = False
) -> list[Comparison]:
    """Four rows, each of one output and one state; the second and the fourth got other numbers.

    Of them the oracle moves by `moves`, from 5, and the implementation by `again`; a tolerance is
    1/4.
    """
    config = Config(batch=4, steps=2, h_0=True, lengths="ragged", data="plain")
    case, shape = make_case(config), (1, 4, 1)
    repeat_x, repeat_h_0, kept = perturb(case, padding=padding, neighbours=True)
    assert kept.tolist() == [True, False, True, False]
    assert (differs(repeat_x, case.x)[:, kept].any()) == padding

    def moved(by: dict[str, list[float]]) -> Forward:
        return Forward(*(np.reshape(by[part], shape) + 5 for part in ("output", "h_n")))

    def evaluate(other: Any) -> Forward:
        np.testing.assert_array_equal(other.x, repeat_x)
        np.testing.assert_array_equal(other.h_0, repeat_h_0)
        assert other.weights is case.weights
        return moved(moves)

    nothing = {"output": [0.0] * 4, "h_n": [0.0] * 4}
    quarter = Forward(np.full(shape, 0.25), np.full(shape, 0.25))
    oracle = SimpleNamespace(exact=moved(nothing), tolerance=quarter, evaluate=evaluate)
    first = moved({"output": [1.0] * 4, "h_n": [2.0] * 4})
    second = Forward(
        first.output + np.reshape(again["output"], shape),
        first.h_n + np.reshape(again["h_n"], shape),
    )
    evidence = SimpleNamespace(case=case, oracle=oracle, forward=first)
    repeat = Repeat(padding, True, kept, second)
    return list(rows_independent._replaced(evidence, repeat))


@pytest.mark.parametrize("padding", [False, True])
def test_rows_that_got_other_numbers_give_other_answers(padding: bool) -> None:
    """By more than four tolerances, which are 1: 5/4, 2 and -2. Kept rows may be what they like."""
    moves = {"output": [9, 1.25, 9, -1], "h_n": [9, -2, 9, 2.0]}
    still = {"output": [0.0] * 4, "h_n": [0.0] * 4}
    message = "other numbers in x and h_0 give the answer of the call before"
    failed = Comparison("replaced rows", "fail", 3, message, "unexplained", failing=3)
    passed = Comparison("replaced rows", "pass", 3, ratio=0.0)
    assert replaced(moves, still, padding) == [failed]
    # Where the oracle says little, no movement is asked for, and none proves anything.
    little = {"output": [1, 0, 1, 1.0], "h_n": [1, 0, 1, 0.0]}
    assert replaced(moves, little, padding) == [failed]
    for part, row in (("output", 1), ("h_n", 1), ("h_n", 3)):
        one = {**still, part: [float(k == row) for k in range(4)]}
        assert replaced(moves, one, padding) == [passed]
    everything = {"output": [1.0] * 4, "h_n": [1.0] * 4}
    assert replaced(moves, everything, padding) == [passed]
    within = {"output": [9, 1, 9, -1.0], "h_n": [9, -1, 9, 1.0]}
    assert replaced(within, still, padding) == []


def test_rows_that_stay_in_one_of_two_outputs_moved() -> None:
    """One and two of three: an answer handed out again would have none that moves."""
    moves = {"output": [0, 2, 0, 2.0], "h_n": [0, 0, 0, 2.0]}
    for part in ("output", "h_n"):
        again = {"output": [0.0] * 4, "h_n": [0.0] * 4, part: [0, 1, 0, 1.0]}
        assert [seen(r) for r in replaced(moves, again)] == [("pass", None, 3, 0)]


def test_a_nan_in_a_replaced_row_is_as_it_was() -> None:
    nan = [0, math.nan, 0, math.nan]
    moves = {"output": [0, 2, 0, 2.0], "h_n": [0, 0, 0, 0.0]}
    (result,) = replaced(moves, {"output": nan, "h_n": [0.0] * 4})
    assert seen(result) == ("pass", None, 2, 0)


def twins(monkeypatch: Any, actual: list[float], own: Any = None, **config: Any) -> Comparison:
    """Rows 0 and 2: a = 1 and 3/2 with E = 1/4 and 1/8, so they may differ by 7/8."""
    a, error = np.array([[[1.0], [9], [1.5]]]), np.array([[[0.25], [0], [0.125]]])
    factors = np.array([[[3.0], [99], [4.0]]])
    steps = steps_of(a, [[[v] for v in actual]], error, factors=factors)
    monkeypatch.setattr(rows_independent, "direction_steps", lambda *given: steps)
    evidence = evidence_of(Config(**{"nonlinearity": "relu", "batch": 3, **config}), own)
    evidence.case.twins = (0, 2)
    evidence.observation = SimpleNamespace(repeats=())
    *_, result = rows_independent.rows_independent(evidence)
    return result


def test_twins_may_differ_by_what_the_equation_passes_on(monkeypatch: Any) -> None:
    result = twins(monkeypatch, [1, 50, 1.875])
    assert (result.part, *seen(result), result.ratio) == (
        "twins forward", "pass", None, 1, 0, 1,
    )  # fmt: skip
    result = twins(monkeypatch, [1.75, 50, 0])
    assert (*seen(result), result.ratio) == ("fail", "unexplained", 1, 1, 2)
    assert result.worst == Worst(
        "output", 0, "forward", 0, 0, 0, actual=1.75, expected=0.0, bound=0.875
    )
    assert result.message == "rows 0 and 2 have equal content and differ more than rounding allows"


def test_twins_of_tanh_may_err_five_ulp_each(monkeypatch: Any) -> None:
    """10 ulp of 1/2, which are 10 times 2^-24, beside the 7/8."""
    allowed = 0.875 + 10 * 2.0**-24
    result = twins(monkeypatch, [0.5 + allowed, 0, 0.5], nonlinearity="tanh")
    assert result.worst is not None
    assert result.worst.bound == pytest.approx(allowed, rel=1e-15, abs=0)


def test_twins_of_the_last_layer_in_each_direction(monkeypatch: Any) -> None:
    asked = []

    def steps_asked(given: Any, layer: int, reverse: bool) -> Any:
        assert given is evidence
        asked.append((layer, reverse))
        return steps_of([[[1.0]] * 3], [[[1.0]] * 3])

    monkeypatch.setattr(rows_independent, "direction_steps", steps_asked)
    evidence = evidence_of(Config(num_layers=3, bidirectional=True, batch=3))
    evidence.case.twins = (0, 2)
    evidence.observation = SimpleNamespace(repeats=())
    found = list(rows_independent.rows_independent(evidence))
    assert asked == [(2, False), (2, True)]
    assert [r.part for r in found] == ["twins forward", "twins reverse"]
    assert found[1].worst is not None
    assert (found[1].worst.layer, found[1].worst.direction) == (2, "reverse")


def test_twins_are_excused_by_flushing_where_it_was_measured(monkeypatch: Any) -> None:
    """Twice 2 * 2 + 2 results and factors of 3 and 4: 26 smallest normal numbers more."""
    a, one = np.zeros((1, 2, 1)), 2.0**-18
    factors = np.array([[[3.0], [4.0]]])

    def cause(actual: float, own: Any) -> str | None:
        steps = steps_of(a, [[[actual], [0]]], 0.0, factors=factors)
        monkeypatch.setattr(rows_independent, "direction_steps", lambda *given: steps)
        evidence = evidence_of(Config(nonlinearity="relu", batch=3), own)
        evidence.case.twins = (0, 1)
        return rows_independent._twins(evidence, False).cause

    assert cause(26 * TINY, measured(flushes=True)) == "flush"
    assert cause((26 + one) * TINY, measured(flushes=True)) == "unexplained"
    assert cause(26 * TINY, measured(errs=True)) == cause(26 * TINY, None) == "unexplained"


def twin_steps(
    monkeypatch: Any, a: Any, actual: Any, error: Any = 0.0, own: Any = None, **changes: Any
) -> Comparison:
    """Rows 0 and 2 of three, of any steps and units; relu, and a float32."""
    nonlinearity = changes.pop("nonlinearity", "relu")
    steps = steps_of(a, actual, error, **changes)
    monkeypatch.setattr(rows_independent, "direction_steps", lambda *given: steps)
    hidden = steps.a.shape[2]
    evidence = evidence_of(Config(nonlinearity=nonlinearity, batch=3, hidden_size=hidden), own)
    evidence.case.twins = (0, 2)
    return rows_independent._twins(evidence, False)


def test_equal_twins_are_right_whatever_is_allowed(monkeypatch: Any) -> None:
    """Nothing is allowed of the first unit, and nothing can be computed of the second."""
    inf = math.inf
    result = twin_steps(
        monkeypatch, [[[0.5, 1], [9, 9], [0.5, 1]]], [[[0.5, inf], [9, 9], [0.5, inf]]]
    )
    assert (*seen(result), result.ratio, result.power) == ("pass", None, 2, 0, 0, {"row": 1})


def test_twins_are_compared_where_both_have_a_bound(monkeypatch: Any) -> None:
    """Of four steps in the first and the last; the row between is another one in the first."""
    defined = np.array([[[d] for d in row] for row in ((1, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 1))])
    actual = [[[1], [7], [1]], [[1], [8], [8]], [[1], [8], [8]], [[1], [1], [1]]]
    result = twin_steps(monkeypatch, np.ones((4, 3, 1)), actual, defined=defined.astype(bool))
    assert (*seen(result), result.undefined) == ("pass", None, 2, 0, 2)
    assert result.power == {"row": 0.5}


def test_twins_that_differ_later_are_named_with_their_step(monkeypatch: Any) -> None:
    actual = np.ones((3, 3, 2))
    actual[2, 0, 1] = 4
    worst = twin_steps(monkeypatch, np.ones((3, 3, 2)), actual).worst
    assert worst == Worst("output", 0, "forward", 2, 0, 1, actual=4.0, expected=1.0)


def test_twins_of_tanh_err_by_ulp_of_their_own_size(monkeypatch: Any) -> None:
    """0.18 has an ulp of 2^-26, and what is no smaller than 1 that of the number below 1."""
    for value, error, ulp in ((0.125, 0.0625, 2.0**-26), (3.0, 0.5, 2.0**-24)):
        actual = [[[0.5 + 2 * error], [0], [0.25]]]
        result = twin_steps(
            monkeypatch, np.full((1, 3, 1), value), actual, error, nonlinearity="tanh"
        )
        allowed = 2 * error + 10 * ulp
        assert result.worst is not None
        assert result.worst.bound == pytest.approx(allowed, rel=1e-15, abs=0)


def test_flushing_excuses_no_twins_further_apart(monkeypatch: Any) -> None:
    """Factors of 3 and 3, so 12 + 2 * 3 = 18 smallest normal numbers, twice the 2 * 2 + 2 + 3."""
    flushes = measured(flushes=True)
    ones = np.ones((2, 3, 1))

    def cause(first: float, second: float, error: float = 0.0, undefined: float = 1.0) -> Any:
        actual = [[[first], [9], [second]], [[undefined], [9], [1]]]
        defined = np.array([[[True]] * 3, [[False]] * 3])
        result = twin_steps(monkeypatch, ones, actual, error, flushes, defined=defined)
        assert result.verdict == "fail"
        return result.cause

    amount = 2 * (2 * 2 + 2 + 3 + 3) * TINY
    assert cause(amount, 0) == cause(0, amount) == "flush"
    assert cause(1.25 * amount, 0.25 * amount) == cause(0.5 * amount, -0.5 * amount) == "flush"
    assert cause(1.25 * amount, 0) == "unexplained"
    # Half as much again as rounding allows is no subnormal; what has no bound needs no excuse.
    assert cause(0.75, 0, error=0.25) == "unexplained"
    assert cause(amount, 0, undefined=99) == "flush"
