"""An output from start to end, with a tolerance calibrated by the case itself.

The tolerance is `harness.oracle.Oracle.tolerance`, and what the last step alone may err, which no
calibration by samples covers for sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate
from harness.judging.excuses import Excuse
from harness.judging.last_step import LastStep
from harness.judging.power import end_to_end_power, stated
from reference.arrays import BoolArray, Float64Array

__all__ = ["end_to_end"]


def end_to_end(
    evidence: Evidence,
    last_step: LastStep,
    part: str,
    expected: Float64Array,
    excuses: Callable[[Evidence], Iterator[Excuse]],
    *,
    against: str | None = None,
) -> Iterator[Comparison]:
    """Compare an output (`part`) with what is expected; one comparison for each cause.

    Where that is the answer of another implementation, `against` names it; either may be off, so
    the tolerance counts twice. Where some order of summation overflows, nothing is compared.
    """
    tolerance, last = evidence.oracle.tolerance[part], last_step.error[part]
    allowed = (1 if against is None else 2) * (tolerance + last)
    config, fmt = evidence.config, evidence.case.fmt
    place, actual = locate(config, part), evidence.outputs[part]
    defined = _meaningful(expected, allowed) & ~last_step.overflow[part]
    if part != "output":  # what is left of a row without steps is for `last_state` to judge
        defined &= (evidence.case.last_step >= 0)[None, :, None]
    with np.errstate(all="ignore"):
        difference = actual.astype(np.float64) - expected
        ratio = np.abs(difference) / allowed
    ratio = np.where(actual == expected, 0.0, ratio)
    name = part if against is None else f"{part} against {against}"
    left = bad = defined & ~(ratio <= 1)
    power = end_to_end_power(evidence, part, allowed, defined)
    if not bad.any():
        result = compare(name, actual, expected, ratio, fmt, place, defined=defined)
        yield stated(replace(result, against=against), power)
        return
    causes: list[tuple[Cause, BoolArray]] = []
    for excuse in excuses(evidence):
        with np.errstate(all="ignore"):
            distance = np.abs(difference - excuse.shift[part])
            elements = left & (distance <= allowed + excuse.extra[part])
        causes.append((excuse.cause, elements))
        left = left & ~elements
    for cause, elements in (*causes, (Cause.UNEXPLAINED, left)):
        if elements.any():
            others = defined & ~(bad & ~elements)
            result = compare(name, actual, expected, ratio, fmt, place, defined=others)
            message = (
                f"{result.failing} of {result.compared} elements beyond the calibrated tolerance"
            )
            yield stated(replace(result, cause=cause, message=message, against=against), power)


def _meaningful(expected: Float64Array, tolerance: Float64Array) -> BoolArray:
    """Where a tolerance says anything: finite, and smaller than the row's largest value."""
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(expected), axis=(0, 2), keepdims=True)
        sensible: BoolArray = (
            np.isfinite(expected)
            & np.isfinite(tolerance)
            & ((tolerance < largest) | (expected == 0))
        )
    return sensible
