"""In evaluation mode dropout does nothing: before training mode, and after it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.dropping import equal_answers, facts_of
from harness.probes import Probe

__all__ = ["dropout_inert"]


@check(
    requirement="dropout-evaluation",
    difference="dropout matters in evaluation mode",
    applies=aspect("training"),
    probes=(Probe.DROPPED,),
    consequence="dropped otherwise than documented",
)
def dropout_inert(evidence: Evidence) -> Iterator[Comparison]:
    """Evaluation mode, before and after training mode, equals a layer without dropout, bitwise."""
    facts = facts_of(evidence)
    if facts is None:
        return
    message = "in evaluation mode the answer is not that of the same layer with dropout 0"
    yield equal_answers("evaluation mode", facts.evaluated, facts.without, message)
    message = "evaluation mode behind training mode is not what it was before"
    yield equal_answers("evaluation mode again", facts.again, facts.evaluated, message)
