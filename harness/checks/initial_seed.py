"""The same seed gives the same fresh weights; another seed others."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.parameters import all_identical, initial_weights
from harness.verdicts import Verdict

__all__ = ["initial_seed"]


@check(
    requirement="initial-seed",
    difference="seeding does not reproduce fresh weights",
    applies=aspect("initial"),
)
def initial_seed(evidence: Evidence) -> Iterator[Comparison]:
    """The same seed gives the same weights; another seed others."""
    initial = initial_weights(evidence)
    if initial is None:
        return
    one, second, other = initial.seeded
    size = sum(array.size for array in one.values())
    if not all_identical(one, second):
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
