"""From start to end against the oracle, with a tolerance calibrated by the case itself.

The tolerance is `harness.oracle.Oracle.tolerance`. It is not a proof as the step residual is;
it is what users see, and it is always reported: largest absolute, relative and ulp error, the
smallest rtol and atol that would pass, and what torch.testing.assert_close would have said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.checks.trajectory import Excuse, excuses
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate_output, locate_states
from reference.arrays import BoolArray, Float64Array

__all__ = ["check", "end_to_end"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    exact, tolerance = evidence.oracle.exact, evidence.oracle.tolerance
    for part in ("output", "h_n"):
        yield from end_to_end(
            evidence, part, part, getattr(exact, part), getattr(tolerance, part), excuses
        )


def end_to_end(
    evidence: Evidence,
    part: str,
    name: str,
    expected: Float64Array,
    allowed: Float64Array,
    excuses: Callable[[Evidence], Iterator[Excuse]],
) -> Iterator[Comparison]:
    """Compare output or h_n (`part`) with what is expected; one comparison for each cause."""
    config, fmt = evidence.config, evidence.case.fmt
    locate = (locate_output if part == "output" else locate_states)(config)
    actual = getattr(evidence.forward, part)
    defined = _meaningful(expected, allowed)
    with np.errstate(all="ignore"):
        difference = actual.astype(np.float64) - expected
        ratio = np.abs(difference) / allowed
    ratio = np.where(actual == expected, 0.0, ratio)
    left = bad = defined & ~(ratio <= 1)
    if not bad.any():
        yield compare(name, actual, expected, ratio, fmt, locate, defined=defined)
        return
    causes = []
    for excuse in excuses(evidence):
        with np.errstate(all="ignore"):
            distance = np.abs(difference - getattr(excuse.shift, part))
            elements = left & (distance <= allowed + getattr(excuse.extra, part))
        causes.append((excuse.cause, elements))
        left = left & ~elements
    for cause, elements in (*causes, ("unexplained", left)):
        if elements.any():
            others = defined & ~(bad & ~elements)
            said = compare(name, actual, expected, ratio, fmt, locate, defined=others)
            message = f"{said.failing} of {said.compared} elements beyond the calibrated tolerance"
            yield replace(said, cause=cause, message=message)


def _meaningful(expected: Float64Array, tolerance: Float64Array) -> BoolArray:
    """Where a tolerance says anything: finite, and smaller than the row's largest value."""
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(expected), axis=(0, 2), keepdims=True, initial=0.0)
        sensible: BoolArray = (
            np.isfinite(expected)
            & np.isfinite(tolerance)
            & ((tolerance < largest) | (expected == 0))
        )
    return sensible
