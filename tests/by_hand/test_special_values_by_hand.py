"""NaN and infinities by hand: what must come out of each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.checks.special_values import special_values
from harness.comparison import Comparison
from harness.config import Config
from tests.synthetic import case_of, evidence_of, outputs_of, summary

INF, NAN = math.inf, math.nan
UNSEEN = "the stack's own hidden states were not seen: a shorter stack gives other bits"


def judged(a: list[float], actual: list[float], nonlinearity: str = "relu") -> list[Comparison]:
    """Rows of one unit, each with its own pre-activation."""
    config = Config.of(nonlinearity=nonlinearity, batch=len(a), data="special")
    case = case_of(config, weights={"weight_ih_l0": [[1]]}, x=np.reshape(a, (1, -1, 1)))
    return list(special_values(evidence_of(case, outputs_of(np.reshape(actual, (1, -1, 1))))))


def test_nan_and_infinities_come_out_as_the_equation_says() -> None:
    both, infinite = judged([NAN, INF, -INF, 1], [NAN, INF, 0, 99])
    assert (both.part, both.requirement, *summary(both)) == (
        "layer 0 forward, nan", "nan", "pass", None, 1, 0,
    )  # fmt: skip
    assert (infinite.part, infinite.requirement, *summary(infinite)) == (
        "layer 0 forward, infinity", "infinity", "pass", None, 2, 0,
    )  # fmt: skip
    assert judged([1, 2], [9, 9]) == []


@pytest.mark.parametrize(
    ("actual", "failing", "cause"),
    [([NAN, 0, 5], 1, "nan"), ([0, 0, 5], 2, "nan"), ([NAN, 3, 5], 1, "unexplained")],
)
def test_nan_that_becomes_0_and_nan_that_becomes_a_number(
    actual: list[float], failing: int, cause: str
) -> None:
    (result,) = judged([NAN, NAN, 1], actual)
    assert summary(result) == ("fail", cause, 2, failing)
    assert result.message == f"{failing} of 2 states must be NaN"


def test_an_infinity_that_becomes_something_else() -> None:
    (result,) = judged([INF, -INF, INF], [0, 0, INF])
    assert summary(result) == ("fail", "unexplained", 3, 1)
    assert result.message == "1 of 3 states must be what the equation gives of an infinity"


@pytest.mark.parametrize("name", ["weight_ih_l0", "bias_ih_l0"])
def test_an_infinite_parameter_is_no_finite_term_that_may_overflow(name: str) -> None:
    config = Config.of(nonlinearity="relu", data="special")
    case = case_of(
        config,
        weights={"weight_ih_l0": [[1]], name: [[INF]] if "weight" in name else [INF]},
        x=[[[1]]],
    )
    (result,) = special_values(evidence_of(case, outputs_of([[[INF]]])))
    assert (result.part, result.verdict) == ("layer 0 forward, infinity", "pass")


def test_every_layer_and_direction_is_asked_for_special_values() -> None:
    """Nothing is concluded of the second layer, whose input was not seen."""
    config = Config.of(nonlinearity="relu", num_layers=2, bidirectional=True, data="special")
    weights = {name: np.full(shape, NAN) for name, shape in config.parameter_shapes().items()}
    nothing, final = np.full((1, 1, 2), NAN), np.zeros((4, 1, 1))
    evidence = evidence_of(
        case_of(config, weights=weights),
        outputs_of(nothing, final),
        hidden=(outputs_of(nothing, final[:2] + 1),),
    )
    found = list(special_values(evidence))
    sides = [f"layer {layer} {side}, nan" for layer in (0, 1) for side in ("forward", "reverse")]
    assert [r.part for r in found] == sides
    assert [(r.verdict, r.ratio) for r in found] == [("pass", 0)] * 2 + [("inconclusive", 0)] * 2
    assert {r.message for r in found[2:]} == {UNSEEN}


@pytest.mark.parametrize("weight", [INF, -INF, NAN])
@pytest.mark.parametrize(("h_0", "bias", "judged_steps"), [(None, 0, 1), (0, 0, 2), (None, NAN, 2)])
def test_a_state_that_is_absent_need_not_be_multiplied(
    weight: float, h_0: int | None, bias: float, judged_steps: int
) -> None:
    """relu of x = 1, and then of 1 + w: the first step is open, unless it is NaN anyhow."""
    config = Config.of(nonlinearity="relu", steps=2, states=h_0 is not None, data="special")
    weights = {"weight_ih_l0": [[1]], "weight_hh_l0": [[weight]], "bias_ih_l0": [bias]}
    given: dict[str, Any] = {} if h_0 is None else {"h_0": np.zeros((1, 1, 1))}
    case = case_of(config, weights=weights, x=np.ones((2, 1, 1)), **given)
    for first in (1.0, NAN):
        second = np.maximum(1 + weight * first + bias, 0)
        evidence = evidence_of(case, outputs_of([[[first]], [[second]]], [[[second]]]))
        found = list(special_values(evidence))
        assert sum(r.compared for r in found) == judged_steps
        wrong = first == 1 and judged_steps == 2
        assert ("fail" in {r.verdict for r in found}) is wrong


def test_a_zero_shows_where_it_is_not_what_must_come_out() -> None:
    """relu of infinities is infinite or 0; NaN is no zero. What is finite is not counted."""
    both, infinite = judged([NAN, INF, -INF, INF, -INF, 1], [NAN, INF, 0, INF, 0, 1])
    assert (both.power, infinite.power) == ({"zero": 1}, {"zero": 0.5})
    (result,) = judged([-INF, 1, 2], [0, 1, 2])
    assert (result.verdict, result.power) == ("inconclusive", {"zero": 0})
    (result,) = judged([INF, -INF], [1, -1], "tanh")
    assert (result.verdict, result.power) == ("pass", {"zero": 1})


def test_a_row_that_overflowed_is_left_open_from_that_layer_on() -> None:
    """Row 1 of three, in reverse of the second layer, whose second unit has finite sums.

    All other steps must give NaN, and do not.
    """
    config = Config.of(
        nonlinearity="relu", num_layers=3, bidirectional=True, steps=2, batch=3, hidden_size=2,
        data="special",
    )  # fmt: skip
    weights = {
        name: np.full(shape, NAN)
        for name, shape in config.parameter_shapes().items()
        if name.startswith("bias_ih")
    }
    weights["bias_ih_l1_reverse"][1] = 5
    zero, final = np.zeros((2, 3, 4)), np.zeros((6, 3, 2))
    overflowed = zero.copy()
    overflowed[1, 1, 3] = INF
    hidden = outputs_of(zero, final[:2]), outputs_of(overflowed, final[:4])
    evidence = evidence_of(case_of(config, weights=weights), outputs_of(zero, final), hidden=hidden)
    assert [(r.part, r.compared) for r in special_values(evidence)] == [
        ("layer 0 forward, nan", 12), ("layer 0 reverse, nan", 12),
        ("layer 1 forward, nan", 8), ("layer 1 reverse, nan", 4),
        ("layer 2 forward, nan", 8), ("layer 2 reverse, nan", 8),
    ]  # fmt: skip


def test_padding_has_no_special_values() -> None:
    config = Config.of(nonlinearity="relu", steps=2, data="special")
    case = case_of(config, lengths=[1], weights={"bias_ih_l0": [NAN]})
    (result,) = special_values(evidence_of(case, outputs_of([[[NAN]], [[7]]])))
    assert summary(result) == ("pass", None, 1, 0)


def infinity(x: float, h_0: float, state: float, bias: float = 252) -> list[str]:
    """Parts judged of float16, where the second step of a row gets an infinity, and -2 x.

    It starts from `-state`, the first step from h_0; biases are -500 and `bias`. Another row has
    a state that is infinite.
    """
    config = Config.of(
        nonlinearity="relu", dtype="fp16", input_size=2, states=True, steps=2, batch=2,
        data="special",
    )  # fmt: skip
    weights = {
        "weight_ih_l0": [[1, -2]],
        "weight_hh_l0": [[3]],
        "bias_ih_l0": [-500],
        "bias_hh_l0": [bias],
    }
    rows = [[[0, 0], [0, 0]], [[INF, x], [0, 0]]]
    case = case_of(config, weights=weights, x=rows, h_0=[[[h_0], [0]]])
    actual = [[[-state], [-INF]], [[INF], [0]]]
    found = list(special_values(evidence_of(case, outputs_of(actual))))
    assert all(r.compared == 1 for r in found)
    return [r.part for r in found]


JUDGED = ["layer 0 forward, infinity"]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ((1000, 10000, 0), []),  # 2000 + 30000 + 752 = 32752, half of 65504
        ((-1000, 10000, 0), []),
        ((999, 10000, 0), JUDGED),
        ((1000, 0, 10000), []),
        ((999, 0, 10000), JUDGED),
        # Where no number is larger than 1/2, and for what is not finite, no more than that counts.
        ((15992, 0.5, 0.5, 266), JUDGED),  # 31984 + 3 / 2 + 766 = 32751 1/2
        ((15992, 0.5, 0.5, 267), []),
    ],
)
def test_finite_terms_may_overflow_from_half_the_largest_number_on(
    given: Any, parts: list[str]
) -> None:
    """float16: of 2 |x|, 3 times the largest state or h_0, and two biases."""
    assert infinity(*given) == parts


@pytest.mark.parametrize("large", [0, 1])
def test_finite_terms_are_those_of_the_direction_that_is_asked_for(large: int) -> None:
    sides = ("", "_reverse")
    weights = {
        f"weight_ih_l0{side}": [[1, 60000 if k == large else 1]] for k, side in enumerate(sides)
    }
    config = Config.of(
        nonlinearity="relu", dtype="fp16", input_size=2, bidirectional=True, bias=False,
        data="special",
    )  # fmt: skip
    case = case_of(config, weights=weights, x=[[[INF, 1]]])
    (result,) = special_values(evidence_of(case, outputs_of([[[INF, INF]]], np.zeros((2, 1, 1)))))
    assert result.part == f"layer 0 {('reverse', 'forward')[large]}, infinity"
