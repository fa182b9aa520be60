"""Weights rounded to eight bits, as quantised layers hold them: was it that, and on which grid?

Evidence is a layer with ordinary weights whose states no correct evaluation gives: not with these
weights, but all of them with the same weights on one of the usual grids. The scale of a grid is
float32, or the layer's own format; biases stay.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.aspects import VALUES
from harness.case import Case, make_case
from harness.layers import LAYERS
from harness.runners import Runner
from reference import FORMATS, Rounded, parameters_of
from reference.arrays import Array
from reference.gradient import previous_states

__all__ = ["GRIDS", "Grid", "measure_grid"]


@dataclass(frozen=True)
class Grid:
    """So many steps from 0 to the largest magnitude of a matrix, or of each of its rows; without a
    number 255 from the smallest to the largest, on which 0 lies too.
    """

    steps: float | None
    by_row: bool

    def of(self, weights: Mapping[str, Array]) -> dict[str, Array]:
        """All matrices on their grids; of the same dtypes."""
        return {name: self._rounded(a) if a.ndim == 2 else a for name, a in weights.items()}

    def _rounded(self, weight: Array) -> Array:
        axis, dtype = 1 if self.by_row else None, weight.dtype.type
        least = np.minimum(weight.min(axis=axis, keepdims=True), 0)
        most = np.maximum(weight.max(axis=axis, keepdims=True), 0)
        if self.steps is None:
            scale = (most - least) / dtype(255)
        else:
            scale = np.maximum(most, -least) / dtype(self.steps)
        scale = np.where(scale > 0, scale, dtype(1))
        zero = np.rint(-128 - least / scale) if self.steps is None else dtype(0)
        found: Array = (np.clip(np.rint(weight / scale) + zero, -128, 127) - zero) * scale
        return found.astype(weight.dtype)


GRIDS = tuple(itertools.starmap(Grid, itertools.product((127, 127.5, 128, None), (False, True))))
"""As TFLite and ONNX Runtime have them (127), PyTorch (127.5), and unsigned ones with a zero."""


def measure_grid(runner: Runner, layer: str, activation: str, dtype: str) -> Grid | None:
    """The grid on which an implementation has its weights; None where nothing shows one.

    Of float16 and bfloat16 it is measured in float32: their rounding may do as much as a grid.
    """
    sweep = LAYERS[layer].sweep
    if sweep is None:
        return None
    if FORMATS[dtype].precision < FORMATS["fp32"].precision:
        dtype = "fp32"
    sizes = {"input_size": 7, "hidden_size": 12, "batch": 6, "steps": 4}
    config = sweep(activation, dtype, VALUES).adapted(data="plain", states=True, bias=True, **sizes)
    outputs = runner.observe(config, repeat=False).outputs
    if outputs is None or len(config.cell.states) > 1:
        return None
    case, actual = make_case(config), outputs["output"]
    if _gives(case, case.weights, actual):
        return None
    return next((grid for grid in GRIDS if _gives(case, grid.of(case.weights), actual)), None)


def _gives(case: Case, weights: Mapping[str, Array], actual: Array) -> bool:
    """Whether every step may come from the one before it with these weights.

    Weights that are dequantised have had two more roundings.
    """
    config, op = case.config, Rounded(case.fmt, cast=True)
    (state,) = config.cell.states
    before = previous_states(actual, case.start(state, 0), case.valid, False)
    parameters = parameters_of(config.cell, weights, 0, False, config.bias)
    with np.errstate(all="ignore"):
        found = config.cell.equation(
            op, parameters, op.given(case.x), {state: op.given(before, stored=True)}
        )
        ratio = op.close(found[state]).ratio(actual.astype(np.float64))
    return bool((ratio <= 1).all())
