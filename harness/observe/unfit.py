"""Inputs, weights and losses that no layer of a config can take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.axes import to_layout
from harness.case import cotangents
from harness.config import Config
from harness.moments import inputs_of
from reference.arrays import Array

__all__ = ["unfit_gradients", "unfit_inputs", "unfit_weights"]


def unfit_inputs(config: Config, code: str) -> dict[str, Array]:
    """Inputs with one feature (x0), unit of the first state (x1) or length (x2) too many."""
    case = inputs_of(config, 9)
    given = {name: to_layout(case.config, name, a) for name, a in case.inputs.items()}
    wanted = {"x0": "x", "x1": f"{config.cell.states[0]}_0", "x2": "lengths"}[code]
    name = wanted if wanted in given else "x"
    array = given[name]
    return {**given, name: np.concatenate([array, array[..., :1]], axis=-1)}


def unfit_gradients(config: Config, code: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Inputs and cotangents with one unit in the loss (x5), or feature in x (x6), too many."""
    case = inputs_of(config, 9)
    of = {name: to_layout(case.config, name, array) for name, array in cotangents(case).items()}
    if code == "x6":
        return unfit_inputs(config, "x0"), of
    given = {name: to_layout(case.config, name, array) for name, array in case.inputs.items()}
    return given, {n: np.concatenate([a, a[..., :1]], axis=-1) for n, a in of.items()}


def unfit_weights(given: Mapping[str, Array], *, missing: bool) -> dict[str, Array]:
    """The last array is missing, or has a row too many."""
    weights = dict(given)
    name = list(weights)[-1]
    last = weights.pop(name)
    return weights if missing else {**weights, name: np.concatenate([last, last[:1]])}
