"""What is asked of two layers at once, from several threads: each thread has rows of its own order.

Batch rows are independent, so every thread has an answer of its own, all alike in their precision.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.axes import axes_of
from harness.case import Case

__all__ = ["THREADS", "cases_at_once"]

THREADS = 4


def cases_at_once(case: Case) -> tuple[Case, ...]:
    """One for each thread; every second one is for a layer with the weights negated."""
    return tuple(_rolled(case, number // 2 + 1, number % 2 == 1) for number in range(THREADS))


def _rolled(case: Case, rows: int, negated: bool) -> Case:
    """The last batch rows put first."""
    config = case.config
    inputs = {
        name: np.roll(array, rows, axes_of(config, name).index("rows"))
        for name, array in case.inputs.items()
    }
    weights = {name: -array if negated else array for name, array in case.weights.items()}
    return replace(case, inputs=inputs, weights=weights)
