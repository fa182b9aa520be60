"""Two implementations on the same call: both refuse, or both accept and agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.calls import make_call
from harness.causes import Cause
from harness.checks.registry import Partner, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import CALL
from harness.judging.replies import judge_arrays, malformed, shapes_of
from harness.observe import Reply
from harness.oracle import Oracle
from harness.verdicts import Verdict
from reference.arrays import Float64Array

__all__ = ["call_parity"]


@check(
    requirement="",
    difference="one refuses what the other accepts",
    applies=CALL,
    partner=Partner.BACKEND,
    compares_two=True,
)
def call_parity(evidence: Evidence) -> Iterator[Comparison]:
    """Two implementations on the same call."""
    peer = evidence.peer
    if peer is None:
        return
    mine, theirs = evidence.observation.facts, peer.facts
    if not isinstance(mine, Reply) or not isinstance(theirs, Reply):
        return
    part = f"outcome against {peer.backend}"
    ended = mine.ended or theirs.ended
    if (mine.error is None) == (theirs.error is None) and not ended:
        if mine.error is None:
            yield _agreement(part, evidence, mine, theirs)
            return
        message = f"both refuse: {mine.error}; {peer.backend}: {theirs.error}"
        yield Comparison(part, Verdict.PASS, 1, message, ratio=0.0)
        return
    yield Comparison(
        part,
        Verdict.FAIL,
        1,
        f"{evidence.observation.backend} {_outcome(mine)}; {peer.backend} {_outcome(theirs)}",
        ended or Cause.DIFFERS,
    )


def _outcome(facts: Reply) -> str:
    if facts.error is not None:
        return f"{'ends' if facts.ended else 'refuses'} ({facts.error})"
    return f"accepts ({shapes_of(facts)})"


def _agreement(part: str, evidence: Evidence, mine: Reply, theirs: Reply) -> Comparison:
    """Both accept: the same answer, to twice the tolerance of what the call means."""
    if malformed(mine) or malformed(theirs):
        return Comparison(
            part, Verdict.FAIL, 1, f"{shapes_of(mine)}; {shapes_of(theirs)}", Cause.DISAGREES
        )
    assert mine.returned is not None
    assert theirs.returned is not None
    if shapes_of(mine) != shapes_of(theirs):
        return Comparison(
            part, Verdict.FAIL, 1, f"{shapes_of(mine)}; {shapes_of(theirs)}", Cause.DISAGREES
        )
    if (
        any(
            a.tobytes() != b.tobytes()
            for a, b in zip(mine.weights.values(), theirs.weights.values(), strict=True)
        )
        if mine.weights.keys() == theirs.weights.keys()
        else True
    ):
        message = "both accept, each with weights of its own: not compared"
        return Comparison(part, Verdict.INCONCLUSIVE, 0, message)
    actual = np.concatenate([a.ravel() for a in mine.returned])
    expected = np.concatenate([a.ravel() for a in theirs.returned]).astype(np.float64)
    if actual.size == 0:
        return Comparison(part, Verdict.PASS, 1, f"both accept: {shapes_of(mine)}", ratio=0.0)
    call = make_call(evidence.config)
    meaning = evidence.case if call is None or call.meaning is None else call.meaning
    tolerance = Oracle(meaning).tolerance
    allowed: Float64Array = np.full(
        actual.shape, 2 * max(tolerance.output.max(), tolerance.h_n.max())
    )
    result = judge_arrays(part, actual, expected, allowed, meaning)
    if result.verdict == Verdict.FAIL:
        return replace(result, message="both accept, with different answers", cause=Cause.DISAGREES)
    return replace(result, message="both accept and agree")
