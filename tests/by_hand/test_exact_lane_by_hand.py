"""Small integers, whose sums are exact in any order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.case import Case
from harness.checks.exact_lane import exact_lane
from harness.comparison import Comparison
from harness.config import Config
from harness.probes import Probe
from tests.synthetic import case_of, evidence_of, oracle_of, outputs_of, relu_case, summary

BIASES = {"bias_ih_l0": [0, 0, 1000, 0]}


def lane(
    actual: list[float], exact: list[float], *, last: float = 2.0**24, without_bias: Any = None
) -> list[Comparison]:
    """Four units of a = 1, 2, 1000 and 2^24, the last of which may round.

    All comes from x but the third one, which comes from b_ih. `exact` is the oracle's answer,
    `without_bias` that without b_hh.
    """
    case = relu_case([[[1, 2, 0, last]]], weights=BIASES)
    faulty = {} if without_bias is None else {Probe.BIAS: outputs_of([[without_bias]])}
    oracle = oracle_of({"output": np.array([[exact]], float)}, faulty=faulty)
    return list(exact_lane(evidence_of(case, outputs_of([[actual]]), oracle=oracle)))


def test_small_integers_are_equal_or_wrong() -> None:
    (result,) = lane([1, 2, 1000, 9], [1, 2, 1000, 9])
    assert (result.part, result.cause, result.compared, result.failing, result.undefined) == (
        "layer 0 forward", None, 3, 0, 1,
    )  # fmt: skip
    assert result.ratio == 0
    assert result.power == {"bias": 0, "input": 2 / 3}
    (result,) = lane([1, 2.125, 1000, 9], [1, 2, 1000, 9])
    assert (*summary(result), result.ratio) == ("fail", "unexplained", 3, 1, math.inf)
    assert result.message == "1 of 3 sums of small integers are not exact"
    assert result.power == {"bias": 0, "input": 2 / 3}


RIGHT = [1.0, 2, 1000, 2**24 - 1]


def test_where_every_sum_was_exact_the_oracle_is_asked_too() -> None:
    _, end = lane(RIGHT, RIGHT, last=2**24 - 1)
    assert (end.part, *summary(end)) == ("output", "pass", None, 4, 0)
    assert (end.ratio, end.power) == (0, {})
    _, end = lane(RIGHT, [1, 2, 4, 2**24 - 1], last=2**24 - 1)
    assert (*summary(end), end.ratio) == ("fail", "unexplained", 4, 1, math.inf)
    assert [r.part for r in lane(RIGHT, [0] * 4)] == ["layer 0 forward"]


def test_integers_show_what_moves_the_oracles_answer_at_all() -> None:
    moved = [1, 2.125, 1000, 0]
    _, end = lane(RIGHT, RIGHT, last=2**24 - 1, without_bias=moved)
    assert (end.verdict, end.power) == ("pass", {"bias": 0.5})
    _, end = lane(RIGHT, RIGHT, last=2**24 - 1, without_bias=RIGHT)
    assert (end.verdict, end.power) == ("inconclusive", {"bias": 0})
    assert end.message == "no element would have shown: bias"


def two_layers(first: float) -> Case:
    """Both directions of both layers pass on what they get; forward, the first gets `first`."""
    config = Config.of(nonlinearity="relu", num_layers=2, bidirectional=True, bias=False)
    weights = {
        "weight_ih_l0": [[first]],
        "weight_ih_l0_reverse": [[2]],
        "weight_ih_l1": [[0, 1]],
        "weight_ih_l1_reverse": [[0, 3]],
    }
    return case_of(config, weights=weights, x=[[[1]]])


def test_every_layer_and_direction_is_asked_for_exact_sums() -> None:
    """If the first may round, the oracle is not asked for the end."""
    sides = [f"layer {layer} {side}" for layer in (0, 1) for side in ("forward", "reverse")]
    for first, parts in ((2.0**24, sides), (2.0**23, [*sides, "output"])):
        outputs = outputs_of([[[2, 6]]], np.zeros((4, 1, 1)))
        hidden = (outputs_of([[[first, 2]]], np.zeros((2, 1, 1))),)
        evidence = evidence_of(two_layers(first), outputs, hidden=hidden)
        found = list(exact_lane(evidence))
        assert [r.part for r in found] == parts
        assert [r.compared for r in found[1:4]] == [1, 1, 1]
        assert {r.failing for r in found} == {0}


def test_padding_makes_no_sum_inexact() -> None:
    case = relu_case([[[1]], [[2.0**25]]], lengths=[1], bias=False)
    step, end = exact_lane(evidence_of(case, outputs_of([[[1]], [[0]]], [[[1]]])))
    assert (step.compared, step.verdict, end.part, end.verdict) == (1, "pass", "output", "pass")
