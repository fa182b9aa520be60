"""What one call does ends with it: an ordinary one right after it is unharmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from harness.calls import Call, calls_after
from harness.case import make_case
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import CALL
from harness.judging.call_outcomes import judge_answer
from harness.observe import CallOutcome
from harness.verdicts import Verdict

__all__ = ["call_contained"]

AFTER = "the call after"


@check(
    requirement="contained-errors",
    difference="a call harms the one after it",
    applies=CALL,
)
def call_contained(evidence: Evidence) -> Iterator[Comparison]:
    """The call after it: of another layer, and of the very one that refused it or took it."""
    outcome = evidence.observation.details
    if not isinstance(outcome, CallOutcome):
        return
    for after in _ordinary(evidence, outcome) if outcome.aftermath is None else ():
        if after.verdict is not Verdict.PASS:
            message = f"of the layer that took the call, for an ordinary one: {after.message}"
            yield replace(after, part=AFTER, message=message, requirement="contained-errors")
            return
    verdict = Verdict.PASS if outcome.aftermath is None else Verdict.FAIL
    yield Comparison(
        AFTER,
        verdict,
        1,
        outcome.aftermath or "",
        Cause.UNEXPLAINED if verdict == Verdict.FAIL else None,
        ratio=0.0 if verdict == Verdict.PASS else None,
        requirement="contained-errors",
    )


def _ordinary(evidence: Evidence, outcome: CallOutcome) -> Iterator[Comparison]:
    """Its answers to ordinary calls against what they mean, at the weights that it had."""
    for config, returned in zip(calls_after(evidence.config), outcome.ordinary, strict=False):
        case = make_case(config)
        answered = msgspec.structs.replace(outcome, returned=returned, trained=None)
        asked = Call((), {}, (), case.weights, meaning=case)
        yield judge_answer(config, answered, asked)
