"""A stack's first layers alone, and whether they are the stack's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.activation import OwnActivations
from harness.checks.prefix import prefix
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.excuses import flush
from harness.judging.hidden_layers import same_states
from harness.oracle import Oracle
from tests.synthetic import case_of, evidence_of, measured, oracle_of, outputs_of, summary

TWO = Config.of(num_layers=2)
NAN = math.nan


def evidence_on(
    stack: tuple[float, float], shorter: float, tolerance: float, nan: bool = False
) -> Evidence:
    """h_n of two layers, and that of the first one alone; the tolerance of the first, of 9."""
    both = np.array([tolerance, 9]).reshape(2, 1, 1)
    exact = {"output": np.zeros((1, 1, 1)), "h_n": np.zeros((2, 1, 1))}
    oracle = oracle_of(
        exact,
        {"output": np.zeros((1, 1, 1)), "h_n": both},
        surely_nan={"h_n": np.full((2, 1, 1), nan)},
    )
    hidden = (outputs_of([[[0]]], [[[shorter]]]),)
    outputs = outputs_of([[[0]]], np.reshape(stack, (2, 1, 1)))
    return evidence_of(TWO, outputs, oracle=oracle, hidden=hidden)


def judged(
    stack: tuple[float, float], shorter: float, tolerance: float, nan: bool = False
) -> tuple[Comparison, list[bool]]:
    """And whether none, and one, of the layers were seen."""
    evidence = evidence_on(stack, shorter, tolerance, nan)
    (result,) = prefix(evidence)
    return result, [same_states(evidence, 0), same_states(evidence, 1)]


def test_a_shorter_stack_has_the_same_bits() -> None:
    result, same = judged((4, 7), 4, 0.5)
    assert (result.part, *summary(result)) == ("first 1 layer", "pass", None, 1, 0)
    assert (result.power, same) == ({"layer": 1}, [True, True])


def test_a_layer_that_equals_the_next_one_shows_nothing() -> None:
    result, _ = judged((4, 4), 4, 0.5)
    assert (*summary(result), result.power) == ("inconclusive", None, 1, 0, {"layer": 0})
    assert result.message == "no element would have shown: layer"


def test_a_nan_of_one_stack_alone_is_no_rounding_where_the_oracle_is_surely_nan() -> None:
    for stack, shorter in ((NAN, 4.0), (4.0, NAN)):
        result, same = judged((stack, 7), shorter, NAN, nan=True)
        assert (*summary(result), result.ratio) == ("fail", "unexplained", 1, 1, math.inf)
        assert same == [True, False]
        result, _ = judged((stack, 7), shorter, NAN)
        assert summary(result) == ("inconclusive", None, 0, 0)
    result, _ = judged((5, 7), 4, NAN, nan=True)
    assert (*summary(result), result.ratio) == ("inconclusive", None, 1, 0, 0)


def test_a_shorter_stack_that_rounds_otherwise_shows_nothing() -> None:
    """By no more than twice a tolerance of 1/2."""
    result, same = judged((5, 7), 4, 0.5)
    assert (*summary(result), result.ratio) == ("inconclusive", None, 1, 0, 1)
    assert same == [True, False]
    message = "h_n of the whole stack differs from h_n of its first layers alone"
    assert result.message == message
    result, _ = judged((6, 7), 4, 0.5)
    assert (*summary(result), result.ratio) == ("fail", "unexplained", 1, 1, 2)
    assert (result.part, result.message) == ("first 1 layer", message)
    assert result.worst == Worst(
        "h_n", 0, "forward", None, 0, 0, actual=6.0, expected=4.0, bound=1.0
    )
    result, _ = judged((6, 7), 4, math.inf)
    assert summary(result) == ("inconclusive", None, 0, 0)
    result, _ = judged((5, 7), 4, 0.25)
    assert (result.verdict, result.ratio) == ("fail", 2)


def test_a_shorter_stack_may_flush_otherwise() -> None:
    """By what flushing may move the oracle, beside twice its tolerance."""
    case = case_of(TWO, weights={"weight_ih_l0": [[1]], "weight_ih_l1": [[1]]})
    allowed = float(2 * Oracle(case).tolerance["h_n"][0].item())
    allowed += float(flush(Oracle(case)).extra["h_n"][0].item())
    flushes = measured(flushes=True)

    def cause(amount: float, own: OwnActivations | None) -> Any:
        outputs = outputs_of([[[0]]], [[[amount]], [[1]]])
        hidden = (outputs_of([[[0]]], [[[0]]]),)
        (result,) = prefix(evidence_of(case, outputs, own=own, hidden=hidden))
        assert result.verdict == "fail"
        return result.cause

    assert cause(0.999 * allowed, flushes) == "flush"
    assert cause(1.001 * allowed, flushes) == "unexplained"
    assert cause(0.999 * allowed, measured()) == cause(0.999 * allowed, None) == "unexplained"


def test_each_shorter_stack_shows_all_its_layers() -> None:
    config = Config.of(num_layers=3, bidirectional=True)
    stack = np.arange(6.0).reshape(6, 1, 1)
    hidden = tuple(outputs_of(np.zeros((1, 1, 2)), stack[: 2 * k]) for k in (1, 2))
    outputs = outputs_of(np.zeros((1, 1, 2)), stack)
    evidence = evidence_of(config, outputs, hidden=hidden)
    parts = [(r.part, r.compared) for r in prefix(evidence)]
    assert parts == [("first 1 layer", 2), ("first 2 layers", 4)]
    hidden[1]["h_n"][3] = 99
    assert [same_states(evidence, k) for k in (0, 1, 2)] == [True, True, False]
