"""The simplest gradients of a backend: are they those of anything?

Where they are off by more than half, nothing that fails for gradients says more than that.
"""

from __future__ import annotations

import numpy as np

from harness.case import cotangents, make_case
from harness.config import Config
from harness.layers import LAYERS
from harness.runners import Runner
from reference.arrays import Float64Array
from reference.gradient import gradients

__all__ = ["gradients_are_none"]

SIZES = {"input_size": 3, "hidden_size": 4, "batch": 2, "steps": 3}
SEEDS = (1, 2, 3, 4)
HALF = 0.5


def gradients_are_none(runner: Runner, layer: str, dtype: str, *, lengths: bool) -> bool:
    """Whether every gradient of plain numbers is off by more than half of its largest element in
    some call; False where there are no gradients.

    One that is wrong beside right ones is a wrong one, with causes of its own.
    """
    kind = "fulllengths" if lengths else "nolengths"
    return any(
        _none(runner, _simplest(layer, dtype=dtype, lengths=kind, seed=seed)) for seed in SEEDS
    )


def _simplest(layer: str, **values: object) -> Config:
    given = {"aspect": "gradient", "data": "plain", **SIZES, **values}
    return Config.of(layer, **{**given, **LAYERS[layer].fixed})


def _none(runner: Runner, config: Config) -> bool:
    case = make_case(config)
    derivatives = runner.observe(config, repeat=False).derivatives
    if derivatives is None:
        return False
    of = cotangents(case)
    exact = gradients(
        config.cell,
        case.x,
        case.initial,
        case.weights,
        of["output"],
        {state: of[f"{state}_n"] for state in config.cell.states},
        bias=config.bias,
        lengths=case.lengths,
    )
    return any(
        all(_off(array.astype(np.float64), exact[name]) for name, array in call.items())
        for call in (derivatives.found, derivatives.second)
        if call
    )


def _off(actual: Float64Array, exact: Float64Array) -> bool:
    with np.errstate(all="ignore"):
        return not bool((np.abs(actual - exact) <= HALF * np.abs(exact).max()).all())
