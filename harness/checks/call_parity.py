"""Two implementations on the same call: both refuse, or both accept and agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.calls import make_call
from harness.causes import Cause
from harness.checks.registry import Partner, check
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.applies import CALL
from harness.judging.call_outcomes import judge_arrays, malformed, shapes_of
from harness.observe import CallOutcome
from harness.oracle import Oracle
from harness.verdicts import Verdict

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
    peer, config = evidence.peer, evidence.config
    if peer is None:
        return
    mine, theirs = evidence.observation.details, peer.details
    if not isinstance(mine, CallOutcome) or not isinstance(theirs, CallOutcome):
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
    said = (
        f"{one.backend} {_words(config, outcome)}"
        for one, outcome in ((evidence.observation, mine), (peer, theirs))
    )
    yield Comparison(part, Verdict.FAIL, 1, "; ".join(said), ended or Cause.DIFFERS)


def _words(config: Config, outcome: CallOutcome) -> str:
    if outcome.error is not None:
        return f"{'ends' if outcome.ended else 'refuses'} ({outcome.error})"
    return f"accepts ({shapes_of(config, outcome)})"


def _agreement(part: str, evidence: Evidence, mine: CallOutcome, theirs: CallOutcome) -> Comparison:
    """Both accept: the same answer, to twice the tolerance of what the call means."""
    config = evidence.config
    shapes = [shapes_of(config, one) for one in (mine, theirs)]
    if malformed(config, mine) or malformed(config, theirs) or shapes[0] != shapes[1]:
        return Comparison(part, Verdict.FAIL, 1, "; ".join(shapes), Cause.DISAGREES)
    assert mine.returned is not None
    assert theirs.returned is not None
    if not _same_weights(mine, theirs):
        message = "both accept, each with weights of its own: not compared"
        return Comparison(part, Verdict.INCONCLUSIVE, 0, message)
    actual, expected = (
        np.concatenate([a.ravel() for a in one.returned or ()]) for one in (mine, theirs)
    )
    if actual.size == 0:
        return Comparison(part, Verdict.PASS, 1, f"both accept: {shapes[0]}", ratio=0.0)
    call = make_call(config)
    meaning = evidence.case if call is None or call.meaning is None else call.meaning
    largest = max(float(array.max()) for array in Oracle(meaning).tolerance.values())
    result = judge_arrays(part, actual, expected, np.full(actual.shape, 2 * largest), meaning)
    if result.verdict == Verdict.FAIL:
        return replace(result, message="both accept, with different answers", cause=Cause.DISAGREES)
    return replace(result, message="both accept and agree")


def _same_weights(one: CallOutcome, other: CallOutcome) -> bool:
    return one.weights.keys() == other.weights.keys() and all(
        array.tobytes() == other.weights[name].tobytes() for name, array in one.weights.items()
    )
