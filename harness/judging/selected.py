"""The states of a direction that are known to the bit (`reference.selected`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.judging.steps import DirectionSteps
from reference import Known, Selected
from reference.arrays import Array

__all__ = ["selected"]


def selected(steps: DirectionSteps) -> Mapping[str, Known]:
    """The states after each step, (T, B, n): from those that were seen, the others from the first
    step on.
    """
    op, valid = Selected(steps.case.fmt), steps.case.valid
    with np.errstate(all="ignore"):
        if not steps.start:
            seen = {name: op.given(array) for name, array in steps.seen.items()}
            return steps.cell.equation(op, steps.parameters, op.given(steps.x), seen)
        others = {name: op.given(array) for name, array in steps.start.items()}
        every: list[Mapping[str, Known]] = [{}] * len(valid)
        order = range(len(valid))
        for t in reversed(order) if steps.reverse else order:
            seen = {name: op.given(array[t]) for name, array in steps.seen.items()}
            x, keep = op.given(steps.x[t]), valid[t][:, None]
            every[t] = steps.cell.equation(op, steps.parameters, x, {**seen, **others})
            others = {name: _where(keep, every[t][name], one) for name, one in others.items()}
    return {name: _stacked([found[name] for found in every]) for name in steps.cell.states}


def _where(keep: Array, one: Known, other: Known) -> Known:
    return Known(
        np.where(keep, one.value, other.value),
        np.where(keep, one.exact, other.exact),
        np.where(keep, one.magnitude, other.magnitude),
    )


def _stacked(steps: list[Known]) -> Known:
    return Known(
        np.stack([one.value for one in steps]),
        np.stack([one.exact for one in steps]),
        np.stack([one.magnitude for one in steps]),
    )
