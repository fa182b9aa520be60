"""Dropped elements are exactly 0; kept ones are scaled by 1 / (1 - p), then activated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate_output
from harness.judging.applies import DROPPING
from harness.judging.dropping import each_call, facts_of, kept_values
from harness.judging.power import share, stated
from harness.observe import Dropping, Forward
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Float64Array

__all__ = ["dropout_values"]


@check(
    requirement="dropout-values",
    also=("dropout-extremes",),
    difference="elements are neither dropped nor scaled by 1 / (1 - p)",
    applies=DROPPING,
    probes=(Probe.UNSCALED,),
    consequence="dropped otherwise than documented",
)
def dropout_values(evidence: Evidence) -> Iterator[Comparison]:
    """Dropped elements are exactly 0; kept ones are scaled by 1 / (1 - p), then activated."""
    facts, config = facts_of(evidence), evidence.config
    if facts is None or config.num_layers == 1 or config.dropout == 0:
        return
    state = facts.first.output.astype(np.float64)
    expected, low, high = kept_values(evidence, state, config.num_layers - 1)
    legal = expected, low, high
    yield from each_call(
        facts, "kept values", lambda part, call: _kept(evidence, facts, part, call, legal)
    )


def _kept(
    evidence: Evidence,
    facts: Dropping,
    part: str,
    call: Forward,
    legal: tuple[Float64Array, Float64Array, Float64Array],
) -> Comparison:
    """Each element of one call is 0, or what it is where all dropouts keep it."""
    (expected, low, high), config = legal, evidence.config
    exact = call.output.astype(np.float64)
    bound = np.where(exact > expected, high - expected, expected - low)
    with np.errstate(all="ignore"):
        ratio = np.abs(exact - expected) / bound
    dropped = call.output == 0
    result = compare(
        part,
        call.output,
        np.where(dropped, 0.0, expected),
        np.where(dropped, 0.0, ratio),
        evidence.case.fmt,
        locate_output(config),
    )
    if result.verdict == Verdict.FAIL:
        message = f"{result.failing} elements are neither 0 nor the value over 1 - p"
        result = replace(result, message=message, cause=Cause.UNEXPLAINED)
    elif dropped.all():
        message = "everything was dropped: no kept value was seen"
        result = replace(result, verdict=Verdict.INCONCLUSIVE, message=message)
    # A layer or a stack of them that does not scale: the state of the first one comes through.
    unscaled = facts.first.output.astype(np.float64)
    seen = ~dropped & ((unscaled < low) | (unscaled > high))
    result = stated(result, {Probe.UNSCALED: share(seen)})
    return replace(result, requirement="dropout-extremes") if config.dropout >= 90 else result
