"""What single steps may err, and where they may overflow, as comparisons end to end take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.case import make_case
from harness.config import Config
from harness.judging.last_step import last_step_of
from harness.judging.steps import direction_steps
from tests.synthetic import case_of, evidence_of, outputs_of, relu_case, right_evidence

STACK = Config.of(
    num_layers=2, bidirectional=True, input_size=2, hidden_size=2, steps=3, batch=3,
    data="plain",
)  # fmt: skip


def test_the_last_step_of_each_row_and_direction_is_what_counts() -> None:
    """Rows of length 3, 1 and 0; in reverse the last step is the first in time."""
    lengths = np.array([3, 1, 0])
    evidence = right_evidence(make_case(STACK).with_inputs(lengths=lengths))
    error = last_step_of(evidence).error
    widths = {
        (layer, side): direction_steps(evidence, layer, side == 1).interval.half_width
        for layer in (0, 1)
        for side in (0, 1)
    }
    assert len({float(w[t, 0, 0]) for w in widths.values() for t in range(3)}) == 12
    for (layer, side), width in widths.items():
        ends = [width[0 if side else 2, 0], width[0, 1], np.zeros(2)]
        assert (error["h_n"][2 * layer + side] == np.stack(ends)).all()
        output = error["output"][:, :, 2 * side : 2 * side + 2]
        expected = np.where(evidence.case.valid[:, :, None], widths[1, side], 0)
        assert layer == 0 or (output == expected).all()


def test_the_larger_side_of_an_interval_counts_and_none_where_there_is_no_bound() -> None:
    """relu of 0 and -1 from terms of 2^9, all within E; the third is 0, the fourth has no bound."""
    config = Config.of(nonlinearity="relu", bias=False, dtype="fp16", input_size=2, hidden_size=4)
    weights = {"weight_ih_l0": [[1, -1], [1, -2], [0, 1], [2.0**8, 0]]}
    case = case_of(config, weights=weights, x=[[[512, 512]]])
    outputs = outputs_of(np.zeros((1, 1, 4)), np.zeros((1, 1, 4)))
    gamma = 3 / (2**11 - 3) + 2 / (2.0**53 - 2)
    found = last_step_of(evidence_of(case, outputs)).error
    for name in ("output", "h_n"):
        expected = [1024 * gamma, 0, 512 * gamma, 0]
        assert found[name].ravel() == pytest.approx(expected, rel=1e-4, abs=0)


def overflowing(
    value: float, bidirectional: bool = False, weights: Any = None
) -> tuple[list[Any], list[Any]]:
    """Float16, two layers, three steps, three rows of length 3, 1 and 3, two units.

    In the first layer the second unit gets a large x: in row 0 in the second step, and in row 1 in
    its padding.
    """
    x = np.zeros((3, 3, 2))
    x[1, 0, 1] = x[1, 1, 1] = value
    case = relu_case(
        x, lengths=[3, 1, 3], weights=weights, dtype="fp16", num_layers=2,
        bidirectional=bidirectional,
    )  # fmt: skip
    sides = case.config.directions
    outputs = outputs_of(np.zeros((3, 3, 2 * sides)), np.zeros((2 * sides, 3, 2)))
    found = last_step_of(evidence_of(case, outputs, hidden=(outputs,))).overflow
    assert {name: array.shape for name, array in found.items()} == {
        name: array.shape for name, array in outputs.items()
    }
    for array in found.values():
        assert (array == array[..., :1]).all()
    assert (found["h_n"] == found["h_n"][:1]).all()
    return found["output"][..., 0].tolist(), found["h_n"][0, :, 0].tolist()


NOWHERE = [[False] * 3] * 3, [False] * 3
ROW = [True, False, False]
LATER = [[False] * 3, ROW, ROW], ROW
SMALL, LARGE = 65440.0, 65472.0
"""The largest number is 65504: with E, a part in 1023, the first stays below it."""


def test_an_overflow_in_any_layer_reaches_all_later_steps_of_its_row() -> None:
    assert overflowing(SMALL) == NOWHERE
    assert overflowing(LARGE) == LATER


def test_with_two_directions_an_overflow_reaches_every_step_of_its_row() -> None:
    assert overflowing(LARGE, bidirectional=True) == ([ROW] * 3, ROW)
    assert overflowing(SMALL, bidirectional=True) == NOWHERE


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_comes_of_infinite_factors_is_no_overflow(value: float) -> None:
    assert overflowing(value) == NOWHERE
    # Of the second unit; the first, with factors of its own, may overflow beside it.
    of_second = {"weight_hh_l0": [[0, 0], [0, value]]}
    assert overflowing(LARGE, weights=of_second) == NOWHERE
    of_first = {"weight_hh_l0": [[0, value], [0, 0]]}
    assert overflowing(LARGE, weights=of_first) == LATER
