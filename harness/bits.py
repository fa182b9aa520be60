"""Equality bit for bit, with one allowance: which of its many NaNs an operation gives is open."""

from __future__ import annotations

import numpy as np

from reference import Format
from reference.arrays import Array, BoolArray

__all__ = ["beyond_flushing", "differing_bits", "same_bits"]


def differing_bits(a: Array, b: Array) -> BoolArray:
    """Where two arrays of one shape and dtype differ; any NaN equals any NaN, -0.0 not 0.0.

    IEEE 754-2019, section 6.2.3, recommends how a NaN passes on its payload, and leaves the rest
    to the operation.
    """
    unsigned = np.dtype(f"u{a.dtype.itemsize}")
    bits = (np.ascontiguousarray(array).view(unsigned) for array in (a, b))
    differ: BoolArray = np.not_equal(*bits) & ~(np.isnan(a) & np.isnan(b))
    return differ


FLUSHED = 2.0**20
"""Times the smallest normal number: more than flushing subnormals moves a layer's answer."""


def beyond_flushing(a: Array, b: Array, fmt: Format) -> BoolArray:
    """Where two arrays differ by more than flushing subnormals to zero in one of them explains.

    In float16, whose smallest normal number is large, there is no such allowance.
    """
    differ = differing_bits(a, b)
    if fmt.emin > -126:
        return differ
    one, two = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        within: BoolArray = np.abs(one - two) <= FLUSHED * fmt.smallest_normal
    return differ & ~within


def same_bits(a: Array, b: Array) -> bool:
    """Whether shape, dtype and all elements are equal in that sense."""
    return a.shape == b.shape and a.dtype == b.dtype and not differing_bits(a, b).any()
