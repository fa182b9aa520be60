"""The floating-point environment of the calling thread, probed by arithmetic.

A library can switch flush-to-zero (subnormal results become 0), denormals-are-zero (subnormal
operands count as 0) or another rounding mode on for a thread, and leave it so; everything that
runs there afterwards computes something else, an oracle included.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

import numpy as np

__all__ = ["FLUSHED_OPERANDS", "FLUSHED_RESULTS", "OTHER_ROUNDING", "disturbances", "restore"]

FLUSHED_RESULTS = "subnormal results are flushed to zero"
FLUSHED_OPERANDS = "subnormal operands are taken as zero"
OTHER_ROUNDING = "rounding is not to nearest"

_NORMAL = np.array([np.finfo(np.float32).tiny])
_SUBNORMAL = np.array([1 << 20], np.uint32).view(np.float32)
_HALF, _LARGE = np.array([0.5], np.float32), np.array([2.0**60], np.float32)
_ONE, _TINY = np.array([1.0]), np.array([2.0**-60])


def disturbances() -> tuple[str, ...]:
    """What is not as IEEE 754 has it by default, in this thread, now; empty where all is well.

    Results are looked at as bits: a comparison would itself take subnormal numbers as zero.
    """
    found = []
    with np.errstate(all="ignore"):
        if not (_NORMAL * _HALF).view(np.uint32)[0]:
            found.append(FLUSHED_RESULTS)
        if not (_SUBNORMAL * _LARGE).view(np.uint32)[0]:
            found.append(FLUSHED_OPERANDS)
        if _ONE + _TINY != _ONE or _ONE - _TINY != _ONE:
            found.append(OTHER_ROUNDING)
    return tuple(found)


def restore() -> None:
    """The default environment again, in this thread, where the C library lets it be set (Linux).

    C99, section 7.6.4.3: fesetenv(FE_DFL_ENV); glibc's FE_DFL_ENV is the address -1.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).fesetenv(ctypes.c_void_p(-1))
