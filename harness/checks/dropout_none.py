"""One layer is the last one: it never drops. Nor does a dropout of 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NO_DROPPING
from harness.judging.dropping import each_call, equal_answers, facts_of
from harness.probes import Probe

__all__ = ["dropout_none"]


@check(
    requirement="dropout-one-layer",
    also=("dropout-extremes",),
    difference="training mode changes what no dropout applies to",
    applies=NO_DROPPING,
    probes=(Probe.DROPPED,),
    consequence="dropped otherwise than documented",
)
def dropout_none(evidence: Evidence) -> Iterator[Comparison]:
    """One layer is the last one: it never drops. Nor does a dropout of 0."""
    facts, config = facts_of(evidence), evidence.config
    if facts is None or (config.num_layers > 1 and config.dropout > 0):
        return
    message = "training mode changes an answer that no dropout applies to"
    none = "dropout-extremes" if config.num_layers > 1 else "dropout-one-layer"
    for result in each_call(
        facts, "training mode", lambda part, call: equal_answers(part, call, facts.without, message)
    ):
        yield replace(result, requirement=none)
