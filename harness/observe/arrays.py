"""Arrays as a backend returns them: looked at as plain arrays, and copied before they are judged.

A backend may return a buffer of its own, which the next call writes to, or an array of a subclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.case import NUMPY_DTYPES
from reference.arrays import Array

__all__ = ["NUMBERS", "is_number", "parameters", "viewed"]

NUMBERS = {dtype.str: dtype for dtype in map(np.dtype, ("?", "c8", "c16"))} | {
    np.dtype(f"{kind}{size}").str: np.dtype(f"{kind}{size}")
    for kind, sizes in {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8)}.items()
    for size in sizes
}
"""Dtypes of plain numbers in this machine's byte order, by NumPy's name; bfloat16 is one more."""


def viewed(value: Any) -> Array | str:
    """The memory of an array as a plain one; or, of anything else, what it is.

    A masked array is something else: what its mask hides has no value.
    """
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return f"a {type(value).__name__}"
    return value.view(np.ndarray)


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of `NUMBERS`, or bfloat16."""
    return dtype.str in NUMBERS or dtype == NUMPY_DTYPES["bf16"]


def parameters(given: Any) -> dict[str, Array]:
    """Plain copies of what `read_weights` returned, in its order, whatever names and shapes.

    Raises:
        TypeError: no mapping of texts to arrays of numbers.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"read_weights returned a {type(given).__name__}, expected names -> arrays")
    found: dict[str, Array] = {}
    for name, value in given.items():
        array = viewed(value)
        if not isinstance(name, str):
            raise TypeError(f"read_weights has the name {name!r}, expected a str")
        if isinstance(array, str) or not is_number(array.dtype):
            what = array if isinstance(array, str) else f"of dtype {array.dtype}"
            raise TypeError(f"{name!r} read back is {what}, expected a numpy.ndarray of numbers")
        found[name] = array.copy()
    return found
