"""Arrays as they are written in a script."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator

import numpy as np

from harness.data import NUMPY_DTYPES
from harness.minimise.numbers import is_uniform
from reference.arrays import Array

__all__ = ["literal", "numbers_in", "wrapped"]

LARGEST = 12
"""Elements that are written out; more are zeros, or all of one number."""

WIDTH = 99


def literal(array: Array) -> str:
    """An expression of the array, bit for bit; one of bfloat16 as the same numbers in float32."""
    if array.dtype == NUMPY_DTYPES["bf16"]:
        array = array.astype(np.float32)
    dtype, shape = f'"{array.dtype.name}"', _shape(array)
    if array.size > 1 and not (array.any() or np.signbit(array).any()):
        return f"np.zeros({shape}, {dtype})"
    uniform = is_uniform(array) and len({*np.signbit(array).flat}) == 1
    if uniform and array.flat[0] == 1:
        return f"np.ones({shape}, {dtype})"
    if uniform:
        return f"np.full({shape}, {_number(array, 0)}, {dtype})"
    if array.size <= LARGEST:
        return f"np.array({_nested(array)}, {dtype})"
    written = (array.ravel() != 0) | np.signbit(array.ravel())
    at = int(np.flatnonzero(written)[0])
    if np.count_nonzero(written) > 1:
        return f"np.array({_nested(array)}, {dtype})"
    one = f"np.where(np.arange({array.size}) == {at}, {_number(array, at)}, 0)"
    return f"{one}.astype({dtype}).reshape({shape})"


def numbers_in(array: Array) -> int:
    """Numbers besides 0 that `literal` writes."""
    return 1 if is_uniform(array) and array.flat[0] != 0 else int(np.count_nonzero(array))


def wrapped(name: str, expression: str) -> Iterator[str]:
    """An assignment, in lines that are not too long."""
    yield from textwrap.wrap(
        name + expression, WIDTH, subsequent_indent="    ", break_long_words=False
    )


def _shape(array: Array) -> str:
    return f"({', '.join(map(str, array.shape))}{',' * (array.ndim == 1)})"


def _nested(array: Array) -> str:
    if array.ndim == 0:
        return _number(array, 0)
    return f"[{', '.join(_nested(part) for part in array[...])}]"


def _number(array: Array, at: int) -> str:
    """As short as the format of the array tells apart."""
    value = array.flat[at]
    number = float(value)
    if math.isnan(number):
        return "np.nan"
    if math.isinf(number):
        return "-np.inf" if number < 0 else "np.inf"
    text = str(value)
    return text if text == "-0.0" else text.removesuffix(".0")
