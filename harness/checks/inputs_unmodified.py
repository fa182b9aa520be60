"""No call writes to what it was given (x, h_0, lengths), or to what an earlier call returned.

And writing to what was returned changes nothing else: no input, no other answer, no weight.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.aspects import VALUES
from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.verdicts import Verdict

__all__ = ["inputs_unmodified"]


@check(
    requirement="function",
    difference="a call writes to its inputs, or shares what it returns",
    applies=aspect(VALUES, "gradient", "repeated"),
    needs=(Need.OUTPUTS,),
)
def inputs_unmodified(evidence: Evidence) -> Iterator[Comparison]:
    case, modified = evidence.case, evidence.observation.modified
    compared = sum(array.size for array in case.inputs.values())
    if modified:
        message = f"changed: {', '.join(sorted(set(modified)))}"
        yield Comparison("inputs", Verdict.FAIL, compared, message, Cause.UNEXPLAINED)
    else:
        yield Comparison("inputs", Verdict.PASS, compared)
