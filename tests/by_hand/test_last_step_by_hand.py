"""What single steps may err, and where they may overflow, as comparisons end to end take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import evidence_of, steps_of

from harness.config import Config
from harness.judging import last_step
from harness.judging.last_step import LastStep, last_step_of

STACK = Config(num_layers=2, bidirectional=True, steps=3, batch=3, nonlinearity="relu")
LENGTHS = np.array([3, 1, 0])


def reached(monkeypatch: Any, config: Config, made: Any, lengths: Any = None) -> LastStep:
    """`made` gives the steps of a layer and direction."""
    evidence = evidence_of(config)

    def steps(given: Any, layer: int, reverse: bool) -> Any:
        assert given is evidence
        return made(layer, reverse)

    monkeypatch.setattr(last_step, "direction_steps", steps)
    if lengths is not None:
        evidence.case.valid = np.arange(config.steps)[:, None] < lengths
    return last_step_of(evidence)


def width(layer: int, reverse: bool, step: int, row: int) -> float:
    """Different for each step of each row, direction and layer."""
    return 1.0 + step + 10 * row + 100 * reverse + 1000 * layer


def test_the_last_step_of_each_row_and_direction_is_what_counts(monkeypatch: Any) -> None:
    """Rows of length 3, 1 and 0; in reverse the last step is the first in time."""

    def made(layer: int, reverse: bool) -> Any:
        error = [[[width(layer, reverse, t, b)] for b in range(3)] for t in range(3)]
        return steps_of(np.full((3, 3, 1), 1e5), np.zeros((3, 3, 1)), error)

    last = reached(monkeypatch, STACK, made, LENGTHS).error
    for layer in (0, 1):
        ends = [width(layer, False, 2, 0), width(layer, False, 0, 1), 0]
        assert last.h_n[2 * layer].ravel().tolist() == ends
        ends = [width(layer, True, 0, 0), width(layer, True, 0, 1), 0]
        assert last.h_n[2 * layer + 1].ravel().tolist() == ends
    for step in range(3):
        for row, length in enumerate(LENGTHS):
            both = [width(1, reverse, step, row) for reverse in (False, True)]
            assert last.output[step, row].tolist() == (both if step < length else [0, 0])


def test_the_larger_side_of_an_interval_counts_and_none_where_there_is_no_bound(
    monkeypatch: Any,
) -> None:
    """relu of 4, 1/4, -1/4 and -1, all within 1/2; the fifth has no bound."""
    a = [[[4.0, 0.25, -0.25, -1, 4]]]
    defined = np.array([[[True, True, True, True, False]]])
    steps = steps_of(a, np.zeros((1, 1, 5)), defined=defined)
    config = Config(hidden_size=5, nonlinearity="relu")
    last = reached(monkeypatch, config, lambda *_: steps).error
    assert last.output.ravel().tolist() == [0.5, 0.5, 0.25, 0, 0]
    assert last.h_n.ravel().tolist() == [0.5, 0.5, 0.25, 0, 0]


def test_a_side_below_counts_as_one_above(monkeypatch: Any) -> None:
    """Between 3 and 4 1/4, of 4."""
    steps = steps_of([[[4.0]]], [[[0.0]]])
    interval = type(steps.interval)(steps.a - 1, steps.a, steps.a + 0.25)
    steps = steps_of([[[4.0]]], [[[0.0]]], interval=interval)
    assert reached(monkeypatch, Config(), lambda *_: steps).error.output.item() == 1


def overflowing(
    monkeypatch: Any, magnitude: float, bidirectional: bool = False, **changes: Any
) -> tuple[list[Any], list[Any]]:
    """Float16, two layers, three steps, three rows of length 3, 1 and 3, two units, E = 1/2.

    In the first layer the second unit's magnitudes are large: of row 0 in the second step, and
    of row 1 in its padding.
    """
    config = Config(
        num_layers=2, steps=3, batch=3, hidden_size=2, dtype="fp16", nonlinearity="relu",
        bidirectional=bidirectional,
    )  # fmt: skip

    def made(layer: int, reverse: bool) -> Any:
        size = np.ones((3, 3, 2))
        if (layer, reverse) == (0, False):
            size[1, 0, 1] = size[1, 1, 1] = magnitude
        zero = np.zeros((3, 3, 2))
        return steps_of(zero, zero, magnitude=size, **changes)

    found = reached(monkeypatch, config, made, np.array([3, 1, 3])).overflow
    assert found.output.shape == (3, 3, 4 if bidirectional else 2)
    assert found.h_n.shape == (4 if bidirectional else 2, 3, 2)
    for array in (found.output, found.h_n):
        assert (array == array[..., :1]).all()
    assert (found.h_n == found.h_n[:1]).all()
    return found.output[..., 0].tolist(), found.h_n[0, :, 0].tolist()


NOWHERE = [[False] * 3] * 3, [False] * 3


def test_an_overflow_in_any_layer_reaches_all_later_steps_of_its_row(monkeypatch: Any) -> None:
    """The largest number is 65504: m + E may stay below it, or reach it."""
    assert overflowing(monkeypatch, 65503.25) == NOWHERE
    row = [True, False, False]
    later = [[False] * 3, row, row]
    assert overflowing(monkeypatch, 65503.5) == (later, row)
    assert overflowing(monkeypatch, np.inf) == (later, row)
    assert overflowing(monkeypatch, np.nan) == (later, row)


def test_with_two_directions_an_overflow_reaches_every_step_of_its_row(monkeypatch: Any) -> None:
    row = [True, False, False]
    assert overflowing(monkeypatch, 65503.5, bidirectional=True) == ([row] * 3, row)
    assert overflowing(monkeypatch, 65503.25, bidirectional=True) == NOWHERE


@pytest.mark.parametrize("factor", [np.inf, np.nan])
def test_what_comes_of_infinite_operands_is_no_overflow(monkeypatch: Any, factor: float) -> None:
    factors = np.full((3, 3, 2), factor)
    assert overflowing(monkeypatch, np.inf, factors=factors) == NOWHERE
