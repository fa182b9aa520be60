"""An error of one call belongs to that call: an ordinary one right after it is unharmed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import CALL
from harness.observe import Reply
from harness.verdicts import Verdict

__all__ = ["call_contained"]


@check(
    requirement="contained-errors",
    difference="a call harms the one after it",
    applies=CALL,
)
def call_contained(evidence: Evidence) -> Iterator[Comparison]:
    """The call behind it: an error of one call belongs to that call."""
    facts = evidence.observation.facts
    if not isinstance(facts, Reply):
        return
    verdict = Verdict.PASS if facts.afterwards is None else Verdict.FAIL
    yield Comparison(
        "the call behind",
        verdict,
        1,
        facts.afterwards or "",
        Cause.UNEXPLAINED if verdict == Verdict.FAIL else None,
        ratio=0.0 if verdict == Verdict.PASS else None,
        requirement="contained-errors",
    )
