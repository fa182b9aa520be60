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
    uniform,
)
from harness.layers.record import DataKind, LayerRecord, Option
from harness.layers.stacked import (
    ARGUMENTS,
    CODE_EXAMPLE,
    NONLINEARITY_ROW,
    given_rows,
    option_rows,
    page_kind,
    size_rows,
    sweep_kind,
    whole_rows,
)
from harness.requirements import REFUSALS, Requirement
from reference import Cell, elman
from reference.arrays import Float64Array

__all__ = ["LAYER", "NONLINEARITY", "OWN_CALLS"]

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


def _alone(config: Config) -> dict[str, Float64Array]:
    return {"weight_ih": np.ones(1), "weight_hh": np.zeros(1)}


def _no_sweep(config: Config) -> str | None:
    if config.bias or (config.states and not config.record.single_step):
        return "data = 'sweep', expected no bias, and no states but of a cell"
    return None


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


OWN_CALLS = call_table(
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

_PAGE = (
    *size_rows(),
    NONLINEARITY_ROW,
    *option_rows(),
    *given_rows(),
    *whole_rows("RNN", "Prints different numbers", "Implement the same functions as PyTorch"),
)

_EXAMPLE = {
    "input_size": 2,
    "hidden_size": 3,
    "num_layers": 4,
    "batch": 1,
    "steps": 1,
}
_PAGE_DATA = page_kind(
    np.array([[[3.0, 4.0]]]),
    {"h_0": np.array([[[1.0, 2, 3]], [[3.0, 4, 5]], [[3.0, 4, 5]], [[3.0, 4, 5]]])},
    _EXAMPLE,
)

_REQUIREMENTS = (
    CODE_EXAMPLE,
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
    arguments=(*ARGUMENTS[:3], "nonlinearity", *ARGUMENTS[3:]),
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
        _PAGE_DATA,
        sweep_kind(_alone, wrong=_no_sweep),
    ),
    activations=("tanh", "relu"),
    sweep=_sweep,
    pass_through=_pass_through,
    calls={**common_calls(), **OWN_CALLS},
    requirements=_REQUIREMENTS,
    page=_PAGE,
    examples=tuple(
        {**_EXAMPLE, "nonlinearity": nonlinearity, "bias": bias, "states": True}
        for nonlinearity, bias in (
            ("relu", False),
            ("relu", True),
            ("tanh", False),
            ("relu", False),
        )
    ),
    notes=(
        "Measured apart, by `make limits` with torch 2.13.0 and MindSpore 2.10.0: graph mode "
        "refuses sequences of\nmore than some 240 steps "
        '("Exceed function call depth limit 1000"); eager mode and torch take 9,999.'
    ),
)
