"""Second calls, written by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.activation import OwnActivations
from harness.case import Case
from harness.checks.determinism import determinism
from harness.checks.padding_ignored import padding_ignored
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.excuses import flush
from harness.judging.second_call import is_other, same_rows
from harness.observe import Change, Derivatives, Outputs, Rerun
from harness.oracle import Oracle
from harness.probes import Probe
from tests.synthetic import (
    case_of,
    evidence_of,
    measured,
    outputs_of,
    relu_case,
    right_evidence,
    summary,
)

CONFIG = Config.of(num_layers=2, bidirectional=True, steps=2, batch=3)
KEPT = np.array([True, False, True])


def first_call() -> Outputs:
    """Two layers, both directions, one unit; elements are numbered from 0 on."""
    return outputs_of(np.arange(12.0).reshape(2, 3, 2), np.arange(12.0).reshape(4, 3, 1))


def moved_by(changes: dict[str, dict[Any, float]]) -> Outputs:
    arrays = first_call()
    for name, moves in changes.items():
        for index, amount in moves.items():
            arrays[name][index] += amount
    return arrays


def second_call(
    changes: dict[str, dict[Any, float]],
    *,
    probe: Probe = Probe.CARRY,
    others: Sequence[Rerun] = (),
    case: Case | None = None,
    own: OwnActivations | None = None,
) -> Comparison:
    """Rows 0 and 2 of three were kept; NaN came where row 1 was."""
    arrays = moved_by(changes)
    arrays["output"][:, 1] = arrays["h_n"][:, 1] = math.nan
    rerun = Rerun(False, True, KEPT, arrays)
    evidence = evidence_of(case or CONFIG, first_call(), own=own, reruns=tuple(others))
    return same_rows(evidence, rerun, "moved", probe)


def test_rows_that_were_not_kept_are_not_compared() -> None:
    result = second_call({})
    assert (result.part, *summary(result)) == ("second call", "pass", None, 16, 0)
    assert result.worst is not None
    assert result.worst.output == "output"


def test_states_carried_over_show_where_a_call_left_others_than_it_found() -> None:
    """Of 8 kept states of 0, 2, 3, 5, ... seven are not 0; six are not an h_0 of 0, 0, 3, 3, ..."""

    def started(h_0: Any) -> Comparison:
        return second_call({}, case=case_of(CONFIG.replace(states=True), h_0=h_0))

    assert second_call({}).power == {"carry": 7 / 8}
    some = np.repeat([[[0.0]], [[3.0]], [[99.0]], [[99.0]]], 3, axis=1)
    assert started(some).power == {"carry": 6 / 8}
    result = started(first_call()["h_n"])
    assert (result.verdict, result.message) == (
        "inconclusive", "no element would have shown: carry",
    )  # fmt: skip


def test_neighbours_show_where_they_are_others() -> None:
    """Row 0 stands after row 2, which was kept, and row 2 after row 1, which was not."""
    result = second_call({}, probe=Probe.NEIGHBOURS)
    assert (result.verdict, result.power) == ("pass", {"neighbours": 0.5})


def test_padding_shows_in_rows_whose_padding_was_another() -> None:
    """Padded are row 0 and 2 at step 1; x is another one there in row 2, and where it is valid."""
    other = np.zeros((2, 3, 1), "f")
    other[0], other[1, 1], other[1, 2] = 9, 9, 9
    case = case_of(CONFIG, lengths=[1, 2, 1])
    case = dataclasses.replace(case, second_x=other)
    result = second_call({}, probe=Probe.PADDING, case=case)
    assert (result.verdict, result.power) == ("pass", {"padding": 0.5})


CHANGE: dict[str, dict[Any, float]] = {"output": {(0, 0, 0): 1}}


def test_what_moves_by_itself_says_nothing_about_neighbours() -> None:
    """A call with nothing changed that gives other bits."""
    every, other = np.ones(3, bool), moved_by({"output": {(1, 2, 1): 0.5}})
    moved, still = Rerun(False, False, every, other), Rerun(False, False, every, first_call())
    padded = Rerun(True, False, every, other)
    result = second_call(CHANGE, others=[still, moved])
    assert summary(result) == ("inconclusive", None, 16, 1)
    assert result.message == "the same input gives other bits, too"
    for others in ([still], [padded], []):
        result = second_call(CHANGE, others=others)
        assert (*summary(result), result.message) == ("fail", "unexplained", 16, 1, "moved")
    result = second_call({}, others=[moved])
    assert (*summary(result), result.message) == ("pass", None, 16, 0, "")


def flushing(part: str) -> float:
    """By how much flushing may move an output of 0."""
    return float(flush(Oracle(case_of(CONFIG))).extra[part].max())


def test_what_flushing_moves_by_itself_excuses_no_more_than_that() -> None:
    """A call with nothing changed moved by less than flushing may; the other by more."""
    little = {"output": {(0, 0, 0): 0.5 * flushing("output")}}
    moved = Rerun(False, False, np.ones(3, bool), moved_by(little))
    result = second_call(CHANGE, others=[moved], own=measured(flushes=True))
    assert (result.verdict, result.cause) == ("fail", "unexplained")


def test_a_second_call_names_the_place() -> None:
    result = second_call({"output": {(1, 2, 1): 1}})
    assert (*summary(result), result.message) == ("fail", "unexplained", 16, 1, "moved")
    place = Worst("output", 1, "reverse", 1, 2, 0, actual=12.0, expected=11.0)
    assert result.worst == place
    for row, layer, direction in ((0, 0, "forward"), (1, 0, "reverse"), (2, 1, "forward")):
        result = second_call({"h_n": {(row, 2, 0): 1}})
        value = 3.0 * row + 2
        place = Worst("h_n", layer, direction, None, 2, 0, actual=value + 1, expected=value)
        assert result.worst == place
    both = second_call({"output": {(1, 2, 1): 1}, "h_n": {(0, 2, 0): 1, (1, 2, 0): 1}})
    assert summary(both) == ("fail", "unexplained", 16, 3)


@pytest.mark.parametrize("part", ["output", "h_n"])
def test_a_second_call_may_move_by_what_flushing_moves(part: str) -> None:
    """By so much, not by more; and not where nothing was seen to flush. The element is 0."""
    for factor, own, cause in (
        (0.99, measured(flushes=True), "flush"),
        (1.01, measured(flushes=True), "unexplained"),
        (0.99, measured(), "unexplained"),
        (0.99, None, "unexplained"),
    ):
        moves: Any = {part: {(0, 0, 0): factor * flushing(part)}}
        assert second_call(moves, own=own).cause == cause
    moves = {"output": {(0, 0, 0): 0.5 * flushing("output")}, "h_n": {(0, 0, 0): 1}}
    assert second_call(moves, own=measured(flushes=True)).cause == "unexplained"


def test_determinism_asks_of_a_call_of_its_own_or_of_the_only_one() -> None:
    """Each of four kinds gives other bits in an element of its own."""
    kinds = [
        Rerun(p, n, np.ones(3, bool), moved_by({"output": {(0, 0, 0): 1 + 2 * p + n}}))
        for p in (False, True)
        for n in (False, True)
    ]
    for given in ([kinds[0]], [kinds[3]], kinds, kinds[1:], []):
        asked = given if len(given) == 1 else [k for k in given if k is kinds[0]]
        evidence = evidence_of(CONFIG, first_call(), reruns=tuple(given))
        found = list(determinism(evidence))
        assert [r.message for r in found] == ["the same input gave other bits"] * len(asked)
        assert [r.max_abs for r in found] == [k.outputs["output"][0, 0, 0] for k in asked]
        assert all(list(r.power) == ["carry"] for r in found)


GRADIENTS, ANSWER = (Change(of_gradients=g, subnormal=False) for g in (True, False))
SMALL_GRADIENTS, SMALL_ANSWER = (Change(of_gradients=g, subnormal=True) for g in (True, False))


def second_gradients(changed: Any, own: OwnActivations | None = None) -> list[Comparison]:
    """A second call for gradients of 6 and 2 elements."""
    gradients = {"x": np.zeros((3, 1, 2)), "h_0": np.zeros(2)}
    derivatives = Derivatives({}, gradients, gradients)
    evidence = evidence_of(Config.of(), own=own, changed=changed, derivatives=derivatives)
    return list(determinism(evidence))


def test_gradients_are_the_same_the_second_time() -> None:
    part = "gradients of a second call"
    (result,) = second_gradients(())
    assert (result.part, *summary(result), result.ratio) == (part, "pass", None, 8, 0, 0)
    (result,) = second_gradients((GRADIENTS, ANSWER))
    assert (result.part, *summary(result)) == (part, "fail", "unexplained", 8, 0)
    assert result.message == f"other bits: {GRADIENTS}, {ANSWER}"
    assert second_gradients(None) == []
    assert list(determinism(evidence_of(Config.of(), changed=(GRADIENTS,)))) == []


def test_gradients_may_change_by_flushing_where_it_was_measured() -> None:
    assert str(SMALL_GRADIENTS) == f"{GRADIENTS}, by no more than subnormal numbers"
    flushes = measured(flushes=True)
    assert second_gradients((SMALL_GRADIENTS, SMALL_ANSWER), flushes)[0].cause == "flush"
    assert second_gradients((SMALL_GRADIENTS, ANSWER), flushes)[0].cause == "unexplained"
    for own in (None, measured(error=0.5)):
        assert second_gradients((SMALL_GRADIENTS,), own)[0].cause == "unexplained"


def subnormal_state(second: Any, changed: Any, own: OwnActivations) -> Evidence:
    """A relu state of 2^-127: it has a slope of 1, or of 0 where it was flushed; its cotangent
    is 4. `second` is the gradient of the biases in the second call.
    """
    case = relu_case([[[2.0**-127]]], aspect="gradient")
    given = {"output": np.full((1, 1, 1), 4.0, "f"), "h_n": np.zeros((1, 1, 1), "f")}
    right = right_evidence(dataclasses.replace(case, given_cotangents=given))
    found = right.observation.derivatives
    assert found is not None
    second_time = {name: array * 0 for name, array in found.found.items()}
    second_time |= {name: np.array([second], "f") for name in ("bias_ih_l0", "bias_hh_l0")}
    derivatives = Derivatives(found.cotangents, found.found, found.clean, second=second_time)
    return evidence_of(right.case, right.outputs, own=own, changed=changed, derivatives=derivatives)


def test_a_slope_that_flushing_took_changes_gradients_by_more_than_subnormals() -> None:
    flushes = measured(flushes=True, name="relu")

    def cause(second: float, changed: Any, own: OwnActivations = flushes) -> str | None:
        (result,) = determinism(subnormal_state(second, changed, own))
        return result.cause

    assert cause(0.0, (GRADIENTS, SMALL_ANSWER)) == "flush"
    assert cause(9.0, (GRADIENTS, SMALL_ANSWER)) == "unexplained"
    assert cause(0.0, (GRADIENTS, ANSWER)) == "unexplained"
    assert cause(0.0, (GRADIENTS,), measured(error=0.5, name="relu")) == "unexplained"


def test_padding_is_asked_where_it_was_changed() -> None:
    kinds = tuple(
        Rerun(padding, False, np.ones(3, bool), moved_by(CHANGE)) for padding in (False, True)
    )
    assert list(padding_ignored(evidence_of(CONFIG, first_call(), reruns=kinds))) == []
    case = case_of(CONFIG, lengths=[2, 1, 2])
    (result,) = padding_ignored(evidence_of(case, first_call(), reruns=kinds[1:]))
    message = "other numbers in the padding of x gave other bits"
    assert (*summary(result), result.message) == ("fail", "padding", 24, 1, message)
    assert list(result.power) == ["padding"]
    # What the same input moves by itself says nothing about padding.
    (result,) = padding_ignored(evidence_of(case, first_call(), reruns=kinds))
    assert result.verdict == "inconclusive"


def test_a_second_call_is_another_one_where_its_bits_are() -> None:
    """Drawn anew where nothing is given; -0 has other bits than 0."""
    case = case_of(CONFIG)
    assert is_other(case)
    assert not is_other(dataclasses.replace(case, second_x=case.x.copy()))
    assert is_other(dataclasses.replace(case, second_x=-case.x))


def test_a_row_that_flushing_cannot_move_does_not_stop_what_it_moves_elsewhere() -> None:
    """Row 0 is saturated in both layers, and stays; row 2 moves by half of what flushing may do."""
    weights = {
        name: np.full(shape, 100.0 * name.startswith("weight_ih"))
        for name, shape in CONFIG.parameter_shapes().items()
    }
    x = np.zeros((2, 3, 1))
    x[:, 0] = 9
    case = case_of(CONFIG, weights=weights, x=x)
    extra = flush(Oracle(case)).extra["output"].ravel().tolist()
    assert extra[0] == 0 < extra[2]
    first = first_call()
    first["output"][:, 2] = first["h_n"][:, 2] = 0
    second = {name: array.copy() for name, array in first.items()}
    second["output"][0, 2, 0] = extra[2] / 2
    evidence = evidence_of(case, first, own=measured(flushes=True))
    rerun = Rerun(False, True, KEPT, second)
    assert same_rows(evidence, rerun, "moved", Probe.CARRY).cause == "flush"
