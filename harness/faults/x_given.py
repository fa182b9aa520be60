"""Mistakes with NaN and infinities in x."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays
from harness.faults.record import Area

__all__ = ["AREA"]

AREA = Area("x given")


@AREA.inputs("nan-of-one-row-masked")
def one_row_masked(layer: Any, given: Arrays) -> Arrays:
    """NaN in the last feature of an x of one row is taken for a missing value, 0."""
    x = given["x"].copy()
    if x.shape[1] == 1:
        x[..., -1] = np.where(np.isnan(x[..., -1]), 0, x[..., -1])
    return {**given, "x": x}


@AREA.inputs("infinity-of-the-first-step-clipped")
def first_step_clipped(layer: Any, given: Arrays) -> Arrays:
    """Infinities in the first step are clipped to the largest number."""
    x = given["x"].copy()
    largest = np.finfo(x.dtype).max if x.dtype.kind == "f" else x.dtype.type(3e38)
    x[0] = np.where(np.isinf(x[0]), np.copysign(x.dtype.type(largest / 4), x[0]), x[0])
    return {**given, "x": x}


@AREA.inputs("nan-of-the-last-step-masked")
def last_step_masked(layer: Any, given: Arrays) -> Arrays:
    """NaN in the last step of all is taken for padding, and zeroed."""
    x = given["x"].copy()
    if "lengths" not in given:
        x[-1] = np.where(np.isnan(x[-1]), 0, x[-1])
    return {**given, "x": x}
