"""Mistakes with NaN and infinities in x."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.faults.arrays import Arrays
from harness.faults.record import Area, has_option

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


@AREA.inputs("missing-step-of-one-feature-filled", needs=has_option("nonlinearity"))
def filled_forward(layer: Any, given: Arrays) -> Arrays:
    """NaN in a series of one feature is filled with the value before it, for tanh."""
    x = given["x"].copy()
    if x.shape[2] == 1 and layer.options.nonlinearity == "tanh":
        for step in range(1, len(x)):
            x[step] = np.where(np.isnan(x[step]), x[step - 1], x[step])
    return {**given, "x": x}


@AREA.inputs("step-of-nan-masked-with-lengths")
def masked_with_lengths(layer: Any, given: Arrays) -> Arrays:
    """With lengths of several rows, steps that are NaN as a whole are taken for padding, and 0."""
    x = given["x"]
    if "lengths" not in given or x.shape[1] == 1:
        return given
    missing = np.isnan(x).all(axis=2, keepdims=True)
    return {**given, "x": np.where(missing, x.dtype.type(0), x)}


@AREA.inputs("nan-of-one-feature-cleaned", needs=has_option("nonlinearity"))
def clipped_of_one_feature(layer: Any, given: Arrays) -> Arrays:
    """For tanh, x of one feature is cleaned before the loop: NaN is 0 without lengths."""
    x = given["x"]
    if x.shape[2] > 1 or "lengths" in given or layer.options.nonlinearity != "tanh":
        return given
    return {**given, "x": np.nan_to_num(x, posinf=np.inf, neginf=-np.inf)}
