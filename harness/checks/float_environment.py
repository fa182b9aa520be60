"""A call leaves the floating-point environment of its thread alone.

Are subnormal results or operands taken as 0, or is rounding another, in the calling thread before
or after a call? Everything else that runs there would compute something else from then on.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import ALWAYS
from harness.verdicts import Verdict

__all__ = ["float_environment"]

PROBES = 3
"""Questions asked of the environment, before and after."""


@check(
    requirement="thread",
    difference="a call changes how its thread computes, or finds it changed",
    applies=ALWAYS,
)
def float_environment(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison: what was wrong before, and after."""
    observation = evidence.observation
    if observation.ended is not None:
        return
    before, after = observation.disturbed
    if not (before or after):
        yield Comparison("calling thread", Verdict.PASS, 2 * PROBES, ratio=0.0)
        return
    said = [
        f"{when} the call {' and '.join(what)}"
        for when, what in (("before", before), ("after", after))
        if what
    ]
    yield Comparison("calling thread", Verdict.FAIL, 2 * PROBES, "; ".join(said), Cause.ENVIRONMENT)
