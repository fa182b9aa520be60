"""Which states a known peculiarity explains, one by one, and nothing else forgiven."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.causes import Cause
from harness.evidence import Evidence
from harness.judging.flushing import with_flushing
from harness.judging.precision import lower_precision
from harness.judging.steps import DirectionSteps, States
from reference import Interval
from reference.arrays import BoolArray

__all__ = ["explained"]


def explained(
    evidence: Evidence, states: States, bad: BoolArray
) -> Iterator[tuple[Cause, BoolArray]]:
    """Each failing state once, under the first cause that explains it; the rest is unexplained."""
    left = bad
    steps = states if isinstance(states, DirectionSteps) else states.steps

    def flushed() -> tuple[Cause, Interval]:
        return Cause.FLUSH, states.within(steps.read(flushed=True))

    for cause, interval in with_flushing(evidence, _forgiven(evidence, steps, states), flushed):
        elements = left & _within(states, interval)
        left = left & ~elements
        yield cause, elements
    yield Cause.UNEXPLAINED, left


def _forgiven(
    evidence: Evidence, steps: DirectionSteps, states: States
) -> Iterator[tuple[Cause, Interval]]:
    """The bound of a lower precision is for backends that were measured to compute in it.

    The value of an activation anywhere in [a - E, a + E] lies between act(a - E) plus the smallest
    and act(a + E) plus the largest error measured there; the widening is as before. Activations
    that nowhere err more than they may explain nothing; nor do those that are right in a lower
    precision.
    """
    own, lower = evidence.own_activations(), lower_precision(evidence)
    if lower is not None:
        yield Cause.PRECISION, states.within(steps.read(lower=lower))
    if own is not None and own.errs and own.precision is None:
        yield Cause.ACTIVATION, states.within(steps.read(activation_error=own.error_range))


def _within(states: States, interval: Interval) -> BoolArray:
    actual = states.actual.astype(np.float64)
    with np.errstate(invalid="ignore"):
        inside: BoolArray = (actual >= interval.low) & (actual <= interval.high)
    return inside
