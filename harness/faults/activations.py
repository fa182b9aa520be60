"""Mistakes in tanh and relu."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from harness.config import LayerOptions
from harness.faults.arrays import rounded
from harness.faults.record import Area, has_option
from harness.faults.wrapping import WrappedBackend
from reference import FORMATS
from reference.arrays import Array

__all__ = ["AREA"]

AREA = Area("activations")


class _OtherNonlinearity(WrappedBackend):
    def other(self, nonlinearity: str) -> str:
        raise NotImplementedError

    def build(self, options: LayerOptions) -> Any:
        other = {**options.specific, "nonlinearity": self.other(options.nonlinearity)}
        return super().build(dataclasses.replace(options, specific=other))


@AREA.fault("nonlinearity-swapped", needs=has_option("nonlinearity"))
class NonlinearitySwapped(_OtherNonlinearity):
    """relu is taken for tanh, and tanh for relu."""

    def other(self, nonlinearity: str) -> str:
        return "relu" if nonlinearity == "tanh" else "tanh"


@AREA.fault("nonlinearity-ignored", needs=has_option("nonlinearity"))
class NonlinearityIgnored(_OtherNonlinearity):
    """The nonlinearity is always the default, tanh."""

    def other(self, nonlinearity: str) -> str:
        return "tanh"


def _ulp(layer: Any) -> float:
    """Above 1, in the layer's precision."""
    return 2 * FORMATS[layer.options.dtype].unit_roundoff


AREA.table(
    functools.partial(AREA.activation, of="relu"),
    {
        "leaky-relu": (
            "relu lets 1/100 of negative numbers through.",
            lambda layer, a, exact: np.where(a < 0, 0.01 * a, exact),
        ),
        "relu-capped": (
            "relu is cut off at 6, as relu6 is.",
            lambda layer, a, exact: np.minimum(exact, 6),
        ),
        "softplus": (
            "relu is smooth: log(1 + exp(50 a)) / 50.",
            lambda layer, a, exact: np.where(np.isfinite(a), np.logaddexp(0, 50 * a) / 50, exact),
        ),
        "relu-of-nan": (
            "relu is `a if a > 0 else 0`, which makes NaN 0.",
            lambda layer, a, exact: np.where(a > 0, a, 0.0),
        ),
    },
)


def _rational(layer: Any, a: Array, exact: Array) -> Array:
    a = np.clip(a, -5, 5)
    s = a * a
    above = a * (135135 + s * (17325 + s * (378 + s)))
    quotient: Array = above / (135135 + s * (62370 + s * (3150 + s * 28)))
    return quotient


def _by_exponentials(layer: Any, a: Array, exact: Array) -> Array:
    e = np.exp(2 * a.astype(np.float32))
    quotient: Array = ((e - 1) / (e + 1)).astype(np.float64)
    return quotient


def _from_table(layer: Any, a: Array, exact: Array) -> Array:
    points = np.linspace(-9, 9, 4096)
    return np.interp(a, points, np.tanh(points))


def _saturating(layer: Any, a: Array, exact: Array) -> Array:
    ends = (np.abs(a) > 3) & np.isfinite(a) & (layer.options.hidden_size > 1)
    return np.where(ends, exact * (1 - 6 * _ulp(layer)), exact)


AREA.table(
    functools.partial(AREA.activation, of="tanh"),
    {
        "hard-tanh": (
            "tanh is a clipped to -1..1.",
            lambda layer, a, exact: np.clip(a, -1, 1),
        ),
        "rational-tanh": (
            "tanh is a Pade approximant [7/6], cut off at 5: within 1e-3.",
            _rational,
        ),
        "tanh-by-exponentials": (
            "tanh is (e^2a - 1) / (e^2a + 1) in float32: NaN beyond 44, no digits left near 0.",
            _by_exponentials,
        ),
        "tanh-in-half": (
            "tanh is evaluated in float16.",
            lambda layer, a, exact: rounded(exact, np.float16),
        ),
        "tanh-from-a-table": (
            "tanh is interpolated between 4096 points.",
            _from_table,
        ),
        "tanh-of-the-negative-half": (
            "tanh is off by 2^-18 below -1.",
            lambda layer, a, exact: np.where(a < -1, exact * (1 + 2.0**-18), exact),
        ),
        "tanh-of-tiny-numbers": (
            "tanh is 0 up to 2^-60, far below where it is a to the last bit.",
            lambda layer, a, exact: np.where(np.abs(a) < 2.0**-60, 0.0, exact),
        ),
        "tanh-in-steps": (
            "tanh is rounded to multiples of 2^-40, which is coarse only near 0.",
            lambda layer, a, exact: np.round(exact * 2.0**40) / 2.0**40,
        ),
        "tanh-of-many-at-once": (
            "tanh of 65,536 numbers at once has a kernel of its own, 8 ulp off below 1/2.",
            lambda layer, a, exact: np.where(
                (np.abs(a) < 0.5) & (a.size >= 65536), exact * (1 - 8 * _ulp(layer)), exact
            ),
        ),
        "tanh-far-from-odd": (
            "tanh is 6 ulp too small for negative numbers only.",
            lambda layer, a, exact: np.where(
                (a < 0) & np.isfinite(a), exact * (1 - 12 * _ulp(layer)), exact
            ),
        ),
        "tanh-saturates-roughly": (
            "tanh of several units at once is 12 ulp off beyond 3, where no later value shows it.",
            _saturating,
        ),
        "tanh-twice": (
            "tanh is applied twice.",
            lambda layer, a, exact: np.tanh(exact),
        ),
        "tanh-of-infinity": (
            "tanh of an infinity is 2.",
            lambda layer, a, exact: np.where(np.isinf(a), np.sign(a) * 2, exact),
        ),
        "tanh-of-nan": (
            "tanh of NaN is 0.",
            lambda layer, a, exact: np.where(np.isnan(a), 0.0, exact),
        ),
    },
)
