"""Weights survive the framework's own file format."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.weights import travelled
from harness.observe import Stored
from harness.verdicts import Verdict

__all__ = ["own_file"]


@check(
    requirement="carried-own-file",
    difference="weights change on the way through the own file format",
    applies=aspect("files"),
)
def own_file(evidence: Evidence) -> Iterator[Comparison]:
    """Saved and loaded by the framework's own functions: the same bits."""
    facts = evidence.observation.facts
    if isinstance(facts, Stored):
        yield travelled("own file", facts.given, facts.own)
        size = evidence.case.x.size
        if facts.computes:
            yield Comparison("answers", Verdict.PASS, size, ratio=0.0)
        else:
            message = "answers changed by saving, or by loading"
            yield Comparison(
                "answers", Verdict.FAIL, size, message, Cause.UNEXPLAINED, ratio=float("inf")
            )
