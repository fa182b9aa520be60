"""The same call with finite numbers in the padding: was it NaN and infinity there that came out?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.case import Case
from harness.observe.records import Outputs, Unspoiled

__all__ = ["unspoiled", "with_finite_padding"]


def with_finite_padding(case: Case) -> Case:
    """Only the ordinary numbers of the padding; large ones may overflow on the way."""
    kept = case.valid[:, :, None] | (np.abs(case.x) <= 64)
    return case.with_inputs(x=np.where(kept, case.x, case.x.dtype.type(0.75)))


def unspoiled(
    case: Case,
    outputs: Outputs,
    ask: Callable[[Case], Outputs],
    hidden: Callable[[Case], tuple[Outputs, ...]],
) -> Unspoiled | None:
    """None where the padding is finite, or all outputs are: then nothing of it came through."""
    padded = case.x[~case.valid]
    if np.isfinite(padded).all() or all(np.isfinite(array).all() for array in outputs.values()):
        return None
    finite = with_finite_padding(case)
    return Unspoiled(ask(finite), hidden(finite))
