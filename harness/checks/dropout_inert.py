"""In evaluation mode dropout does nothing: before training mode, and after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.dropout_calls import correct_distance, dropout_calls, equal_answers
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
    """Evaluation mode, before and after training mode, gives what a layer without dropout gives, to
    rounding: it may have another kernel than that layer, or be planned anew after training.
    """
    calls = dropout_calls(evidence)
    if calls is None:
        return
    within = correct_distance(evidence)
    message = "in evaluation mode the answer is not that of the same layer with dropout 0"
    yield equal_answers("evaluation mode", calls.evaluated, calls.without, message, within)
    message = "evaluation mode after training mode is not what it was before"
    part = "evaluation mode after training"
    yield equal_answers(part, calls.evaluated_after, calls.evaluated, message, within)
    later = [
        equal_answers(f"{part}, later calls", call, calls.evaluated, message, within)
        for call in calls.evaluated_later
    ]
    if later:
        worst = max(later, key=lambda one: one.ratio or 0.0)
        yield replace(worst, compared=sum(one.compared for one in later))
