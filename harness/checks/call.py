"""A call as users make it: accepted or refused as documented, with the right answer.

Judged by torch's documentation, which the mapping page claims for both: what it calls valid must be
accepted and answered rightly, what it calls invalid must be refused. Where it says nothing both may
happen, but an answer must be right.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.aspects import CallAspect, Documented, aspect_of
from harness.calls import Call, make_call
from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.applies import CALL
from harness.judging.call_outcomes import judge_answer, shapes_of
from harness.observe import CallOutcome
from harness.verdicts import Verdict

__all__ = ["call"]


@check(
    requirement="",
    difference="a call is not accepted or refused as documented",
    applies=CALL,
)
def call(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison: what was made of the call."""
    config, about = evidence.config, aspect_of(evidence.config)
    assert isinstance(about, CallAspect)
    outcome, asked = evidence.observation.details, make_call(config)
    if evidence.observation.trouble is not None:
        yield Comparison("outcome", Verdict.ERROR, 0, evidence.observation.trouble)
    elif not isinstance(outcome, CallOutcome) or asked is None:
        message = f"with these sizes nothing is changed: {about.says}"
        yield Comparison("outcome", Verdict.INCONCLUSIVE, 0, message)
    elif outcome.ended:
        yield Comparison("outcome", Verdict.FAIL, 1, outcome.error or "", outcome.ended)
    elif outcome.error is not None:
        yield _refusal(outcome, about.documented)
    elif about.documented is Documented.INVALID:
        message = f"accepted silently, and returned {shapes_of(config, outcome)}"
        cause = (
            Cause.ACCEPTED
            if asked.guess is None or _as_guessed(config, outcome, asked.guess)
            else Cause.WRONG
        )
        yield Comparison("outcome", Verdict.FAIL, 1, message, cause)
    else:
        yield judge_answer(config, outcome, asked)


def _as_guessed(config: Config, outcome: CallOutcome, guess: Case) -> bool:
    """Whether an invalid call was answered as if it were this one."""
    answer = judge_answer(config, outcome, Call((), {}, (), guess.weights, meaning=guess))
    return answer.verdict == Verdict.PASS


def _refusal(outcome: CallOutcome, documented: Documented) -> Comparison:
    message = f"refused in the {outcome.stage}: {outcome.error}"
    if documented is Documented.VALID:
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.REFUSED)
    return Comparison("outcome", Verdict.PASS, 1, message, ratio=0.0)
