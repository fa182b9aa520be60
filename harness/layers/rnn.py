"""torch.nn.RNN: h' = act(W_ih x + b_ih + W_hh h + b_hh), act = tanh or relu."""

from __future__ import annotations

import numpy as np

from harness.aspects import Documented
from harness.calls import call_table, common_calls, left_out, with_keyword
from harness.config import Config, LayerOptions
from harness.data import (
    LONE,
    MISSING,
    MIXED,
    PLAIN,
    SPECIAL,
    STREWN,
    SWEEP_POINTS,
    integers,
    sweep_points,
    uniform,
)
from harness.layers.record import DataKind, LayerRecord, Option, PageRow
from harness.requirements import PAGE, REFUSALS, Requirement, of_page_example
from reference import Cell, elman
from reference.arrays import Float64Array

__all__ = ["LAYER", "NONLINEARITY"]

NONLINEARITY = Option("nonlinearity", {"tanh": "tanh", "relu": "relu"}, "tanh")

MAX_INTS_STEPS = 12


def _cell(options: Config | LayerOptions) -> Cell:
    return elman(options.nonlinearity)


def _integer_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return integers(config, "x", shape, -2, 4)


def _integer_state(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return integers(config, name, shape, -3, 5)


def _integer_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    if name.startswith("bias"):
        return integers(config, name, shape, -1, 4)
    if name.startswith("weight_ih_l0"):
        return integers(config, name, shape, -1, 3)
    # One or two entries of magnitude 1 a row, off the diagonal: sums stay small over the steps.
    weight = np.zeros(shape)
    rows = np.arange(shape[0])
    weight[rows, (rows + 1) % shape[1]] = integers(config, name, (shape[0],), 0, 5).clip(-1, 1)
    weight[rows, (2 * rows + 3) % shape[1]] = integers(config, name + "+", (shape[0],), -1, 1)
    return weight


def _no_integers(config: Config) -> str | None:
    if config.nonlinearity == "relu" and config.steps <= MAX_INTS_STEPS:
        return None
    return (
        f"data = 'ints', expected nonlinearity = 'relu' and steps <= {MAX_INTS_STEPS} (sums of "
        "small integers must stay exact)"
    )


def _positive_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return _positive(config, "x", shape)


def _positive(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return (1 + uniform(config, name, shape)) / 4


def _lasting_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """A row of W_hh adds up to 1: a change of all units lasts, however many steps follow."""
    found = 0.25 + _positive(config, name, shape)
    if name.startswith("weight_hh"):
        found /= found.sum(axis=1, keepdims=True)
    return found


def _no_relu(config: Config) -> str | None:
    if config.nonlinearity == "relu":
        return None
    return "data = 'lasting', expected nonlinearity = 'relu' (tanh forgets)"


def _page_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return np.array([[[3.0, 4.0]]])


def _page_state(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return np.array([[[1.0, 2, 3]], [[3.0, 4, 5]], [[3.0, 4, 5]], [[3.0, 4, 5]]])


def _no_page(config: Config) -> str | None:
    sizes = (
        config.input_size,
        config.hidden_size,
        config.num_layers,
        config.batch,
        config.steps,
        config.aspect,
    )
    if sizes == (2, 3, 4, 1, 1, "values") and not config.bidirectional and config.states:
        return None
    return (
        "data = 'page' is the mapping page's Code Example 1, expected aspect values, input_size 2, "
        "hidden_size 3, num_layers 4, batch 1, steps 1, one direction, states given"
    )


def _sweep_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return sweep_points(config.dtype).astype(np.float64).reshape(shape)


def _sweep_state(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return np.zeros(shape)


def _sweep_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return np.full(shape, float(name.startswith("weight_ih")))


def _no_sweep(config: Config) -> str | None:
    sizes = (
        config.input_size,
        config.hidden_size,
        config.num_layers,
        config.batch,
        config.steps,
    )
    plain = not (config.bidirectional or config.bias or config.states)
    if sizes == (1, 1, 1, SWEEP_POINTS, 1) and plain and config.lengths == "nolengths":
        return None
    return (
        f"data = 'sweep' measures the activation alone, expected batch {SWEEP_POINTS}, all other "
        "sizes 1, one direction, no bias, no states, no lengths"
    )


def _sweep(activation: str, dtype: str, aspect: str) -> Config:
    return Config.of(
        "rnn",
        aspect=aspect,
        nonlinearity=activation,
        dtype=dtype,
        bias=False,
        batch=SWEEP_POINTS,
        data="sweep",
    )


def _pass_through(config: Config) -> dict[str, Float64Array]:
    """W_ih is the identity, everything else 0: h' = act(x)."""
    hidden = config.hidden_size
    found = {"weight_ih": np.eye(hidden), "weight_hh": np.zeros((hidden, hidden))}
    biases = {"bias_ih": np.zeros(hidden), "bias_hh": np.zeros(hidden)}
    return found | biases if config.bias else found


_OWN_CALLS = call_table(
    {
        "defaults": [
            (
                "default.nonlinearity",
                Documented.VALID,
                "nonlinearity left out",
                left_out("nonlinearity", nonlinearity="tanh"),
            ),
        ],
        "refused-nonlinearity": [
            (
                f"nonlinearity.{name}",
                Documented.INVALID,
                says,
                with_keyword("nonlinearity", value),
            )
            for name, says, value in (
                ("unknown", "nonlinearity = 'sigmoid'", "sigmoid"),
                ("upper", "nonlinearity in upper case", "TANH"),
                ("none", "nonlinearity = None", None),
                ("number", "nonlinearity = 0", 0),
            )
        ],
    }
)

_PARAMETERS, _INPUTS, _WHOLE = "Parameters", "Inputs", "Whole page"
_RENAMED = "Same function, different parameter names"

_PAGE = (
    PageRow(_PARAMETERS, "input_size", "input_size", "-", ("input-size",), ("input.",)),
    PageRow(_PARAMETERS, "hidden_size", "hidden_size", "-", ("hidden-size",), ("hidden.",)),
    PageRow(
        _PARAMETERS,
        "num_layers",
        "num_layers",
        "-",
        ("num-layers",),
        ("layers.", "default.layers"),
    ),
    PageRow(
        _PARAMETERS,
        "nonlinearity",
        "nonlinearity",
        "-",
        ("activation", "nan", "gradient-signs"),
        ("nonlinearity.", "default.nonlinearity", "order."),
    ),
    PageRow(
        _PARAMETERS,
        "bias",
        "has_bias",
        _RENAMED,
        ("bias",),
        ("bias.", "default.bias", "keyword.bias"),
    ),
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
    PageRow(_INPUTS, "input", "x", _RENAMED, ("x",), ("x.", "keyword.input")),
    PageRow(_INPUTS, "h_0", "hx", _RENAMED, ("h-0-given", "h-0-absent"), ("h0.", "keyword.hx")),
    PageRow(
        _INPUTS,
        "- (pack_padded_sequence)",
        "seq_length",
        "The true sequence length, so that padding does not count",
        ("lengths", "gradient-padding"),
        ("lengths.",),
    ),
    PageRow(
        _WHOLE, "Code Example 1", "Code Example 1", "Prints different numbers", ("code-example",)
    ),
    PageRow(
        _WHOLE,
        "torch.nn.RNN",
        "mindspore.nn.RNN",
        "Implement the same functions as PyTorch",
        ("same-functions",),
    ),
)

_REQUIREMENTS = (
    Requirement(
        "code-example",
        PAGE,
        "Code Example 1 prints the same for both, once the weights are copied",
        "mapping page, Code Example 1",
        of_page_example,
        "Code Example 1",
    ),
    Requirement(
        "refused-nonlinearity",
        REFUSALS,
        "Only 'tanh' and 'relu' are nonlinearities",
        "torch documentation",
    ),
)

LAYER = LayerRecord(
    name="rnn",
    title="RNN",
    cell=_cell,
    arguments=(
        "input_size",
        "hidden_size",
        "num_layers",
        "nonlinearity",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
    ),
    options=(NONLINEARITY,),
    data=(
        MIXED,
        PLAIN,
        SPECIAL,
        LONE,
        MISSING,
        STREWN,
        DataKind(
            "ints", "small integers", _integer_x, _integer_state, _integer_weight, _no_integers
        ),
        DataKind(
            "lasting",
            "positive numbers, and recurrent weights that forget nothing",
            _positive_x,
            _positive,
            _lasting_weight,
            _no_relu,
        ),
        DataKind(
            "page",
            "x and h_0 of the mapping page",
            _page_x,
            _page_state,
            MIXED.weight,
            _no_page,
        ),
        DataKind(
            "sweep",
            "every range of the activation",
            _sweep_x,
            _sweep_state,
            _sweep_weight,
            _no_sweep,
        ),
    ),
    activations=("tanh", "relu"),
    sweep=_sweep,
    pass_through=_pass_through,
    calls={**common_calls(), **_OWN_CALLS},
    requirements=_REQUIREMENTS,
    page=_PAGE,
)
