"""torch.nn.LSTM: i, f, o gates, c' = f c + i g, h' = o tanh(c')."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.aspects import Documented
from harness.calls import Call, call_table, common_calls, left_out, tuple_calls, with_keyword
from harness.case import Case
from harness.config import Config, LayerOptions
from harness.data import LONE, MISSING, MIXED, PLAIN, SPECIAL, STREWN, SWEEP_POINTS, integers
from harness.layers.record import DataKind, LayerRecord, Option, PageRow
from harness.layers.stacked import (
    ARGUMENTS,
    CODE_EXAMPLE,
    GATE_UNIT,
    SATURATING,
    finite_points,
    gate_biases,
    given_rows,
    lasting_kind,
    option_rows,
    page_kind,
    size_rows,
    sweep_kind,
    two_a_row,
    whole_rows,
)
from harness.requirements import PAGE, Requirement
from reference import lstm
from reference.arrays import Float64Array

__all__ = ["LAYER", "sweep_of"]


def _of_gates(config: Config, values: Mapping[str, Float64Array]) -> Float64Array:
    """A weight that is 0 for all gates but these."""
    zero = np.zeros_like(next(iter(values.values())))
    return np.concatenate([values.get(gate, zero) for gate in config.cell.gates])


def _pass_through(config: Config) -> dict[str, Float64Array] | None:
    """h' = tanh(g) = tanh(tanh(x)): i and o are 1, f is 0 whatever comes. No weights do that."""
    if not config.bias:
        return None
    size, outputs = config.hidden_size, config.output_size
    found = {
        "weight_ih": _of_gates(config, {"g": np.eye(size, outputs)}),
        "weight_hh": np.zeros((4 * size, outputs)),
        "bias_ih": gate_biases(config, open_="io", shut="f"),
        "bias_hh": np.zeros(4 * size),
    }
    return found | ({"weight_hr": np.eye(outputs, size)} if config.cell.projection else {})


SATURATED = 64.0
"""A cell state of which tanh is 1 in every format."""


def _alone(config: Config) -> dict[str, Float64Array]:
    """With biases h' = tanh(c_0), the old cell state let through. Without them a state of 64
    opens f, shuts i, and h' = o tanh(64) = sigmoid(x).
    """
    one, wide = np.ones((1, 1)), np.full((1, 1), SATURATING / SATURATED)
    gates = {"f": wide, "i": -wide}
    return {
        "weight_ih": _of_gates(config, {"o": 0 * one if config.bias else one}),
        "weight_hh": _of_gates(config, {"f": 0 * one} if config.bias else gates),
        "bias_ih": gate_biases(config, open_="fo", shut="i"),
        "bias_hh": np.zeros(4),
    }


def _sweep_state(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    if not config.bias:
        return np.full(shape, SATURATED)
    return np.resize(finite_points(config.dtype), shape) if name == "c_0" else np.zeros(shape)


def _no_sweep(config: Config) -> str | None:
    if config.states and config.cell.projection is None:
        return None
    return "data = 'sweep', expected states (tanh or sigmoid of them) and no projection"


def sweep_of(layer: str) -> Callable[[str, str, str], Config]:
    """As the record has it."""

    def sweep(activation: str, dtype: str, aspect: str) -> Config:
        return Config.of(
            layer,
            aspect=aspect,
            dtype=dtype,
            bias=activation == "tanh",
            states=True,
            batch=SWEEP_POINTS,
            data="sweep",
        )

    return sweep


def _integer_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return integers(config, "x", shape, -1, 1)


def _integer_state(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Of c_0 also so large that its tanh is 1, however often 1 is added to it."""
    unit = GATE_UNIT[config.dtype] if name == "c_0" else 1.0
    return unit * integers(config, name, shape, -1, 1)


def _integer_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Sums for gates are odd multiples of the unit, never 0: b_ih is odd, all else even."""
    unit = GATE_UNIT[config.dtype]
    if name.startswith("weight_hr"):
        return integers(config, name, shape, -1, 1)
    if name.startswith("bias"):
        return unit * (2 * integers(config, name, shape, -1, 1) + float("ih" in name))
    found: Float64Array = 2 * unit * two_a_row(config, name, shape)
    return found


def _no_integers(config: Config) -> str | None:
    if config.dtype in GATE_UNIT and config.bias and config.states and config.aspect != "gradient":
        return None
    return (
        "data = 'ints' saturates every gate and the cell state, expected biases, states, a dtype "
        "other than bf16 (in which sums of large integers are not exact), and no gradients (which "
        "are 0)"
    )


PROJ_SIZE = Option(
    "proj_size",
    {0: "unprojected", 1: "proj1", 2: "proj2"},
    0,
    fits=lambda size, hidden: size < hidden,
    numbered="projsize",
)


def _output_size(options: Config | LayerOptions) -> int:
    return int(options.proj_size) or options.hidden_size


_PROJECTED = Requirement(
    "proj-size",
    PAGE,
    "With proj_size > 0 the output and h have proj_size units",
    "mapping page, proj_size; torch documentation",
    lambda result, config: getattr(config, "proj_size", 0) > 0,
    "proj_size",
)


def _as_wide(case: Case) -> Call | None:
    """A projection must be smaller than what it projects."""
    return with_keyword("proj_size", case.config.hidden_size)(case)


_OWN_CALLS = call_table(
    {
        "defaults": [
            (
                "default.proj",
                Documented.VALID,
                "proj_size left out",
                left_out("proj_size", proj_size=0),
            ),
        ],
        "refused-sizes": [
            (f"proj.{name}", Documented.INVALID, says, with_keyword("proj_size", value))
            for name, says, value in (
                ("negative", "proj_size = -1", -1),
                ("beyond", "proj_size beyond hidden_size", 10**6),
                ("text", "proj_size as a str", "1"),
            )
        ]
        + [("proj.same", Documented.INVALID, "proj_size = hidden_size", _as_wide)],
    }
)

_EXAMPLE = {"input_size": 10, "hidden_size": 16, "num_layers": 2, "batch": 3, "steps": 5}
_ONES = np.ones((2, 3, 16))

LAYER = LayerRecord(
    name="lstm",
    title="LSTM",
    cell=lambda options: lstm(options.proj_size > 0),
    arguments=(*ARGUMENTS, "proj_size"),
    options=(PROJ_SIZE,),
    data=(
        MIXED,
        PLAIN,
        SPECIAL,
        LONE,
        MISSING,
        STREWN,
        DataKind(
            "ints",
            "gates saturated by large integers",
            _integer_x,
            _integer_state,
            _integer_weight,
            _no_integers,
        ),
        lasting_kind("f"),
        page_kind(np.ones((5, 3, 10)), {"h_0": _ONES, "c_0": _ONES}, _EXAMPLE),
        sweep_kind(_alone, _sweep_state, wrong=_no_sweep, finite=True),
    ),
    activations=("tanh", "sigmoid"),
    output_size=_output_size,
    thorough=False,
    sweep=sweep_of("lstm"),
    pass_through=_pass_through,
    calls={**common_calls(), **tuple_calls(), **_OWN_CALLS},
    requirements=(CODE_EXAMPLE, _PROJECTED),
    page=(
        *size_rows(),
        *option_rows(),
        PageRow(
            "Parameters",
            "proj_size",
            "-",
            "torch only; where it is > 0 the output has proj_size units",
            ("proj-size",),
            ("default.proj", "proj."),
        ),
        *given_rows("h_0 and c_0", "c0.", "states."),
        *whole_rows(
            "LSTM",
            "Prints shapes only",
            "The same functionality, without proj_size",
            ("activation", "nan", "gradient-signs"),
        ),
    ),
    examples=(
        {**_EXAMPLE, "layout": "batchfirst", "states": True},
        {**_EXAMPLE, "layout": "batchfirst", "states": True},
    ),
)
