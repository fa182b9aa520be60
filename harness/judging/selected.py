"""The states of a direction that are known to the bit (`reference.selected`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from harness.evidence import Evidence
from harness.judging.steps import DirectionSteps
from reference import Known, Selected
from reference.arrays import Array

__all__ = ["saturating", "selected"]


def saturating(evidence: Evidence) -> list[str]:
    """The activations that were measured to give -1, 0 or 1 to the bit where they should."""
    own = evidence.own_activations()
    return [] if own is None else [name for name, one in own.by_name.items() if one.saturates]


def selected(steps: DirectionSteps, activations: Collection[str]) -> Mapping[str, Known]:
    """The states after each step, (T, B, n): from those that were seen, the others from the first
    step on. `activations` are those that saturate to the bit.
    """
    op, valid = Selected(steps.case.fmt, activations), steps.case.valid
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
