"""How arrays lie in memory when they are handed over: as users have them, not only contiguous.

Every buffer begins at a multiple of 64 bytes: where an array lies may decide in which order a
kernel adds, and must not be left to chance. What belongs to no element is NaN, or 1 for integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from reference.arrays import Array

__all__ = ["all_laid_out", "laid_out", "whole"]

ALIGNED = 64


def laid_out(array: Array, memory: str) -> Array:
    """A fresh array of the same values that lies in memory as one of `harness.config.MEMORIES`.

    Where the values do not allow it, or there are too few axes, it is contiguous.
    """
    return _MAKERS[memory](array)


def all_laid_out(arrays: Mapping[str, Array], memory: str, turn: int) -> dict[str, Array]:
    """What goes in together; `turn` says which of unlike layouts comes first."""
    if memory == "shared":
        return _in_one_buffer(arrays)
    if memory == "unlike":
        kinds = [UNLIKE[(number + turn) % len(UNLIKE)] for number in range(len(arrays))]
        return {n: laid_out(a, kind) for (n, a), kind in zip(arrays.items(), kinds, strict=True)}
    return {name: laid_out(array, memory) for name, array in arrays.items()}


UNLIKE = ("contiguous", "fortran", "strided", "reversed", "permuted")


def _in_one_buffer(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Parts of one buffer for each dtype; arrays of equal bytes are the same part."""
    parts: dict[tuple[str, bytes], Array] = {}
    for array in arrays.values():
        parts.setdefault((array.dtype.str, array.tobytes()), array)
    buffers = {array.dtype.str: array.dtype for array in arrays.values()}
    for kind, dtype in buffers.items():
        some = {key: array for key, array in parts.items() if key[0] == kind}
        ends = np.cumsum([0, *(array.size for array in some.values())])
        buffer = _buffer((int(ends[-1]),), dtype)
        for (key, array), start, end in zip(some.items(), ends, ends[1:], strict=False):
            parts[key] = _holding(buffer[start:end], array.ravel())
    return {n: parts[a.dtype.str, a.tobytes()].reshape(a.shape) for n, a in arrays.items()}


def whole(array: Array) -> bytes:
    """All of the buffer that an array is part of, what belongs to no element too.

    Of a framework's own memory, what belongs to the array.
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner.tobytes()


def _buffer(shape: tuple[int, ...], dtype: np.dtype[Any], shift: int = 0) -> Array:
    """Without content, `shift` bytes after an aligned address."""
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    raw = np.zeros(size + 2 * ALIGNED, np.uint8)
    start = -raw.ctypes.data % ALIGNED + shift
    found: Array = raw[start : start + size].view(dtype).reshape(shape)
    return found


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    found = _buffer(shape, dtype)
    found[...] = 1 if dtype.kind in "iub" else np.nan
    return found


def _holding(view: Array, array: Array) -> Array:
    view[...] = array
    return view


def _contiguous(array: Array) -> Array:
    return _holding(_buffer(array.shape, array.dtype), array)


def _fortran(array: Array) -> Array:
    return _holding(_buffer(array.shape[::-1], array.dtype).T, array)


def _permuted(array: Array) -> Array:
    if array.ndim < 2:
        return _contiguous(array)
    one, two, *rest = array.shape
    return _holding(_buffer((two, one, *rest), array.dtype).swapaxes(0, 1), array)


def _strided(array: Array) -> Array:
    larger = _filled(tuple(2 * n for n in array.shape), array.dtype)
    return _holding(larger[(slice(None, None, 2),) * array.ndim], array)


def _reversed(array: Array) -> Array:
    backwards = _buffer(array.shape, array.dtype)
    return _holding(backwards[(slice(None, None, -1),) * array.ndim], array)


def _broadcast(array: Array) -> Array:
    """A stride of 0 along every axis along which the values repeat."""
    one = array
    for axis in range(array.ndim):
        parts = {part.tobytes() for part in np.moveaxis(array, axis, 0)}
        if len(parts) == 1:
            one = one.take([0], axis)
    one = _contiguous(one)
    strides = tuple(
        0 if n > m else stride
        for n, m, stride in zip(array.shape, one.shape, one.strides, strict=True)
    )
    found: Array = as_strided(one, array.shape, strides)
    return found


def _windows(array: Array) -> Array:
    """Strides that are one element along the last axis and another one, where each row of values
    along these is the one before, moved by one.
    """
    for axis in range(array.ndim - 1):
        rows = np.moveaxis(array, axis, 0)
        if len(rows) > 1 and rows[1:, ..., :-1].tobytes() == rows[:-1, ..., 1:].tobytes():
            signals = np.concatenate([np.moveaxis(rows[..., 0], 0, -1), rows[-1, ..., 1:]], axis=-1)
            signals = _contiguous(signals)
            strides = list(signals.strides[:-1])
            strides.insert(axis, array.itemsize)
            found: Array = as_strided(signals, array.shape, (*strides, array.itemsize))
            return found
    return _contiguous(array)


def _offset(array: Array) -> Array:
    larger = _filled((array.size + 2,), array.dtype)
    return _holding(larger[1:-1].reshape(array.shape), array)


def _unaligned(array: Array) -> Array:
    return _holding(_buffer(array.shape, array.dtype, shift=1), array)


def _readonly(array: Array) -> Array:
    found = _contiguous(array)
    found.flags.writeable = False
    return found


_MAKERS: Mapping[str, Callable[[Array], Array]] = {
    "contiguous": _contiguous,
    "fortran": _fortran,
    "permuted": _permuted,
    "strided": _strided,
    "reversed": _reversed,
    "broadcast": _broadcast,
    "offset": _offset,
    "unaligned": _unaligned,
    "readonly": _readonly,
    "windows": _windows,
    "unlike": _contiguous,
    "shared": _contiguous,
}
