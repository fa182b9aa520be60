"""No call writes to what it was given (x, h_0, lengths), or to what an earlier call returned."""

from __future__ import annotations

from collections.abc import Iterator

from harness.comparison import FAIL, PASS, Comparison
from harness.evidence import Evidence

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    case, modified = evidence.case, evidence.observation.modified
    given = [a for a in (case.x, case.h_0, case.lengths) if a is not None]
    compared = sum(a.size for a in given)
    if modified:
        message = f"a call changed: {', '.join(sorted(set(modified)))}"
        yield Comparison("inputs", FAIL, compared, message, "unexplained")
    else:
        yield Comparison("inputs", PASS, compared)
