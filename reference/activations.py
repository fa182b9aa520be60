"""The activations, and what each may err.

Sources: the OpenCL C 3.0 specification, "Relative Error as ULPs" (tanh within 5 ulp, exp within
3, division within 2.5).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reference.arrays import Array, Float64Array
from reference.formats import FORMATS, Format

__all__ = ["ACTIVATIONS", "TANH_ULPS", "allowance", "exact_activation", "oracle_error"]

TANH_ULPS = 5.0
"""Error allowed to a tanh, in ulp: what OpenCL C 3.0 grants. relu is exact, it gets 0."""

ORACLE_ULPS = 4.0
"""Error of `numpy.tanh` and `numpy.exp` in float64, in ulp (NumPy's accuracy tests allow 4)."""


def _sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), without overflow: exp is taken of -|a| only."""
    small = np.exp(-np.abs(a))
    one = small.dtype.type(1)
    found: Array = np.where(a < 0, small, one) / (one + small)
    return found


def _relu(a: Array) -> Array:
    found: Array = np.maximum(a, a.dtype.type(0))
    return found


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "relu": _relu,
    "sigmoid": _sigmoid,
}


def exact_activation(name: str, a: Array) -> Array:
    """An activation as NumPy computes it. Raises ValueError for an unknown name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation = {name!r}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name](a)


def allowance(name: str, value: Float64Array, fmt: Format) -> Float64Array:
    """How far a computed activation may be from the exact `value`, in working precision `fmt`.

    relu: 0, it is exact.

    tanh: 5 ulp. An ulp is never that of 1, which no tanh reaches, though float64's may round to
    it.

    sigmoid, s = 1 / (1 + e) with e = exp(-a): 3 ulp of e are at most 6 u, of which s takes the
    share e / (1 + e) = 1 - s; the addition rounds once, the division errs 2.5 ulp, at most 5 u.
    To first order |error| <= s (6 (1 - s) + 6) u. Kernels also compute s = (1 + t) / 2 with
    t = tanh(a / 2): 5 ulp of t are at most 5 u, of which s takes half, and the sum rounds once;
    that is 2.5 u beyond what stands above, and 3 u are granted, which covers the second order,
    and that exp overflows where s is below the smallest normal number.
    """
    if name == "relu":
        return np.zeros(np.shape(value))
    u = fmt.unit_roundoff
    if name == "tanh":
        return TANH_ULPS * fmt.ulp(np.minimum(np.abs(value), 1.0 - u))
    if name == "sigmoid":
        s = np.clip(value, 0.0, 1.0)
        found: Float64Array = u * (s * (6.0 * (1.0 - s) + 6.0) + 3.0)
        return found
    raise ValueError(f"activation = {name!r}, expected one of {', '.join(ACTIVATIONS)}")


def oracle_error(name: str, value: Float64Array) -> Float64Array:
    """How far `exact_activation` itself may be off in float64."""
    if name == "relu":
        return np.zeros(np.shape(value))
    # The sigmoid here adds one rounding and one division to those of its exp.
    ulps = ORACLE_ULPS if name == "tanh" else ORACLE_ULPS + 2.0
    return ulps * FORMATS["fp64"].ulp(value)
