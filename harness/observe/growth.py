"""The memory of the process after many calls: a gross leak only, never a small one.

A call that keeps its output, or anything as large, makes the process grow by that with every call.
"""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

from harness.backends.protocol import Layer
from harness.case import Case
from harness.observe.calling import call
from harness.observe.records import Growth, Outputs

__all__ = ["growth_of"]

CALLS = 100
LEAST = 2**25
"""Bytes that all outputs together must have, so that allocators' habits are small beside them."""

STATM = Path("/proc/self/statm")
PAGE = 4096


def growth_of(layer: Layer, case: Case, outputs: Outputs) -> Growth | None:
    """None where there is too little to see, or no /proc. Ends early where the process grows by
    more than all calls together may make it: calls that keep much may take long.
    """
    size = outputs["output"].nbytes
    if CALLS * size < LEAST or not STATM.exists():
        return None
    _release()
    before, made, grown = _resident(), 0, 0
    while made < CALLS and grown <= CALLS * size:
        for _ in range(CALLS // 10):
            call(layer, case, [])
        made, grown = made + CALLS // 10, _resident() - before
    # What one call needs while it runs is free again, and may be as much as fifty outputs.
    _release()
    return Growth(made, _resident() - before, size)


def _release() -> None:
    """What was freed goes back to the system: what a call keeps in it would be no growth."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def _resident() -> int:
    return int(STATM.read_text("ascii").split()[1]) * PAGE
