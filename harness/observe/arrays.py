"""Arrays as a backend returns them: looked at as plain arrays, and copied before they are judged.

What is returned may be of a subclass whose methods do anything, may claim to be terabytes large, or
may change while it is looked at. So its own methods are never called, its size is asked before it
is copied, and only the copy is judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.case import NUMPY_DTYPES
from harness.text import shown, text_of, type_name
from reference.arrays import Array

__all__ = ["LARGEST", "NUMBERS", "is_number", "parameters", "viewed"]

LARGEST = 2**26
"""Bytes of an array that is looked at where any shape may come; no right answer is near it."""

MOST_NAMES = 1000
"""Parameters of one layer; a stack of 9 bidirectional ones has 72."""

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
    if not issubclass(type(value), np.ndarray) or issubclass(type(value), np.ma.MaskedArray):
        return f"a {type_name(value)}"
    plain: Array = np.ndarray.view(value, np.ndarray)
    return plain


def is_number(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of `NUMBERS`, or bfloat16."""
    return dtype.str in NUMBERS or dtype == NUMPY_DTYPES["bf16"]


def parameters(given: Any, largest: int = LARGEST) -> dict[str, Array]:
    """Plain copies of what `read_weights` returned, in its order, whatever names and shapes.

    Raises:
        TypeError: no mapping of texts to arrays of numbers.
        ValueError: more than `largest` bytes, or more names than any layer has.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"read_weights returned a {type_name(given)}, expected names -> arrays")
    found: dict[str, Array] = {}
    for name, value in itertools.islice(given.items(), MOST_NAMES + 1):
        array = viewed(value)
        if type(name) is not str:
            raise TypeError(f"read_weights has the name {shown(name)}, expected a str")
        if isinstance(array, str) or not is_number(array.dtype):
            what = array if isinstance(array, str) else f"of dtype {text_of(array.dtype, 100)}"
            raise TypeError(
                f"{shown(name)} read back is {what}, expected a numpy.ndarray of numbers"
            )
        largest -= array.nbytes
        if largest < 0 or len(found) == MOST_NAMES:
            raise ValueError(f"read_weights returned too much: {shown(name)} has {array.shape}")
        found[name] = array.copy()
    return found
