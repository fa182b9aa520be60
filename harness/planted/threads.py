"""Mistakes about threads: what a call leaves behind in its own, and what it does in others."""

from __future__ import annotations

import ctypes
import platform
import threading
from typing import Any

import numpy as np

from harness.planted.record import Area
from harness.planted.wrapping import Full, Lengths
from reference.arrays import Array

__all__ = ["FAULTS"]

AREA = Area("threads")

TO_NEAREST = 0
UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}
"""FE_UPWARD of <fenv.h>."""


def set_rounding(mode: int) -> None:
    """Of the calling thread; C99, section 7.6.3."""
    ctypes.CDLL(None).fesetround(mode)


@AREA.wrapping("rounding-left-upward")
class LeavesRoundingUpward(Full):
    """The rounding mode is changed behind the computation, and not put back."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        set_rounding(TO_NEAREST)
        answer = super().forward(x, h_0, lengths)
        set_rounding(UPWARD[platform.machine()])
        return answer


@AREA.wrapping("other-in-another-thread")
class OtherInAThread(Full):
    """Called from another thread than the first one, the last unit is one ulp off."""

    def forward(self, x: Array, h_0: Array | None, lengths: Lengths) -> Any:
        output, h_n = super().forward(x, h_0, lengths)
        here = threading.get_ident()
        if not hasattr(self, "first"):
            self.first = here
        if here != self.first:
            output.flat[-1] = np.nextafter(output.flat[-1], output.dtype.type(2))
        return output, h_n


@AREA.wrapping("other-now-and-then")
class OtherNowAndThen(Full):
    """A race: one call in 17 adds its last terms in another order."""

    def answer(self, x: Array, h_0: Array | None, lengths: Lengths) -> tuple[Array, Array]:
        output, h_n = super().answer(x, h_0, lengths)
        if self.calls % 17 == 0:
            output[..., -1] = np.nextafter(output[..., -1], output.dtype.type(2))
        return output, h_n


FAULTS = tuple(AREA.faults)
