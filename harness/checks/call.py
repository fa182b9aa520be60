"""A call as users make it: accepted or refused as documented, with the right answer.

Judged by torch's documentation, which the mapping page claims for both: what it calls valid must be
accepted and answered rightly, what it calls invalid must be refused. Where it says nothing both may
happen, but an answer must be right.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.aspects import CALLS, INVALID, VALID
from harness.calls import Call, make_call
from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import CALL
from harness.judging.replies import judge_answer, shapes_of
from harness.observe import Reply
from harness.verdicts import Verdict

__all__ = ["call"]


@check(
    requirement="",
    difference="a call is not accepted or refused as documented",
    applies=CALL,
)
def call(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison: what was made of the call."""
    about = CALLS[evidence.config.aspect]
    facts, asked = evidence.observation.facts, make_call(evidence.config)
    if evidence.observation.trouble is not None:
        yield Comparison("outcome", Verdict.ERROR, 0, evidence.observation.trouble)
    elif not isinstance(facts, Reply) or asked is None:
        message = f"with these sizes nothing is changed: {about.says}"
        yield Comparison("outcome", Verdict.INCONCLUSIVE, 0, message)
    elif facts.ended:
        yield Comparison("outcome", Verdict.FAIL, 1, facts.error or "", facts.ended)
    elif facts.error is not None:
        yield _refusal(facts, about.documented)
    elif about.documented == INVALID:
        message = f"accepted silently, and returned {shapes_of(facts)}"
        cause = (
            Cause.ACCEPTED
            if asked.guess is None or _as_guessed(facts, asked.guess)
            else Cause.WRONG
        )
        yield Comparison("outcome", Verdict.FAIL, 1, message, cause)
    else:
        yield judge_answer(facts, asked)


def _as_guessed(facts: Reply, guess: Case) -> bool:
    """Whether an invalid call was answered as if it were this one."""
    answer = judge_answer(facts, Call((), {}, (), guess.weights, meaning=guess))
    return answer.verdict == Verdict.PASS


def _refusal(facts: Reply, documented: str) -> Comparison:
    message = f"refused in the {facts.stage}: {facts.error}"
    if documented == VALID:
        return Comparison("outcome", Verdict.FAIL, 1, message, Cause.REFUSED)
    return Comparison("outcome", Verdict.PASS, 1, message, ratio=0.0)
