"""From start to end against the oracle, with a tolerance calibrated by the case itself.

And against another implementation, where there is one: each of the two may be off by the
tolerance, so their difference may be twice that. A difference has the activation as its cause if it
is what the two measured activations would give.

The tolerance is `harness.oracle.Oracle.tolerance`, and what the last step alone may err, which no
calibration by samples covers for sure. It is not a proof as the step residual is;
it is what users see, and it is always reported: largest absolute, relative and ulp error, the
smallest rtol and atol that would pass, and what torch.testing.assert_close would have said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.checks.power import end_to_end_power, stated
from harness.checks.reach import Reach, reach_of
from harness.checks.trajectory import Excuse, against_peer, excuses
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate_output, locate_states
from reference.arrays import BoolArray, Float64Array

__all__ = ["AGAINST", "check", "end_to_end"]

AGAINST = "against"
"""In the name of a part: another implementation is what it is compared with."""


def check(evidence: Evidence) -> Iterator[Comparison]:
    exact, reach = evidence.oracle.exact, reach_of(evidence)
    for part in ("output", "h_n"):
        yield from end_to_end(evidence, reach, part, part, getattr(exact, part), excuses)

    peer = evidence.peer
    if peer is None or peer.forward is None:
        return
    for part in ("output", "h_n"):
        yield from end_to_end(
            evidence,
            reach,
            part,
            f"{part} {AGAINST} {peer.backend}",
            getattr(peer.forward, part).astype(np.float64),
            against_peer,
            share=2,
        )


def end_to_end(
    evidence: Evidence,
    reach: Reach,
    part: str,
    name: str,
    expected: Float64Array,
    excuses: Callable[[Evidence], Iterator[Excuse]],
    *,
    share: int = 1,
) -> Iterator[Comparison]:
    """Compare output or h_n (`part`) with what is expected; one comparison for each cause.

    The tolerance counts `share` times, once for each implementation that may be off. Where some
    order of summation overflows, nothing is compared.
    """
    tolerance, last = getattr(evidence.oracle.tolerance, part), getattr(reach.last, part)
    allowed = share * (tolerance + last)
    config, fmt = evidence.config, evidence.case.fmt
    locate = (locate_output if part == "output" else locate_states)(config)
    actual = getattr(evidence.forward, part)
    defined = _meaningful(expected, allowed) & ~getattr(reach.overflow, part)
    with np.errstate(all="ignore"):
        difference = actual.astype(np.float64) - expected
        ratio = np.abs(difference) / allowed
    ratio = np.where(actual == expected, 0.0, ratio)
    left = bad = defined & ~(ratio <= 1)
    power = end_to_end_power(evidence, part, allowed, defined)
    if not bad.any():
        yield stated(compare(name, actual, expected, ratio, fmt, locate, defined=defined), power)
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
            yield stated(replace(said, cause=cause, message=message), power)


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
