"""A row and the others: neighbours that were replaced."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.case import Case, changed, make_case
from harness.causes import Cause
from harness.checks.rows_independent import rows_independent
from harness.comparison import Comparison
from harness.config import Config
from harness.judging.power import differs
from harness.observe import Outputs, Rerun
from harness.verdicts import Verdict
from tests.synthetic import evidence_of, oracle_of, summary

CASE = make_case(Config.of(batch=4, steps=2, states=True, lengths="ragged", data="plain"))
SHAPES = {"output": (2, 4, 1), "h_n": (1, 4, 1)}
KEPT = np.array([True, False, True, False])
MESSAGE = "other numbers in x and the initial states give the answer of the call before"
FAILED = Comparison("replaced rows", Verdict.FAIL, 3, MESSAGE, Cause.UNEXPLAINED, failing=3)
PASSED = Comparison("replaced rows", Verdict.PASS, 3, ratio=0.0)
Moves = Mapping[str, list[float]]
"""By output, by how much each row moves; of `output` its first step."""

STILL: Moves = {"output": [0.0] * 4, "h_n": [0.0] * 4}


def moved(by: Moves, start: float) -> Outputs:
    arrays = {name: np.full(shape, float(start)) for name, shape in SHAPES.items()}
    for name, array in arrays.items():
        array[0, :, 0] += by[name]
    return arrays


def judged(
    moves: Moves, second: Moves, *, padding: bool = False, start: float = 4.5
) -> list[Comparison]:
    """Four rows, of which the second and the fourth got other numbers.

    Of them the oracle moves by `moves`, from 5, and the implementation by `second`, from `start`; a
    tolerance is 1/4.
    """
    other, kept = changed(CASE, padding=padding, neighbours=True)
    assert kept.tolist() == KEPT.tolist()
    assert (differs(other.x, CASE.x)[:, kept].any()) == padding

    def evaluate(given: Case) -> Outputs:
        for name, array in other.inputs.items():
            np.testing.assert_array_equal(given.inputs[name], array)
        assert given.weights is CASE.weights
        return moved(moves, 5)

    oracle = oracle_of(moved(STILL, 5), moved(STILL, 0.25), evaluate=evaluate)
    rerun = Rerun(padding, True, kept, moved(second, start))
    evidence = evidence_of(CASE, moved(STILL, start), oracle=oracle, reruns=(rerun,))
    of_kept, *of_others = rows_independent(evidence)
    assert of_kept.part == "second call"
    return of_others


def test_neighbours_are_asked_where_a_row_was_changed() -> None:
    second, oracle = (
        moved(STILL, 2),
        oracle_of(moved(STILL, 5), evaluate=lambda case: moved(STILL, 5)),
    )
    for neighbours in (False, True):
        for kept in (KEPT, np.ones(4, bool)):
            rerun = Rerun(False, neighbours, kept, second)
            evidence = evidence_of(CASE, moved(STILL, 1), oracle=oracle, reruns=(rerun,))
            found = list(rows_independent(evidence))
            if not neighbours or kept.all():
                assert found == []
                continue
            (result,) = found
            # 2 and 1 of each of two rows: all are others in the rows beside, too.
            assert (*summary(result), result.power) == (
                "fail", "unexplained", 6, 6, {"neighbours": 1},
            )  # fmt: skip
            assert result.message == "other numbers in other batch rows gave other bits"


@pytest.mark.parametrize("padding", [False, True])
def test_rows_that_got_other_numbers_give_other_answers(padding: bool) -> None:
    """By more than four tolerances, which are 1: 5/4, 2 and -2. Kept rows may be what they like."""
    moves = {"output": [9, 1.25, 9, -1], "h_n": [9, -2, 9, 2.0]}
    assert judged(moves, STILL, padding=padding) == [FAILED]
    # Where the oracle moves little, no movement is asked for, and none proves anything.
    little = {"output": [1, 0, 1, 1.0], "h_n": [1, 0, 1, 0.0]}
    assert judged(moves, little, padding=padding) == [FAILED]
    for part, row in (("output", 1), ("h_n", 1), ("h_n", 3)):
        one = {**STILL, part: [float(k == row) for k in range(4)]}
        assert judged(moves, one, padding=padding) == [PASSED]
    everything = {"output": [1.0] * 4, "h_n": [1.0] * 4}
    assert judged(moves, everything, padding=padding) == [PASSED]
    within = {"output": [9, 1, 9, -1.0], "h_n": [9, -1, 9, 1.0]}
    assert judged(within, STILL, padding=padding) == []


def test_a_first_answer_that_was_nearer_to_the_other_numbers_was_wrong() -> None:
    """It is 4 off: so where other numbers move by 2, and not where they move by 9."""
    moves = {"output": [9, 2, 9, 9.0], "h_n": [9, 2, 9, 9.0]}
    (result,) = judged(moves, STILL, start=9.0)
    assert summary(result) == ("fail", "unexplained", 2, 2)
    assert judged(moves, STILL, start=10.0) == []


@pytest.mark.parametrize("part", ["output", "h_n"])
def test_rows_that_stay_in_one_of_two_outputs_moved(part: str) -> None:
    """One and two of three: the answer of the call before would have none that moves."""
    moves = {"output": [0, 2, 0, 2.0], "h_n": [0, 0, 0, 2.0]}
    second: dict[str, Any] = {**STILL, part: [0, 1, 0, 1.0]}
    assert [summary(r) for r in judged(moves, second)] == [("pass", None, 3, 0)]


def test_a_nan_in_a_replaced_row_is_as_it_was() -> None:
    nan = [0, math.nan, 0, math.nan]
    moves = {"output": [0, 2, 0, 2.0], "h_n": [0, 0, 0, 0.0]}
    (result,) = judged(moves, {"output": nan, "h_n": [0.0] * 4})
    assert summary(result) == ("pass", None, 2, 0)
