"""One framework's two execution modes against each other, as two implementations are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Partner, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import CALL, NUMBERS
from harness.judging.end_to_end import end_to_end
from harness.judging.excuses import excuses
from harness.judging.last_step import last_step_of
from harness.observe import Reply
from harness.probes import Probe
from harness.verdicts import Verdict

__all__ = ["modes"]


@check(
    requirement="modes",
    difference="the two execution modes of a framework differ",
    applies=NUMBERS | CALL,
    probes=(Probe.BIAS, Probe.STATE, Probe.ROW),
    partner=Partner.MODE,
    compares_two=True,
)
def modes(evidence: Evidence) -> Iterator[Comparison]:
    """Values: to twice the tolerance. Calls: refused in both, or in neither."""
    other = evidence.eager
    if other is None:
        return
    mine, theirs = evidence.observation.facts, other.facts
    if isinstance(mine, Reply) and isinstance(theirs, Reply):
        yield replace(_outcomes(evidence, mine, theirs, other.backend), against=other.backend)
    if other.forward is None or evidence.observation.forward is None:
        return
    last_step = last_step_of(evidence)
    for part in ("output", "h_n"):
        expected = getattr(other.forward, part).astype(np.float64)
        yield from end_to_end(evidence, last_step, part, expected, excuses, against=other.backend)


def _outcomes(evidence: Evidence, mine: Reply, theirs: Reply, other: str) -> Comparison:
    part = f"outcome against {other}"
    if (mine.error is None, mine.ended) == (theirs.error is None, theirs.ended):
        return Comparison(part, Verdict.PASS, 1, ratio=0.0)
    words = [f"refuses ({r.error})" if r.error else "accepts" for r in (mine, theirs)]
    message = f"{evidence.observation.backend} {words[0]}; {other} {words[1]}"
    return Comparison(part, Verdict.FAIL, 1, message, Cause.DIFFERS)
