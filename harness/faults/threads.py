"""Mistakes about threads: what a call leaves changed in its own, and what it does in others."""

from __future__ import annotations

import ctypes
import platform
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.faults.arrays import Arrays
from harness.faults.record import Area
from harness.faults.wrapping import WrappedLayer
from reference.arrays import Array

__all__ = ["AREA", "UPWARD", "set_rounding"]

AREA = Area("threads")

TO_NEAREST = 0
UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}
"""FE_UPWARD of <fenv.h>."""


def set_rounding(mode: int) -> None:
    """Of the calling thread; C99, section 7.6.3."""
    ctypes.CDLL(None).fesetround(mode)


@AREA.fault("rounding-left-upward")
class LeavesRoundingUpward(WrappedLayer):
    """The rounding mode is changed after the computation, and not put back."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        set_rounding(TO_NEAREST)
        found = super().forward(inputs)
        set_rounding(UPWARD[platform.machine()])
        return found


def _ulp_more(array: Any) -> Any:
    return np.nextafter(array, array.dtype.type(2))


@AREA.returned("other-in-another-thread")
def other_in_a_thread(layer: Any, inputs: Arrays, found: Arrays) -> Arrays:
    """Called from another thread than the first one, the last unit is one ulp off."""
    here, output = threading.get_ident(), found["output"]
    if here != layer.__dict__.setdefault("first", here):
        output.flat[-1] = _ulp_more(output.flat[-1])
    return found


@AREA.output("other-now-and-then")
def other_now_and_then(layer: Any, given: Arrays, output: Array) -> Array:
    """A race: one call in 17 adds its last terms in another order."""
    if layer.calls % 17 == 0:
        output[..., -1] = _ulp_more(output[..., -1])
    return output
