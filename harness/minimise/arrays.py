"""The arrays of a case by name, and cases derived from a case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.axes import axes_of
from harness.case import Case
from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.results import Place
from reference.arrays import Array

__all__ = ["arrays_of", "derived", "index_of"]


def arrays_of(case: Case) -> dict[str, Array]:
    """Everything that holds numbers: inputs, parameters, cotangents, x of a second call.

    Lengths are no numbers. A cotangent has the name of its output.
    """
    inputs = {name: array for name, array in case.inputs.items() if name != "lengths"}
    second = {} if case.second_x is None else {"second_x": case.second_x}
    return {**inputs, **case.weights, **case.given_cotangents, **second}


def derived(case: Case, arrays: Mapping[str, Array] | None = None, **changes: Any) -> Case:
    """The case of a changed config, with some arrays replaced.

    Arrays that the changed config has no place for are left out, and all are in its dtype.

    Raises:
        ConfigError: there is no such config.
    """
    config = case.config.replace(**changes) if changes else case.config
    every = {**case.inputs, **arrays_of(case), **(arrays or {})}
    if config.dtype != case.config.dtype:
        dtype = NUMPY_DTYPES[config.dtype]
        with np.errstate(all="ignore"):
            every = {n: a if n == "lengths" else a.astype(dtype) for n, a in every.items()}
    wanted = ["x", *(f"{state}_0" for state in config.cell.states if config.states)]
    if config.lengths != "nolengths":
        wanted.append("lengths")
    return Case(
        config,
        weights={name: every[name] for name in config.parameter_shapes()},
        inputs={name: every[name] for name in wanted},
        given_cotangents={name: every[name] for name in case.given_cotangents},
        second_x=every.get("second_x"),
    )


def index_of(config: Config, name: str, place: Place) -> tuple[int, ...]:
    """The index of a place in an array of this name; `harness.evidence.locate` the other way."""
    side, unit = int(place.direction == "reverse"), place.unit or 0
    at = {
        "steps": place.step or 0,
        "rows": place.batch or 0,
        "features": unit,
        "units": unit,
        "projected": unit,
        "outputs": side * config.output_size + unit,
        "stack": (place.layer or 0) * config.directions + side,
    }
    return tuple(at[axis] for axis in axes_of(config, name))
