"""Laws to the bit, small integers, shorter stacks: observations made up by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import TINY, evidence_of, forward, measured, seen, steps_of

from harness.checks import (
    bounded,
    exact_lane,
    last_state,
    padding_zero,
    prefix,
)
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging import hidden_layers
from harness.observe import Forward
from harness.probes import Probe

LENGTHS = Config(steps=2, batch=3, bidirectional=True, num_layers=2, lengths="ragged")


def states_made_up(h_0: bool) -> Any:
    """Rows of length 2, 1 and 0; the output numbers its elements from 1 on."""
    valid = np.array([[True, True, False], [True, False, False]])
    output = np.arange(1.0, 13).reshape(2, 3, 2).astype("f")
    start = 100 + np.arange(12.0).reshape(4, 3, 1).astype("f") if h_0 else None
    # Forward: last valid outputs 7 and 3; reverse: the first ones, 2 and 4.
    empty = [start[2, 2, 0], start[3, 2, 0]] if h_0 else [0, 0]
    last = [[[7], [3], [empty[0]]], [[2], [4], [empty[1]]]]
    lower = [[[7], [3], [start[0, 2, 0] if h_0 else 0]], [[2], [4], [start[1, 2, 0] if h_0 else 0]]]
    stack, hidden = forward(output, [*lower, *last]), forward(output, lower)
    evidence = evidence_of(LENGTHS, forward=stack, observation=SimpleNamespace(hidden=(hidden,)))
    evidence.case.valid, evidence.case.h_0 = valid, start
    return evidence


@pytest.mark.parametrize("h_0", [False, True])
def test_h_n_is_the_last_valid_output_or_h_0(h_0: bool) -> None:
    found = list(last_state.last_state(states_made_up(h_0)))
    assert [(r.part, *seen(r)) for r in found] == [
        ("h_n of layer 0", "pass", None, 6, 0),
        ("h_n of layer 1", "pass", None, 6, 0),
    ]


@pytest.mark.parametrize("place", [(r, b, 0) for r in range(4) for b in range(3)])
def test_h_n_off_by_an_ulp_is_seen_where_it_is(place: tuple[int, int, int]) -> None:
    evidence = states_made_up(True)
    h_n = evidence.forward.h_n if place[0] > 1 else evidence.observation.hidden[0].h_n
    value = float(h_n[place])
    h_n[place] = np.nextafter(h_n[place], np.float32(1000))
    found = list(last_state.last_state(evidence))
    failed = found[place[0] // 2]
    assert (*seen(failed), failed.message) == (
        "fail", "unexplained", 6, 1, "h_n is not the output at the last valid step",
    )  # fmt: skip
    assert found[1 - place[0] // 2].verdict == "pass"
    side = ("forward", "reverse")[place[0] % 2]
    expected = Worst(
        "h_n", place[0] // 2, side, None, place[1], 0, actual=float(h_n[place]), expected=value
    )
    assert failed.worst == expected


def power_of_h_n(moved: dict[Any, float], h_0: dict[Any, float]) -> dict[str, float]:
    """Of the second layer, with some numbers of output and h_0 replaced."""
    evidence = states_made_up(True)
    for index, value in moved.items():
        evidence.forward.output[index] = value
    for index, value in h_0.items():
        evidence.case.h_0[index] = value
    _, of_second = last_state.last_state(evidence)
    return of_second.power


@pytest.mark.parametrize(
    ("moved", "h_0", "state", "end", "row"),
    [
        ({}, {}, 4, 5, 6),
        ({(0, 0, 0): 7}, {}, 3, 5, 6),  # forward, the longest row stays from step 0 to 1
        ({(1, 0, 1): 2}, {}, 3, 4, 6),  # the same in reverse, where its last step is the first
        ({}, {(2, 1, 0): 3}, 3, 5, 6),  # what the shorter row found is what it left
        ({}, {(3, 1, 0): 4}, 3, 5, 6),  # in reverse
        ({}, {(0, 1, 0): 3, (1, 1, 0): 4}, 4, 5, 6),  # of the layer below
        ({(0, 1, 1): 2}, {}, 4, 5, 5),  # in reverse the second row ends as the first
        ({(1, 1, 0): 3, (1, 2, 0): 108}, {}, 4, 3, 6),  # padding holds the last state
    ],
)
def test_another_state_shows_where_it_is_another(
    moved: Any, h_0: Any, state: int, end: int, row: int
) -> None:
    """Rows of length 2, 1 and 0: of the last one there is no state before, and none to take."""
    assert power_of_h_n(moved, h_0) == {"state": state / 6, "end": end / 6, "row": row / 6}


def test_padding_is_zero() -> None:
    evidence = states_made_up(False)
    assert seen(next(padding_zero.padding_zero(evidence))) == ("fail", "unexplained", 6, 6)
    output = evidence.forward.output
    output[:, 2] = output[1, 1] = 0
    (result,) = padding_zero.padding_zero(evidence)
    assert (result.part, *seen(result), result.ratio) == ("output", "pass", None, 6, 0, 0)
    output[1, 1, 1] = TINY / 4
    (result,) = padding_zero.padding_zero(evidence)
    assert (*seen(result), result.ratio) == ("fail", "unexplained", 6, 1, math.inf)
    assert result.worst is not None
    assert (result.worst.step, result.worst.batch, result.worst.direction) == (1, 1, "reverse")
    assert result.message == "1 of 6 padded outputs are not zero"
    evidence.case.valid = np.ones((2, 3), bool)
    assert list(padding_zero.padding_zero(evidence)) == []


def test_a_state_held_through_the_padding_shows_where_it_is_not_zero() -> None:
    """One layer, both directions; of three padded pairs one is of zeros, and one half of them."""
    output, valid = np.zeros((2, 3, 2)), np.array([[True, True, True], [False, False, False]])
    output[0] = [[0, 0], [1, 0], [1, 2]]
    for h_n, shown in ((output[0].T[:, :, None], 0.5), (np.zeros((2, 3, 1)), 0.0)):
        config = Config(steps=2, batch=3, bidirectional=True, lengths="ragged")
        evidence = evidence_of(config, forward=forward(output, h_n))
        evidence.case.valid = valid
        (result,) = padding_zero.padding_zero(evidence)
        assert (result.compared, result.power) == (6, {"held": shown})
        assert result.verdict == ("pass" if shown else "inconclusive")
    # A row without padding holds nothing: of the other two, 1 and 0, and 1 and 2.
    evidence.case.valid[1, 0] = True
    evidence.forward.h_n[:] = output[0].T[:, :, None]
    assert next(padding_zero.padding_zero(evidence)).power == {"held": 0.75}


def test_tanh_beyond_one() -> None:
    """In valid outputs, to both sides; NaN and infinities are for others to judge."""

    def found(output: list[float], own: Any = None) -> Comparison:
        evidence = evidence_of(Config(hidden_size=4), own, forward=forward([[output]]))
        (result,) = bounded.bounded(evidence)
        return result

    result = found([1, -1, 0.5, math.nan])
    assert (result.part, *seen(result), result.ratio) == ("output", "pass", None, 3, 0, 1)
    beyond = float(np.nextafter(np.float32(1), np.float32(2)))
    result = found([1, -beyond, 0.5, math.inf])
    assert seen(result) == ("fail", "unexplained", 3, 1)
    assert result.message == "1 of 3 outputs of tanh exceed 1"
    assert result.worst is not None
    assert (result.worst.unit, result.worst.expected) == (1, -1.0)
    result = found([beyond, -1, 0.5, 0])
    assert (result.worst.unit, result.worst.expected, result.max_abs) == (0, 1.0, 2.0**-23)
    output = [1, -beyond, 0.5, math.nan]
    assert found(output, measured(largest=beyond)).cause == "activation"
    assert found(output, measured(largest=1.0)).cause == "unexplained"
    evidence = evidence_of(Config(hidden_size=4), forward=forward([[[2, 2, 2, 2]]]))
    evidence.case.valid[:] = False
    assert next(bounded.bounded(evidence)).verdict == "inconclusive"


def test_a_tanh_too_large_shows_in_valid_outputs_near_one() -> None:
    """From 1 - 5 * 2^-23 on: of three finite ones two."""
    least = 1 - 5 * 2.0**-23
    output = [[[-least, least - 2.0**-24, 1, math.inf]], [[1, 1, 1, 1]]]
    evidence = evidence_of(Config(hidden_size=4, steps=2), forward=forward(output))
    evidence.case.valid[1] = False
    (result,) = bounded.bounded(evidence)
    assert result.power == {"saturated": pytest.approx(2 / 3, rel=1e-15)}


def lane(
    monkeypatch: Any, actual: list[float], oracle: list[float], bias: Any = (), **changes: Any
) -> Any:
    """Four units of a = 1, 2, 1000 and 2^24, the last of which may round.

    All comes from x but of the third one, which comes from b_ih. `bias`: without b_hh.
    """
    from_input = np.array([[[1.0, 2, 0, 2.0**24]]])
    steps = steps_of([[[1.0, 2, 1000, 2.0**24]]], [[actual]], from_input=from_input, **changes)
    monkeypatch.setattr(exact_lane, "direction_steps", lambda *given: steps)
    faults = {Probe.BIAS: Forward(np.array([[bias]]), np.zeros(1))} if bias else {}
    exact = SimpleNamespace(exact=Forward(np.array([[oracle]]), np.zeros(1)), faulty=faults)
    evidence = evidence_of(
        Config(hidden_size=4, nonlinearity="relu", bias=False),
        forward=forward([[actual]]),
        oracle=exact,
    )
    return list(exact_lane.exact_lane(evidence))


def test_small_integers_are_equal_or_wrong(monkeypatch: Any) -> None:
    (result,) = lane(monkeypatch, [1, 2, 1000, 9], [1, 2, 1000, 9])
    assert (result.part, *seen(result), result.undefined) == (
        "layer 0 forward", "pass", None, 3, 0, 1,
    )  # fmt: skip
    assert result.ratio == 0
    assert result.power == {"input": 2 / 3}
    (result,) = lane(monkeypatch, [1, 2.125, 1000, 9], [1, 2, 1000, 9])
    assert (*seen(result), result.ratio) == ("fail", "unexplained", 3, 1, math.inf)
    assert result.message == "1 of 3 sums of small integers are not exact"
    assert result.power == {"input": 2 / 3}


def test_where_every_sum_was_exact_the_oracle_is_asked_too(monkeypatch: Any) -> None:
    small = np.ones((1, 1, 4))
    right = [1, 2, 1000, 2**24]
    step, end = lane(monkeypatch, right, right, magnitude=small)
    assert (step.verdict, end.part, *seen(end)) == ("pass", "output", "pass", None, 4, 0)
    assert (step.ratio, end.ratio) == (0, 0)
    assert (step.power, end.power) == ({"input": 3 / 4}, {})
    _, end = lane(monkeypatch, right, [1, 2, 4, 2**24], magnitude=small)
    assert (*seen(end), end.ratio) == ("fail", "unexplained", 4, 1, math.inf)
    defined = np.array([[[True, True, True, False]]])
    found = lane(monkeypatch, [1, 2, 1000, 9], [0] * 4, magnitude=small, defined=defined)
    assert [r.part for r in found] == ["layer 0 forward"]


def test_integers_show_what_moves_the_oracles_answer_at_all(monkeypatch: Any) -> None:
    small, right = np.ones((1, 1, 4)), [1, 2, 1000, 2**24]
    _, end = lane(monkeypatch, right, right, [1, 2.125, 1000, 0], magnitude=small)
    assert (end.verdict, end.power) == ("pass", {"bias": 0.5})
    _, end = lane(monkeypatch, right, right, right, magnitude=small)
    assert (end.verdict, end.power) == ("inconclusive", {"bias": 0})
    assert end.message == "no element would have shown: bias"


def test_every_layer_and_direction_is_asked_for_exact_sums(monkeypatch: Any) -> None:
    """Only the first may round; so the oracle is not asked for the end."""
    asked = []

    def made(evidence: Any, layer: int, reverse: bool) -> Any:
        asked.append((evidence.config.num_layers, layer, reverse))
        value = 2.0**24 if not layer else 1.0
        return steps_of([[[value]]], [[[value]]], layer=layer, reverse=reverse)

    monkeypatch.setattr(exact_lane, "direction_steps", made)
    evidence = evidence_of(Config(nonlinearity="relu", num_layers=2, bidirectional=True))
    found = list(exact_lane.exact_lane(evidence))
    assert asked == [(2, layer, reverse) for layer in (0, 1) for reverse in (False, True)]
    parts = [f"layer {layer} {side}" for layer in (0, 1) for side in ("forward", "reverse")]
    assert [r.part for r in found] == parts


def test_padding_makes_no_sum_inexact(monkeypatch: Any) -> None:
    steps = steps_of([[[1.0]], [[2.0]]], [[[1]], [[0]]], defined=np.array([[[True]], [[False]]]))
    monkeypatch.setattr(exact_lane, "direction_steps", lambda *given: steps)
    exact = SimpleNamespace(exact=Forward(np.array([[[1.0]], [[0.0]]]), np.zeros(1)), faulty={})
    config = Config(nonlinearity="relu", steps=2)
    evidence = evidence_of(config, forward=forward([[[1]], [[0]]]), oracle=exact)
    evidence.case.valid[1] = False
    step, end = exact_lane.exact_lane(evidence)
    assert (step.compared, end.part, end.verdict) == (1, "output", "pass")


def prefix_of(
    monkeypatch: Any, stack: Any, shorter: Any, tolerance: Any, extra: Any = None, nan: Any = 0.0
) -> Any:
    monkeypatch.setattr(prefix, "flushed_extra", lambda given: extra if given is evidence else 0)
    evidence = evidence_of(
        Config(num_layers=2),
        forward=forward(0.0, stack),
        observation=SimpleNamespace(hidden=(forward(0.0, shorter),)),
        oracle=SimpleNamespace(
            tolerance=Forward(np.zeros(1), np.array(tolerance)),
            surely_nan=Forward(np.zeros(1), np.full((2, 1, 1), nan)),
        ),
    )
    (result,) = prefix.prefix(evidence)
    return result, hidden_layers.same_states(evidence, 1), hidden_layers.same_states(evidence, 0)


def test_a_shorter_stack_has_the_same_bits(monkeypatch: Any) -> None:
    result, *same = prefix_of(monkeypatch, [[[4]], [[7]]], [[[4]]], [[[0.5]], [[0.5]]])
    assert (result.part, *seen(result), same) == (
        "first 1 layer", "pass", None, 1, 0, [True, True],
    )  # fmt: skip
    assert result.power == {"layer": 1}


def test_a_layer_that_equals_the_next_one_shows_nothing(monkeypatch: Any) -> None:
    result, *_ = prefix_of(monkeypatch, [[[4]], [[4]]], [[[4]]], [[[0.5]], [[0.5]]])
    assert (*seen(result), result.power) == ("inconclusive", None, 1, 0, {"layer": 0})
    assert result.message == "no element would have shown: layer"


def test_a_nan_of_one_stack_alone_is_no_rounding_where_the_oracle_is_surely_nan(
    monkeypatch: Any,
) -> None:
    nan, tolerance = math.nan, [[[math.nan]], [[9]]]
    for stack, shorter in ((nan, 4), (4, nan)):
        result, *same = prefix_of(
            monkeypatch, [[[stack]], [[7]]], [[[shorter]]], tolerance, nan=1.0
        )
        assert (*seen(result), result.ratio) == ("fail", "unexplained", 1, 1, math.inf)
        assert same == [False, True]
        result, *_ = prefix_of(monkeypatch, [[[stack]], [[7]]], [[[shorter]]], tolerance)
        assert seen(result) == ("inconclusive", None, 0, 0)
    result, *_ = prefix_of(monkeypatch, [[[5]], [[7]]], [[[4]]], tolerance, nan=1.0)
    assert (*seen(result), result.ratio) == ("inconclusive", None, 1, 0, 0)


def test_a_shorter_stack_that_rounds_otherwise_shows_nothing(monkeypatch: Any) -> None:
    """By no more than twice a tolerance of 1/2."""
    result, *same = prefix_of(monkeypatch, [[[5]], [[7]]], [[[4]]], [[[0.5]], [[9]]])
    assert (*seen(result), result.ratio, same) == (
        "inconclusive", None, 1, 0, 1, [False, True],
    )  # fmt: skip
    said = "h_n of the whole stack differs from h_n of its first layers alone"
    assert result.message == said
    result, *_ = prefix_of(monkeypatch, [[[6]], [[7]]], [[[4]]], [[[0.5]], [[9]]])
    assert (*seen(result), result.ratio) == ("fail", "unexplained", 1, 1, 2)
    assert result.message == said
    assert result.worst == Worst(
        "h_n", 0, "forward", None, 0, 0, actual=6.0, expected=4.0, bound=1.0
    )
    assert result.part == "first 1 layer"
    result, *_ = prefix_of(monkeypatch, [[[6]], [[7]]], [[[4]]], [[[math.inf]], [[9]]])
    assert seen(result) == ("inconclusive", None, 0, 0)
    result, *_ = prefix_of(monkeypatch, [[[5]], [[7]]], [[[4]]], [[[0.25]], [[9]]])
    assert (result.verdict, result.ratio) == ("fail", 2)


def test_a_shorter_stack_may_flush_otherwise(monkeypatch: Any) -> None:
    """Off by 2: twice 1/2, and 1 more."""
    arguments = ([[[6]], [[7]]], [[[4]]], [[[0.5]], [[9]]])
    for amount, cause in ((1.0, "flush"), (0.5, "unexplained")):
        extra = Forward(np.zeros(1), np.full((1, 1, 1), amount))
        result, *_ = prefix_of(monkeypatch, *arguments, extra)
        assert (result.verdict, result.cause) == ("fail", cause)


def test_each_shorter_stack_shows_all_its_layers() -> None:
    stack = np.arange(6.0).reshape(6, 1, 1)
    hidden = tuple(forward(0.0, stack[: 2 * k]) for k in (1, 2))
    evidence = evidence_of(
        Config(num_layers=3, bidirectional=True),
        forward=forward(0.0, stack),
        observation=SimpleNamespace(hidden=hidden),
    )
    parts = [(r.part, r.compared) for r in prefix.prefix(evidence)]
    assert parts == [("first 1 layer", 2), ("first 2 layers", 4)]
    hidden[1].h_n[3] = 99
    assert [hidden_layers.same_states(evidence, k) for k in (0, 1, 2)] == [True, True, False]
