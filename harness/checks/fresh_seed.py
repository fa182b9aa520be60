"""The same seed gives the same fresh weights; another seed others."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.weights import all_identical, fresh_facts
from harness.verdicts import Verdict

__all__ = ["fresh_seed"]


@check(
    requirement="initial-seed",
    difference="seeding does not reproduce fresh weights",
    applies=aspect("fresh"),
)
def fresh_seed(evidence: Evidence) -> Iterator[Comparison]:
    """The same seed gives the same weights; another seed others."""
    facts = fresh_facts(evidence)
    if facts is None:
        return
    one, again, other = facts.seeded
    size = sum(array.size for array in one.values())
    if not all_identical(one, again):
        message = "the same seed gave other weights"
        yield Comparison(
            "seeding", Verdict.FAIL, size, message, Cause.UNEXPLAINED, ratio=float("inf")
        )
    elif all_identical(one, other):
        message = "another seed gave the same weights"
        yield Comparison(
            "seeding", Verdict.FAIL, size, message, Cause.UNEXPLAINED, ratio=float("inf")
        )
    else:
        yield Comparison("seeding", Verdict.PASS, size, ratio=0.0)
