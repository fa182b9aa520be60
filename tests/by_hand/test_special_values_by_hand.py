"""NaN and infinities made up by hand: what must come out of each."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import TINY, evidence_of, seen, steps_of

from harness.case import make_case
from harness.checks import special_values
from harness.config import Config
from harness.judging import excuses
from harness.observe import Forward
from harness.oracle import Oracle


def special(monkeypatch: Any, a: list[float], actual: list[float], **more: Any) -> Any:
    steps = steps_of([[a]], [[actual]], 0.0)
    monkeypatch.setattr(special_values, "direction_steps", lambda *given: steps)
    monkeypatch.setattr(special_values, "same_states", lambda *given: more.get("seen", True))
    overflows = np.zeros((1, 1, len(a)), bool)
    overflows[0, 0, more.get("overflowing", [])] = True
    monkeypatch.setattr(special_values, "_overflows", lambda *given: overflows)
    evidence = evidence_of(Config(hidden_size=len(a), nonlinearity="relu"))
    return list(special_values.special_values(evidence))


def test_nan_and_infinities_come_out_as_the_equation_says(monkeypatch: Any) -> None:
    inf, nan = math.inf, math.nan
    both, infinite = special(monkeypatch, [nan, inf, -inf, 1], [nan, inf, 0, 99])
    assert (both.part, both.requirement, *seen(both)) == (
        "layer 0 forward, nan", "nan", "pass", None, 1, 0,
    )  # fmt: skip
    assert (infinite.part, infinite.requirement, *seen(infinite)) == (
        "layer 0 forward, infinity", "infinity", "pass", None, 2, 0,
    )  # fmt: skip
    assert special(monkeypatch, [1, 2], [9, 9]) == []


def test_nan_that_becomes_0_and_nan_that_becomes_a_number(monkeypatch: Any) -> None:
    nan = math.nan
    for actual, failing, cause in (
        ([nan, 0, 5], 1, "nan"), ([0, 0, 5], 2, "nan"), ([nan, 3, 5], 1, "unexplained")
    ):  # fmt: skip
        (result,) = special(monkeypatch, [nan, nan, 1], actual)
        assert seen(result) == ("fail", cause, 2, failing)
        assert result.message == f"{failing} of 2 states must be NaN"


def test_an_infinity_that_becomes_something_else(monkeypatch: Any) -> None:
    inf = math.inf
    (result,) = special(monkeypatch, [inf, -inf, inf], [0, 0, inf])
    assert seen(result) == ("fail", "unexplained", 3, 1)
    assert result.message == "1 of 3 states must be what the activation gives of an infinity"
    (result,) = special(monkeypatch, [inf, -inf, inf], [0, 0, inf], overflowing=[0])
    assert seen(result) == ("pass", None, 2, 0)
    (result,) = special(monkeypatch, [inf, -inf, inf], [0, 0, inf], seen=False)
    assert seen(result) == ("inconclusive", None, 3, 1)
    assert result.message == (
        "the stack's own hidden states were not seen: a shorter stack gives other bits"
    )


def test_every_layer_and_direction_is_asked_for_special_values(monkeypatch: Any) -> None:
    asked = []

    def made(given: Any, layer: int, reverse: bool) -> Any:
        asked.append(("steps", given is evidence, layer, reverse))
        return steps_of([[[math.nan]]], [[[math.nan]]], 0.0, layer=layer, reverse=reverse)

    def overflows(given: Any, layer: int, reverse: bool) -> Any:
        asked.append(("overflows", given is evidence, layer, reverse))
        return np.zeros((1, 1, 1), bool)

    def same(given: Any, layer: int) -> bool:
        return given is evidence and layer == 0

    monkeypatch.setattr(special_values, "direction_steps", made)
    monkeypatch.setattr(special_values, "_overflows", overflows)
    monkeypatch.setattr(special_values, "same_states", same)
    evidence = evidence_of(Config(nonlinearity="relu", num_layers=2, bidirectional=True))
    found = list(special_values.special_values(evidence))
    assert asked == [
        (kind, True, layer, reverse)
        for layer in (0, 1)
        for kind in ("steps", "overflows")
        for reverse in (False, True)
    ]
    assert [(r.verdict, r.ratio) for r in found] == [("pass", 0)] * 2 + [("inconclusive", 0)] * 2


def test_a_zero_shows_where_it_is_not_what_must_come_out(monkeypatch: Any) -> None:
    """relu of infinities is infinite or 0; NaN is no zero. What is finite is not counted."""
    inf, nan = math.inf, math.nan
    both, infinite = special(monkeypatch, [nan, inf, -inf, inf, -inf, 1], [nan, inf, 0, inf, 0, 1])
    assert (both.power, infinite.power) == ({"zero": 1}, {"zero": 0.5})
    (result,) = special(monkeypatch, [-inf, 1, 2], [0, 1, 2])
    assert (result.verdict, result.power) == ("inconclusive", {"zero": 0})
    monkeypatch.setattr(special_values, "exact_activation", lambda name, a: np.sign(a))
    (result,) = special(monkeypatch, [inf, -inf], [1, -1])
    assert (result.verdict, result.power) == ("pass", {"zero": 1})


def test_a_row_that_overflowed_is_left_open_from_that_layer_on(monkeypatch: Any) -> None:
    """Row 1 of three, in reverse of the first layer; a finite sum is infinite in its second step.

    Each layer's second step must give NaN, and does not.
    """
    inf, nan = math.inf, math.nan

    def made(given: Any, layer: int, reverse: bool) -> Any:
        a, actual = np.full((2, 3, 2), nan), np.zeros((2, 3, 2))
        if layer == 1 and reverse:
            a[1, 1, 1], actual[1, 1, 1] = 5.0, inf
        return steps_of(a, actual, 0.0, layer=layer, reverse=reverse)

    monkeypatch.setattr(special_values, "direction_steps", made)
    monkeypatch.setattr(special_values, "_overflows", lambda *given: np.zeros((2, 3, 2), bool))
    monkeypatch.setattr(special_values, "same_states", lambda *given: True)
    config = Config(
        nonlinearity="relu", num_layers=3, bidirectional=True, steps=2, batch=3, hidden_size=2
    )
    found = [(r.part, r.compared) for r in special_values.special_values(evidence_of(config))]
    assert found == [
        ("layer 0 forward, nan", 12), ("layer 0 reverse, nan", 12),
        ("layer 1 forward, nan", 8), ("layer 1 reverse, nan", 8),
        ("layer 2 forward, nan", 8), ("layer 2 reverse, nan", 8),
    ]  # fmt: skip


def test_padding_has_no_special_values(monkeypatch: Any) -> None:
    steps = steps_of([[[math.nan]], [[math.nan]]], [[[math.nan]], [[7]]], 0.0)
    monkeypatch.setattr(special_values, "direction_steps", lambda *given: steps)
    monkeypatch.setattr(special_values, "_overflows", lambda *given: np.zeros((2, 1, 1), bool))
    evidence = evidence_of(Config(steps=2, nonlinearity="relu"))
    evidence.case.valid[1] = False
    (result,) = special_values.special_values(evidence)
    assert seen(result) == ("pass", None, 1, 0)


def test_finite_terms_may_overflow_from_half_the_largest_number_on() -> None:
    """float16: 65504 / 2 = 32752, of 2 |x|, 3 times the largest state or h_0, and two biases."""
    config = Config(dtype="fp16", hidden_size=1, h_0=True, batch=2)
    case = make_case(config)
    weights = {
        "weight_ih_l0": np.float16([[-2]]),
        "weight_hh_l0": np.float16([[3]]),
        "bias_ih_l0": np.float16([-500]),
        "bias_hh_l0": np.float16([252]),
    }
    infinite = np.array([[[-1000], [np.inf]]], np.float16)

    def found(x: float, h_0: float, state: float, bias: float = 252) -> list[bool]:
        moved = dataclasses.replace(
            case,
            weights=weights | {"bias_hh_l0": np.float16([bias])},
            x=np.array([[[x], [0]]], np.float16),
            h_0=np.array([[[h_0], [0]]], np.float16),
        )
        output = Forward(np.where(infinite == -1000, -state, infinite).astype("f2"), infinite)
        observation = SimpleNamespace(hidden=())
        evidence = SimpleNamespace(
            config=config, case=moved, observation=observation, forward=output
        )
        return special_values._overflows(evidence, 0, False).ravel().tolist()

    assert found(1000, 10000, 0) == [True, False]  # 2000 + 30000 + 752 = 32752
    assert found(-1000, 10000, 0) == [True, False]
    assert found(999, 10000, 0) == [False, False]
    assert found(1000, 0, 10000) == [True, False]
    assert found(999, 0, 10000) == [False, False]
    # Where no number is larger than 1/2, and for what is not finite, no more than that counts.
    assert found(15992, 0.5, 0.5, 266) == [False, False]  # 31984 + 3 / 2 + 766 = 32751 1/2
    assert found(15992, 0.5, 0.5, 267) == [True, False]


def test_finite_terms_of_the_layer_and_direction_that_is_asked_for() -> None:
    """Above, in reverse: |y| + |h| of the reverse half, and |y| + 2 |h|; all else is far larger."""
    config = Config(
        dtype="fp16", input_size=4, hidden_size=2, num_layers=2, bidirectional=True, bias=False
    )
    case = make_case(config)
    weights = {name: np.full(w.shape, 60000, np.float16) for name, w in case.weights.items()}
    weights["weight_ih_l1_reverse"] = np.float16([[1, 0, 0, 0], [0, 0, 0, 1]])
    weights["weight_hh_l1_reverse"] = np.float16([[1, 0], [0, -2]])
    case = dataclasses.replace(case, weights=weights, x=np.full(case.x.shape, 60000, np.float16))
    below = np.float16([[[20000, 60000, 60000, 100]]])
    above = np.float16([[[60000, 60000, 12752, -1]]])
    evidence = SimpleNamespace(
        config=config,
        case=case,
        observation=SimpleNamespace(hidden=(Forward(below, below),)),
        forward=Forward(above, above),
    )
    # 20000 + 12752 = 32752, and 100 + 2 * 12752.
    assert special_values._overflows(evidence, 1, True).tolist() == [[[True, False]]]
    assert special_values._overflows(evidence, 1, False).tolist() == [[[True, True]]]
    weights["weight_ih_l1"] = weights["weight_ih_l1_reverse"]
    weights["weight_hh_l1"] = weights["weight_hh_l1_reverse"]
    above[...] = np.float16([[[1, 12736, 60000, 60000]]])
    assert special_values._overflows(evidence, 1, False).tolist() == [[[False, False]]]
    above[...] = np.float16([[[60000, 60000, 12736, -1]]])
    assert special_values._overflows(evidence, 1, True).tolist() == [[[False, False]]]


def test_the_oracle_moves_nothing_where_nothing_flushes() -> None:
    """Flushing's own excuse: it shifts nothing, and spreads by what it may add to any a."""
    config = Config(nonlinearity="relu", hidden_size=2, data="ints", batch=1)
    oracle = Oracle(make_case(config))
    found = excuses.flush(oracle)
    assert found.cause == "flush"
    assert not found.shift.output.any()
    largest = max(float(np.abs(w).max()) for w in oracle.case.weights.values())
    amount = 2 * (2 + 2 + 2) * TINY * (1 + largest) + TINY
    assert found.extra.output.max() in (0, pytest.approx(2 * math.sqrt(6) * amount, rel=1e-6))
