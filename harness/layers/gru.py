"""torch.nn.GRU: n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h' = (1 - z) n + z h."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.calls import common_calls
from harness.config import Config
from harness.data import LONE, MISSING, MIXED, PLAIN, SPECIAL, STREWN, SWEEP_POINTS, integers
from harness.layers.record import DataKind, LayerRecord
from harness.layers.stacked import (
    ARGUMENTS,
    CODE_EXAMPLE,
    GATE_UNIT,
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
from reference import GRU
from reference.arrays import Float64Array

__all__ = ["LAYER", "sweep_of"]


def _of_gates(config: Config, gate: str, matrix: Float64Array) -> Float64Array:
    """A weight that is 0 for all gates but one."""
    blocks = [matrix if one == gate else np.zeros_like(matrix) for one in config.cell.gates]
    return np.concatenate(blocks)


def _pass_through(config: Config) -> dict[str, Float64Array] | None:
    """z is 0 whatever comes, r does not matter: h' = n = tanh(x). No weights alone do that."""
    if not config.bias:
        return None
    size = config.hidden_size
    square = np.zeros((size, size))
    return {
        "weight_ih": _of_gates(config, "n", np.eye(size)),
        "weight_hh": _of_gates(config, "n", square),
        "bias_ih": gate_biases(config, shut="z"),
        "bias_hh": np.zeros(3 * size),
    }


def _alone(config: Config) -> dict[str, Float64Array]:
    """With biases h' = n = tanh(x) as above; without, from a state of 1, h' = z = sigmoid(x)."""
    one = np.ones((1, 1))
    return {
        "weight_ih": _of_gates(config, "n" if config.bias else "z", one),
        "weight_hh": _of_gates(config, "n", 0 * one),
        "bias_ih": gate_biases(config, shut="z"),
        "bias_hh": np.zeros(3),
    }


def _no_sweep(config: Config) -> str | None:
    if config.bias or config.states:
        return None
    return "data = 'sweep', expected biases (tanh alone), or states (sigmoid alone)"


def sweep_of(layer: str, *, states: bool) -> Callable[[str, str, str], Config]:
    """As the record has it; whether there are states where they do not matter."""

    def sweep(activation: str, dtype: str, aspect: str) -> Config:
        of_tanh = activation == "tanh"
        return Config.of(
            layer,
            aspect=aspect,
            dtype=dtype,
            bias=of_tanh,
            states=states or not of_tanh,
            batch=SWEEP_POINTS,
            data="sweep",
        )

    return sweep


def _integer_x(config: Config, shape: tuple[int, ...]) -> Float64Array:
    return integers(config, "x", shape, -1, 1)


def _integer_state(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    return integers(config, name, shape, -1, 1)


def _integer_weight(config: Config, name: str, shape: tuple[int, ...]) -> Float64Array:
    """Sums for gates are odd multiples of the unit, never 0: b_ih is odd, all else even."""
    unit, size = GATE_UNIT[config.dtype], config.hidden_size
    if name.startswith("bias"):
        odd = np.where(np.arange(shape[0]) < 2 * size, float("ih" in name), 0.0)
        bias: Float64Array = unit * (2 * integers(config, name, shape, -1, 1) + odd)
        return bias
    found: Float64Array = 2 * unit * two_a_row(config, name, shape)
    return found


def _no_integers(config: Config) -> str | None:
    if config.dtype in GATE_UNIT and config.bias and config.aspect != "gradient":
        return None
    return (
        "data = 'ints' saturates every gate, expected biases, a dtype other than bf16 (in which "
        "sums of large integers are not exact), and no gradients (which are 0)"
    )


_EXAMPLE = {
    "input_size": 10,
    "hidden_size": 16,
    "num_layers": 2,
    "batch": 3,
    "steps": 5,
}

LAYER = LayerRecord(
    name="gru",
    title="GRU",
    cell=lambda options: GRU,
    arguments=ARGUMENTS,
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
        lasting_kind("z"),
        page_kind(np.ones((5, 3, 10)), {"h_0": np.ones((2, 3, 16))}, _EXAMPLE),
        sweep_kind(_alone, state=1.0, wrong=_no_sweep, finite=True),
    ),
    activations=("tanh", "sigmoid"),
    sweep=sweep_of("gru", states=False),
    pass_through=_pass_through,
    calls=common_calls(),
    requirements=(CODE_EXAMPLE,),
    page=(
        *size_rows(),
        *option_rows(),
        *given_rows(),
        *whole_rows(
            "GRU",
            "Prints a shape only",
            "Consistent function; one more input, seq_length",
            ("activation", "nan", "gradient-signs"),
        ),
    ),
    examples=(
        {**_EXAMPLE, "layout": "batchfirst", "states": True},
        {**_EXAMPLE, "layout": "batchfirst", "states": True},
    ),
    thorough=False,
)
