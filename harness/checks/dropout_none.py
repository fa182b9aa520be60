"""One layer is the last one: it never drops. Nor does a dropout of 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NO_DROPPING
from harness.judging.dropout_calls import (
    correct_distance,
    dropout_calls,
    each_call,
    equal_answers,
)
from harness.observe import Outputs
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
    """The same answer as in evaluation mode, to rounding: training may have kernels of its own."""
    calls, config = dropout_calls(evidence), evidence.config
    if calls is None or (config.num_layers > 1 and config.dropout > 0):
        return
    message = "training mode changes an answer that no dropout applies to"
    none = "dropout-extremes" if config.num_layers > 1 else "dropout-one-layer"
    within = correct_distance(evidence)

    def judged(part: str, call: Outputs) -> Comparison:
        return equal_answers(part, call, calls.without, message, within)

    for result in each_call(calls, "training mode", judged):
        yield replace(result, requirement=none)
