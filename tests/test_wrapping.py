"""Wrapping a runtime: a cell of one direction becomes a backend in a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.backends.wrapping import (
    BATCH_FIRST,
    Layout,
    Stack,
    directions_of,
    in_gate_order,
    layer_options,
    turned,
)
from harness.case import make_case
from harness.config import Config, LayerOptions
from harness.judge import Session
from harness.verdicts import FAILED, Verdict

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6}


class Cells:
    """All that a runtime of one direction takes."""

    name = "cells"

    def build(self, options: LayerOptions) -> Stack:
        return Stack(options, self.run)

    def run(
        self, options: LayerOptions, w: Mapping[str, Any], x: Any, initial: Any, lengths: Any
    ) -> tuple[Any, dict[str, Any]]:
        h = initial.get("h_0", np.zeros((x.shape[1], options.hidden_size), x.dtype))
        activation: Any = {"tanh": np.tanh, "relu": lambda a: a * (a > 0)}[options.nonlinearity]
        output = np.zeros((*x.shape[:2], options.hidden_size), x.dtype)
        for t in range(len(x)):
            new = x[t] @ w["weight_ih"].T + h @ w["weight_hh"].T
            if options.bias:
                new = new + w["bias_ih"] + w["bias_hh"]
            valid = True if lengths is None else (t < lengths)[:, None]
            output[t] = np.where(valid, activation(new), x.dtype.type(0))
            h = np.where(valid, activation(new), h)
        return output, {"h_n": h}

    def unsupported(self, config: Config) -> str | None:
        return "NumPy has no bfloat16" if config.dtype == "bf16" else None


CONFIGS = [
    Config.of(**SIZES),
    Config.of(bidirectional=True, states=True, lengths="ragged", **SIZES),
    Config.of(num_layers=3, bidirectional=True, layout="batchfirst", states=True, **SIZES),
    Config.of(num_layers=2, lengths="emptyrows", layout="batchfirst", bias=False, **SIZES),
    Config.of(
        num_layers=2, bidirectional=True, layout="unbatched", states=True, **SIZES | {"batch": 1}
    ),
    Config.of(num_layers=2, bidirectional=True, nonlinearity="relu", dtype="fp64", **SIZES),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id)
def test_a_cell_becomes_a_layer(config: Config) -> None:
    with Session({"cells": Cells()}) as session:
        found = {result.verdict for result in session.judge(config)}
    assert Verdict.PASS in found
    assert not found & {*FAILED}


@pytest.mark.parametrize("layout", [Layout(), Layout(True), Layout(False, True), BATCH_FIRST])
def test_there_and_back_is_the_same(layout: Layout) -> None:
    rows = 1 if layout.unbatched else 3
    inner = {"x": np.zeros((4, rows, 2)), "h_0": np.zeros((1, rows, 5)), "lengths": np.ones(rows)}
    outside = layout.back(inner)
    shapes = {name: array.shape for name, array in layout.time_first(outside).items()}
    assert shapes == {name: array.shape for name, array in inner.items()}
    expected = {Layout(): (4, 3, 2), Layout(True): (3, 4, 2), Layout(False, True): (4, 2)}
    assert outside["x"].shape == expected[layout]


def test_gates_are_reordered_by_their_rows() -> None:
    rows = np.repeat([1.0, 2.0, 3.0, 4.0], 2)
    assert in_gate_order(rows, "ifgo", "iofg").tolist() == [1, 1, 4, 4, 2, 2, 3, 3]
    matrix = rows[:, None] * [[1.0, 10.0]]
    assert in_gate_order(matrix, "ifgo", "ogfi")[0].tolist() == [4, 40]
    with pytest.raises(ValueError, match="expected those of 'ifgo'"):
        in_gate_order(rows, "ifgo", "ifgg")


def test_rows_turn_within_their_lengths() -> None:
    steps = np.arange(4)[:, None, None] * np.ones((1, 2, 1))
    assert turned(steps, None)[:, 0, 0].tolist() == [3, 2, 1, 0]
    found = turned(steps, np.array([2, 4]))
    assert found[:, 0, 0].tolist() == [1, 0, 2, 3]
    assert found[:, 1, 0].tolist() == [3, 2, 1, 0]


def test_directions_and_layers_are_told_apart() -> None:
    case = make_case(Config.of(num_layers=2, bidirectional=True, **SIZES))
    options = case.config.options
    both = directions_of(options, case.weights, 1)
    assert both["weight_ih"].shape == (2, 4, 8)
    np.testing.assert_array_equal(both["bias_hh"][1], case.weights["bias_hh_l1_reverse"])
    assert [layer_options(options, n)["input_size"] for n in (0, 1)] == [3, 8]
