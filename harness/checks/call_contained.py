"""What one call does ends with it: an ordinary one right after it is unharmed."""

from __future__ import annotations

import itertools
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
            message = f"an ordinary call after it, of that layer or a new one: {after.message}"
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
    """The answers to ordinary calls against what they mean, at the weights that the layer had."""
    layers = 1 if outcome.error is None else 2  # after a refusal the very one, and a new one
    of_each = calls_after(evidence.config)[: len(outcome.ordinary) // layers]
    asked = itertools.cycle(of_each)
    for config, returned in zip(asked, outcome.ordinary, strict=False):
        case = make_case(config)
        answered = msgspec.structs.replace(outcome, returned=returned, trained=None)
        meant = Call((), {}, (), case.weights, meaning=case)
        yield judge_answer(config, answered, meant)
