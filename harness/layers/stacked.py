"""What the layers that are stacks have in common: arguments, rows of their mapping pages, data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from harness.config import Config
from harness.data import (
    MIXED,
    PLAIN,
    SWEEP_POINTS,
    integers,
    ordinary_weight,
    sweep_points,
)
from harness.layers.record import SINGLE_STEP, DataKind, LayerRecord, PageRow
from harness.requirements import PAGE, Requirement, of_page_example
from reference.arrays import Float64Array

__all__ = [
    "ARGUMENTS",
    "BIAS",
    "CODE_EXAMPLE",
    "GATE_UNIT",
    "HIDDEN_SIZE",
    "INPUT",
    "INPUT_SIZE",
    "NONLINEARITY_ROW",
    "RENAMED",
    "SATURATING",
    "cell_page",
    "cell_record",
    "finite_points",
    "gate_biases",
    "given_rows",
    "lasting_kind",
    "option_rows",
    "page_kind",
    "size_rows",
    "state_row",
    "sweep_kind",
    "two_a_row",
    "whole_rows",
]

ARGUMENTS = (
    "input_size",
    "hidden_size",
    "num_layers",
    "bias",
    "batch_first",
    "dropout",
    "bidirectional",
)
"""Of torch's constructor, in its order, where a layer has no others."""

_PARAMETERS, _INPUTS, _WHOLE = "Parameters", "Inputs", "Whole page"
RENAMED = "Same function, different parameter names"

Makers = Mapping[str, Float64Array]


INPUT_SIZE = PageRow(_PARAMETERS, "input_size", "input_size", "-", ("input-size",), ("input.",))
HIDDEN_SIZE = PageRow(
    _PARAMETERS, "hidden_size", "hidden_size", "-", ("hidden-size",), ("hidden.",)
)
NONLINEARITY_ROW = PageRow(
    _PARAMETERS,
    "nonlinearity",
    "nonlinearity",
    "-",
    ("activation", "nan", "gradient-signs"),
    ("nonlinearity.", "default.nonlinearity", "order."),
)
BIAS = PageRow(
    _PARAMETERS, "bias", "has_bias", RENAMED, ("bias",), ("bias.", "default.bias", "keyword.bias")
)
INPUT = PageRow(_INPUTS, "input", "x", RENAMED, ("x",), ("x.", "keyword.input"))


def state_row(states: str, *calls: str) -> PageRow:
    """The initial states, as the page calls them, with more `calls` about them."""
    about = ("h0.", *calls, "keyword.hx")
    return PageRow(_INPUTS, states, "hx", RENAMED, ("h-0-given", "h-0-absent"), about)


def size_rows() -> tuple[PageRow, ...]:
    """input_size, hidden_size and num_layers."""
    return (
        INPUT_SIZE,
        HIDDEN_SIZE,
        PageRow(
            _PARAMETERS,
            "num_layers",
            "num_layers",
            "-",
            ("num-layers",),
            ("layers.", "default.layers"),
        ),
    )


def option_rows() -> tuple[PageRow, ...]:
    """bias, batch_first, dropout and bidirectional."""
    return (
        BIAS,
        PageRow(
            _PARAMETERS,
            "batch_first",
            "batch_first",
            "-",
            ("batch-first",),
            ("layout.", "default.layout"),
        ),
        PageRow(
            _PARAMETERS,
            "dropout",
            "dropout",
            "-",
            ("dropout", "initial-mode"),
            ("dropout.", "default.dropout"),
        ),
        PageRow(
            _PARAMETERS,
            "bidirectional",
            "bidirectional",
            "-",
            ("bidirectional",),
            ("directions.", "default.directions"),
        ),
    )


def given_rows(states: str = "h_0", *calls: str) -> tuple[PageRow, ...]:
    """x, the initial states with more `calls` about them, and lengths."""
    return (
        INPUT,
        state_row(states, *calls),
        PageRow(
            _INPUTS,
            "- (pack_padded_sequence)",
            "seq_length",
            "The true sequence length, so that padding does not count",
            ("lengths", "gradient-padding"),
            ("lengths.",),
        ),
    )


def whole_rows(
    title: str, example: str, claim: str, requirements: tuple[str, ...] = ()
) -> tuple[PageRow, ...]:
    """The page's example, with what the page makes of it, and what it claims of the whole."""
    return (
        PageRow(_WHOLE, "Code Example 1", "Code Example 1", example, ("code-example",)),
        PageRow(
            _WHOLE,
            f"torch.nn.{title}",
            f"mindspore.nn.{title}",
            claim,
            ("same-functions", *requirements),
        ),
    )


def cell_page(title: str, example: str, claim: str, *more: PageRow) -> tuple[PageRow, ...]:
    """The rows of the page of a cell, which takes one step; `more` are its own options."""
    requirements = () if more else ("activation", "nan", "gradient-signs")
    rows = INPUT_SIZE, HIDDEN_SIZE, BIAS, *more, INPUT, state_row("hidden")
    return *rows, *whole_rows(title, example, claim, requirements)


GATE_UNIT = {"fp16": 64.0, "fp32": 128.0, "fp64": 1024.0}
"""What pre-activations of gates are multiples of where data are integers: sigmoid of it is 1, of
minus it 0, tanh of it 1, all to the bit in the format; sums of some such numbers are exact.
"""


def two_a_row(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """A matrix of zeros with two numbers from -1 to 1 in each row."""
    weight, rows = np.zeros(shape), np.arange(shape[0])
    weight[rows, (rows + 1) % shape[1]] = integers(config, name, (shape[0],), -1, 1)
    weight[rows, (2 * rows + 3) % shape[1]] = integers(config, name + "+", (shape[0],), -1, 1)
    return weight


KEEPING = 4.0
"""What is added to the bias of a gate that keeps the state: it loses 1.8% a step."""


def lasting_kind(gate: str) -> DataKind:
    """Ordinary numbers, and a gate that keeps most of the state, however many steps follow."""

    def weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
        found = ordinary_weight(config, name, shape)
        if name.startswith("bias_ih"):
            kept = [KEEPING * (one == gate) for one in config.cell.gates]
            found += np.repeat(np.array(kept), config.hidden_size)
        return found

    return dataclasses.replace(
        PLAIN,
        name="lasting",
        says=f"ordinary numbers, and a gate {gate} that forgets little",
        weight=weight,
        wrong=lambda config: None if config.bias else "data = 'lasting', expected biases",
    )


_OF_STACKS = ("lasting",)
"""Kinds of data that ask what several steps do."""


def cell_record(of: LayerRecord, example: DataKind) -> LayerRecord:
    """The record of a layer's cell, but for what differs: `example` has its page's arrays."""
    return dataclasses.replace(
        of,
        name=f"{of.name}cell",
        title=f"{of.title}Cell",
        arguments=("input_size", "hidden_size", "bias", *(option.name for option in of.options)),
        data=tuple(
            example if kind.name == "page" else kind
            for kind in of.data
            if kind.name not in _OF_STACKS
        ),
        thorough=False,
        fixed=SINGLE_STEP,
        notes="",
    )


CODE_EXAMPLE = Requirement(
    "code-example",
    PAGE,
    "Code Example 1 prints the same for both, once the weights are copied",
    "mapping page, Code Example 1",
    of_page_example,
    "Code Example 1",
)


def page_kind(
    x: Float64Array, states: Mapping[str, Float64Array], sizes: Mapping[str, int]
) -> DataKind:
    """The arrays of the page's example, time first, for configs of its sizes."""

    def wrong(config: Config) -> str | None:
        given = {name: getattr(config, name) for name in sizes}
        plain = config.aspect == "values" and not config.bidirectional and config.states
        if given == sizes and plain:
            return None
        expected = ", ".join(f"{name} {size}" for name, size in sizes.items())
        return (
            "data = 'page' is the mapping page's Code Example 1, expected aspect values, "
            f"{expected}, one direction, states given"
        )

    return DataKind(
        "page",
        f"x and {' and '.join(states)} of the mapping page",
        lambda config, shape: x.copy(),
        lambda config, name, shape: states[name].copy(),
        MIXED.weight,
        wrong,
    )


SATURATING = 1e4
"""A pre-activation at which a sigmoid is 0 or 1 in every format, though exp(-a) may overflow."""


def gate_biases(config: Config, *, open_: str = "", shut: str = "") -> Float64Array:
    """A bias (G H,) with which the gates of these letters are 1, or 0, whatever comes; others 0."""
    sign = [SATURATING * ((gate in open_) - (gate in shut)) for gate in config.cell.gates]
    return np.repeat(np.array(sign), config.hidden_size)


def finite_points(dtype: str) -> Float64Array:
    """The points of a sweep with 1 in place of infinities."""
    points = sweep_points(dtype).astype(np.float64)
    return np.where(np.isinf(points), 1.0, points)


def sweep_kind(
    weights: Callable[[Config], Makers],
    state: float | Callable[[Config, str, tuple[int, ...]], Float64Array] = 0.0,
    wrong: Callable[[Config], str | None] = lambda config: None,
    *,
    finite: bool = False,
) -> DataKind:
    """The activation alone: every point a batch row of one feature, one step, one unit.

    `weights` gives the parameters by names without layer; `state` is that of all rows before the
    step, or makes it. `finite` leaves infinities out, which other gates' weights of 0 would make
    NaN of.
    """

    def x(config: Config, shape: tuple[int, ...]) -> Float64Array:
        points = sweep_points(config.dtype).astype(np.float64).reshape(shape)
        return finite_points(config.dtype).reshape(shape) if finite else points

    def weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
        return weights(config)[name.partition("_l")[0]].reshape(shape).astype(np.float64)

    def not_alone(config: Config) -> str | None:
        sizes = {"input_size": 1, "hidden_size": 1, "num_layers": 1, "batch": SWEEP_POINTS}
        given: dict[str, Any] = {name: getattr(config, name) for name in (*sizes, "steps")}
        if (
            given == {**sizes, "steps": 1}
            and not config.bidirectional
            and config.lengths in ("nolengths", "fulllengths")
        ):
            return wrong(config)
        return (
            f"data = 'sweep' measures the activation alone, expected batch {SWEEP_POINTS}, all "
            "other sizes 1, one direction, no lengths or full ones"
        )

    return DataKind(
        "sweep",
        "every range of the activation",
        x,
        state if callable(state) else lambda config, name, shape: np.full(shape, state),
        weight,
        not_alone,
    )
