"""What was observed of dropout between layers (`harness.observe.dropping`), call by call.

In evaluation mode it does nothing. In training mode the outputs of all layers but the last are
dropped with probability p and scaled by 1 / (1 - p) where they are kept, each by itself; h_n is
made of the states, which are not dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.bits import same_bits
from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.power import share, stated
from harness.observe import Dropping, Forward
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import activation_interval, step_error
from reference.arrays import Float64Array

__all__ = ["chance", "each_call", "equal_answers", "facts_of", "kept_values"]


def facts_of(evidence: Evidence) -> Dropping | None:
    facts = evidence.observation.facts
    return facts if isinstance(facts, Dropping) else None


def chance(evidence: Evidence) -> float:
    return evidence.config.dropout / 100


def equal_answers(part: str, one: Forward, other: Forward, message: str) -> Comparison:
    same = same_bits(one.output, other.output) and same_bits(one.h_n, other.h_n)
    count = one.output.size + one.h_n.size
    if same:
        result = Comparison(part, Verdict.PASS, count, ratio=0.0)
        return stated(result, {Probe.DROPPED: share(other.output != 0)})
    return Comparison(part, Verdict.FAIL, count, message, Cause.UNEXPLAINED, ratio=float("inf"))


def each_call(
    facts: Dropping, part: str, judge: Callable[[str, Forward], Comparison]
) -> Iterator[Comparison]:
    """A comparison for each of the first calls in training mode; of the later ones the worst."""
    for number, call in enumerate(facts.trained, start=1):
        yield judge(f"{part}, call {number}", call)
    later = [judge(part, call) for call in facts.later]
    if not later:
        return
    gravity = {Verdict.FAIL: 2, Verdict.PASS: 1}
    number, worst = max(
        enumerate(later, start=1 + len(facts.trained)),
        key=lambda one: (gravity.get(one[1].verdict, 0), one[1].ratio or 0.0),
    )
    message = f"call {number}: {worst.message}" if worst.message else ""
    compared = sum(result.compared for result in later)
    yield replace(worst, part=f"{part}, later calls", compared=compared, message=message)


def kept_values(
    evidence: Evidence, state: Float64Array, times: int
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Value and legal range of a state of the first layer behind so many layers that kept it."""
    config, fmt = evidence.config, evidence.case.fmt
    scale = 1 / (1 - chance(evidence))
    expected, low, high = state, state, state
    unit = 4 * fmt.unit_roundoff
    for _ in range(times):
        # W_ih is the identity and everything else is 0: one term. 1 / (1 - p) may be rounded,
        # or applied as a division, and the product is rounded.
        ends = []
        for value, sign in ((low, -1), (expected, 0), (high, 1)):
            a = value * scale + sign * np.abs(value * scale) * unit
            error = step_error(np.abs(a), 1, fmt, stored=1.0) * abs(sign)
            ends.append(activation_interval(config.nonlinearity, a, error, fmt))
        low, expected, high = ends[0].low, ends[1].expected, ends[2].high
        low = np.minimum(low, ends[1].low)
        high = np.maximum(high, ends[1].high)
    # Behind every layer the value is stored once more.
    return expected, low - fmt.ulp(low), high + fmt.ulp(high)
