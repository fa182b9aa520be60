"""Building a layer leaves NumPy's global generator alone."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.weights import fresh_facts
from harness.verdicts import Verdict

__all__ = ["fresh_side_effects"]


@check(
    requirement="initial-side-effects",
    difference="building a layer moves NumPy's global generator",
    applies=aspect("fresh"),
)
def fresh_side_effects(evidence: Evidence) -> Iterator[Comparison]:
    """Building a layer leaves NumPy's global generator, which is the user's, alone."""
    facts = fresh_facts(evidence)
    if facts is None:
        return
    if facts.advanced:
        message = "building a layer draws from NumPy's global generator"
        yield Comparison("NumPy's generator", Verdict.FAIL, 1, message, Cause.NUMPY)
    else:
        yield Comparison("NumPy's generator", Verdict.PASS, 1, ratio=0.0)
