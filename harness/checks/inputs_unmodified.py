"""No call writes to what it was given (x, h_0, lengths), or to what an earlier call returned."""

from __future__ import annotations

from collections.abc import Iterator

from harness.aspects import FORWARD
from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.verdicts import Verdict

__all__ = ["inputs_unmodified"]


@check(
    requirement="function",
    difference="a call writes to its inputs",
    applies=aspect(FORWARD, "gradient", "steady"),
    needs=(Need.FORWARD,),
)
def inputs_unmodified(evidence: Evidence) -> Iterator[Comparison]:
    case, modified = evidence.case, evidence.observation.modified
    given = [a for a in (case.x, case.h_0, case.lengths) if a is not None]
    compared = sum(a.size for a in given)
    if modified:
        message = f"a call changed: {', '.join(sorted(set(modified)))}"
        yield Comparison("inputs", Verdict.FAIL, compared, message, Cause.UNEXPLAINED)
    else:
        yield Comparison("inputs", Verdict.PASS, compared)
