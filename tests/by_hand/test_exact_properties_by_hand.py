"""Final states, padding, and outputs of tanh, judged to the bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.checks.forward_error import forward_error
from harness.checks.last_state import last_state
from harness.checks.padding_zero import padding_zero
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.evidence import Evidence
from tests.synthetic import TINY, case_of, evidence_of, outputs_of, right_outputs, summary

STACK = Config.of(steps=2, batch=3, bidirectional=True, num_layers=2, lengths="ragged")
LENGTHS = (2, 1, 0)


def worst_of(result: Comparison) -> Worst:
    assert result.worst is not None
    return result.worst


def states(given: bool) -> Evidence:
    """Rows of length 2, 1 and 0; the output numbers its elements from 1 on."""
    output = np.arange(1.0, 13).reshape(2, 3, 2)
    start = 100 + np.arange(12.0).reshape(4, 3, 1) if given else np.zeros((4, 3, 1))
    # Forward: last valid outputs 7 and 3; reverse: the first ones, 2 and 4.
    ends = np.array([[[7], [3]], [[2], [4]]] * 2)
    h_n = np.concatenate([ends, start[:, 2:]], axis=1)
    inputs: dict[str, Any] = {"h_0": start} if given else {}
    case = case_of(STACK.replace(states=given), lengths=LENGTHS, **inputs)
    hidden = (outputs_of(output, h_n[:2]),)
    return evidence_of(case, outputs_of(output, h_n), hidden=hidden)


@pytest.mark.parametrize("given", [False, True])
def test_h_n_is_the_last_valid_output_and_of_an_empty_row_h_0(given: bool) -> None:
    """Of an h_0 of 0 nothing is concluded: a layer that gives 0 of its own accord would pass."""
    empty = "pass" if given else "inconclusive"
    found = list(last_state(states(given)))
    assert [(r.part, *summary(r)) for r in found] == [
        ("h_n of layer 0", "pass", None, 4, 0),
        ("h_n of layer 0, empty rows", empty, None, 2, 0),
        ("h_n of layer 1", "pass", None, 4, 0),
        ("h_n of layer 1, empty rows", empty, None, 2, 0),
    ]
    assert [r.requirement for r in found] == [None, "empty-rows"] * 2


@pytest.mark.parametrize("place", [(r, b, 0) for r in range(4) for b in range(3)])
def test_h_n_off_by_an_ulp_is_seen_where_it_is(place: tuple[int, int, int]) -> None:
    evidence = states(True)
    layer, side = divmod(place[0], 2)
    empty = place[1] == 2
    # Of a row without steps the whole stack's is asked, of others what goes with the output.
    seen = (evidence.observation.hidden[0], evidence.outputs)[layer or empty]
    h_n = seen["h_n"]
    value = float(h_n[place])
    h_n[place] = np.nextafter(h_n[place], np.float32(1000))
    found = list(last_state(evidence))
    failing = found.pop(2 * layer + empty)
    of_empty = ("h_n of a row of length 0 is not h_0, and not 0", 2)
    message, count = of_empty if empty else ("h_n is not the output at the last valid step", 4)
    cause = "unwritten" if empty else "unexplained"
    assert (*summary(failing), failing.message) == ("fail", cause, count, 1, message)
    assert {one.verdict for one in found} == {"pass"}
    direction = ("forward", "reverse")[side]
    assert failing.worst == Worst(
        "h_n", layer, direction, None, place[1], 0, actual=float(h_n[place]), expected=value
    )


@pytest.mark.parametrize(
    ("other", "cause"),
    [(0.0, "empty"), (-0.0, "empty"), (7.0, "unwritten"), (math.nan, "unwritten")],
)
def test_of_other_states_after_no_step_0_has_another_cause_than_garbage(
    other: float, cause: str
) -> None:
    """In one row; the others may be 0."""
    evidence = states(True)
    for outputs in (*evidence.observation.hidden, evidence.outputs):
        outputs["h_n"][:, 2] = 0
        outputs["h_n"][::2, 2] = other
    found = list(last_state(evidence))
    assert [r.verdict for r in found] == ["pass", "fail"] * 2
    assert {(r.requirement, r.cause) for r in found if r.verdict == "fail"} == {
        ("empty-rows", cause)
    }


def test_what_is_left_of_an_empty_row_is_no_error_from_start_to_end() -> None:
    config = Config.of(batch=2, steps=2, states=True, lengths="emptyrows")
    case = case_of(config, lengths=[0, 2], h_0=[[[0.5], [0.5]]])
    outputs = right_outputs(case)
    outputs["h_n"][:, 0] = 0
    assert "fail" not in {r.verdict for r in forward_error(evidence_of(case, outputs))}
    outputs["h_n"][:, 1] = 0.25
    assert "fail" in {r.verdict for r in forward_error(evidence_of(case, outputs))}


@pytest.mark.parametrize(
    ("moved", "h_0", "state", "end", "row"),
    [
        ({}, {}, 4, 3, 4),
        ({(0, 0, 0): 7}, {}, 3, 3, 4),  # forward, the longest row stays from step 0 to 1
        ({(1, 0, 1): 2}, {}, 3, 2, 4),  # the same in reverse, where its last step is the first
        ({}, {(2, 1, 0): 3}, 3, 3, 4),  # what the shorter row found is what it left
        ({}, {(3, 1, 0): 4}, 3, 3, 4),  # in reverse
        ({}, {(0, 1, 0): 3, (1, 1, 0): 4}, 4, 3, 4),  # of the layer below
        ({(0, 1, 1): 2}, {}, 4, 3, 3),  # in reverse the second row ends as the first
        ({(1, 1, 0): 3, (1, 2, 0): 108}, {}, 4, 2, 4),  # padding holds the last state
    ],
)
def test_another_state_shows_where_it_is_another(
    moved: Any, h_0: Any, state: int, end: int, row: int
) -> None:
    """Rows of length 2, 1 and 0: of the last one there is no state before, and none to take."""
    evidence = states(True)
    for index, value in moved.items():
        evidence.outputs["output"][index] = value
    for index, value in h_0.items():
        evidence.case.inputs["h_0"][index] = value
    of_second = list(last_state(evidence))[2]
    assert of_second.power == {"state": state / 4, "end": end / 4, "row": row / 4}


def test_the_end_is_another_state_only_where_there_is_padding_or_a_reverse_direction() -> None:
    def found(lengths: list[int], steps: int = 2, **changes: Any) -> dict[str, float]:
        config = Config.of(steps=steps, batch=len(lengths), **changes)
        sides, batch = config.directions, len(lengths)
        x = np.ones((steps, batch, config.input_size)) * np.arange(batch)[None, :, None]
        case = case_of(config, lengths=lengths, x=x)
        output = 1 + np.arange(float(steps * batch * sides)).reshape(steps, batch, sides)
        output *= case.valid[:, :, None]
        ends = [output[case.last_step, np.arange(batch), 0], output[0, :, -1]][:sides]
        answer = outputs_of(output, np.stack(ends)[:, :, None])
        (result,) = last_state(evidence_of(case, answer))
        return {str(probe): share for probe, share in result.power.items()}

    assert found([2, 2]) == {"state": 1, "row": 1}
    assert found([2]) == {"state": 1}
    assert found([2, 1]) == {"state": 1, "end": 0.5, "row": 1}
    assert found([2], bidirectional=True) == {"state": 1, "end": 0.5}
    assert found([1], steps=1, bidirectional=True) == {"state": 1}


def test_padding_is_zero() -> None:
    evidence = states(False)
    assert summary(next(padding_zero(evidence))) == ("fail", "unexplained", 6, 6)
    output = evidence.outputs["output"]
    output[:, 2] = output[1, 1] = 0
    (result,) = padding_zero(evidence)
    assert (result.part, *summary(result), result.ratio) == ("output", "pass", None, 6, 0, 0)
    output[1, 1, 1] = TINY / 4
    (result,) = padding_zero(evidence)
    assert (*summary(result), result.ratio) == ("fail", "unexplained", 6, 1, math.inf)
    worst = worst_of(result)
    assert (worst.step, worst.batch, worst.direction) == (1, 1, "reverse")
    assert result.message == "1 of 6 padded outputs are not zero"
    assert list(padding_zero(evidence_of(STACK, evidence.outputs))) == []


def test_a_state_held_through_the_padding_shows_where_it_is_not_zero() -> None:
    """Of the last of two layers: of three padded pairs one is of zeros, and one half of them."""
    output = np.zeros((2, 3, 2))
    output[0] = [[0, 0], [1, 0], [1, 2]]
    ends = output[0].T[:, :, None]

    def held(h_n: Any, lengths: tuple[int, ...]) -> Comparison:
        stack = np.concatenate([np.full((2, 3, 1), 9), h_n])
        (result,) = padding_zero(
            evidence_of(case_of(STACK, lengths=lengths), outputs_of(output, stack))
        )
        return result

    result = held(ends, (1, 1, 1))
    assert (result.verdict, result.compared, result.power) == ("pass", 6, {"held": 0.5})
    result = held(0 * ends, (1, 1, 1))
    assert (result.verdict, result.message) == ("inconclusive", "no element would have shown: held")
    # A row without padding holds nothing: of the other two, 1 and 0, and 1 and 2.
    assert held(ends, (2, 1, 1)).power == {"held": 0.75}
    # Of a layer alone h_n is nothing but its last state.
    alone = case_of(Config.of(steps=2), lengths=[1])
    (result,) = padding_zero(evidence_of(alone, outputs_of([[[4]], [[0]]], [[[4]]])))
    assert (result.verdict, result.power) == ("pass", {"held": 1})
