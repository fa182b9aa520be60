"""What was observed of dropout between layers (`harness.observe.dropout`), call by call.

In evaluation mode it does nothing. In training mode the outputs of all layers but the last are
dropped with probability p and scaled by 1 / (1 - p) where they are kept, each by itself; h_n is
made of the states, which are not dropped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.axes import shape_of
from harness.bits import same_bits
from harness.case import passing_on
from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.power import share, stated
from harness.layers import pass_through
from harness.observe import DropoutCalls, Outputs
from harness.oracle import Oracle
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import FORMATS, Interval, Rounded, split
from reference.arrays import Float64Array

__all__ = [
    "chance",
    "chance_error",
    "correct_distance",
    "dropout_calls",
    "each_call",
    "equal_answers",
    "kept_values",
]


def dropout_calls(evidence: Evidence) -> DropoutCalls | None:
    details = evidence.observation.details
    return details if isinstance(details, DropoutCalls) else None


def chance(evidence: Evidence) -> float:
    return evidence.config.dropout / 100


def roundoff(evidence: Evidence) -> float:
    """The unit roundoff with which p and what is made of it may be held: float32's, or larger."""
    return max(evidence.case.fmt.unit_roundoff, FORMATS["fp32"].unit_roundoff)


def chance_error(evidence: Evidence) -> float:
    """How far p may be off as it is held."""
    return roundoff(evidence) * chance(evidence)


def correct_distance(evidence: Evidence) -> Callable[[], Outputs]:
    """How far two correct evaluations of what was called may be apart: twice a tolerance."""

    def distance() -> Outputs:
        tolerance = Oracle(passing_on(evidence.case)).tolerance
        return {name: 2 * array for name, array in tolerance.items()}

    return functools.cache(distance)


def equal_answers(
    part: str,
    one: Outputs,
    other: Outputs,
    message: str,
    within: Callable[[], Outputs] | None = None,
) -> Comparison:
    """Whether two calls gave the same bits; where it is given, whether they are `within` that."""
    count = sum(array.size for array in one.values())
    same = all(same_bits(array, other[name]) for name, array in one.items())
    if not same and within is not None:
        same = all(
            bool((np.abs(array.astype(np.float64) - other[name]) <= within()[name]).all())
            for name, array in one.items()
        )
    if same:
        result = Comparison(part, Verdict.PASS, count, ratio=0.0)
        return stated(result, {Probe.DROPPED: share(other["output"] != 0)})
    return Comparison(part, Verdict.FAIL, count, message, Cause.UNEXPLAINED, ratio=float("inf"))


def each_call(
    calls: DropoutCalls, part: str, judge: Callable[[str, Outputs], Comparison]
) -> Iterator[Comparison]:
    """A comparison for each of the first calls in training mode; of the later ones the worst."""
    for number, call in enumerate(calls.trained, start=1):
        yield judge(f"{part}, call {number}", call)
    later = [judge(part, call) for call in calls.later]
    if not later:
        return
    gravity = {Verdict.FAIL: 2, Verdict.PASS: 1}
    number, worst = max(
        enumerate(later, start=1 + len(calls.trained)),
        key=lambda one: (gravity.get(one[1].verdict, 0), one[1].ratio or 0.0),
    )
    message = f"call {number}: {worst.message}" if worst.message else ""
    compared = sum(result.compared for result in later)
    yield replace(worst, part=f"{part}, later calls", compared=compared, message=message)


def kept_values(
    evidence: Evidence, state: Float64Array, times: int
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """A state of the first layer after so many layers that kept it: exact, smallest, largest.

    Between two layers the output is scaled by 1 / (1 - p). With u the larger unit roundoff of the
    layer's format and of float32, p may be held with an error of u p, which leaves 1 - p within
    u p; the difference is rounded, and so are its reciprocal (unless it divides), the product, and
    the product as it is stored: four roundings. After every layer the value is stored once more.

    Args:
        state: (T, B, D * H).
    """
    fmt = evidence.case.fmt
    p, off = chance(evidence), chance_error(evidence)
    unit = 4 * roundoff(evidence)
    least_scale, most_scale = (1 - unit) / (1 - p + off), (1 + unit) / (1 - p - off)
    expected, low, high = state, state, state
    for _ in range(times):
        exact = _passed_on(evidence, expected / (1 - p))
        least = _passed_on(evidence, np.minimum(low * least_scale, low * most_scale))
        most = _passed_on(evidence, np.maximum(high * least_scale, high * most_scale))
        expected = exact.expected
        low, high = np.minimum(exact.low, least.low), np.maximum(exact.high, most.high)
    return expected, low - fmt.ulp(low), high + fmt.ulp(high)


def _passed_on(evidence: Evidence, values: Float64Array) -> Interval:
    """What a layer that passes on its input makes of it, as `harness.observe.dropout` sets it up.

    Its states before are within 0 and 2, and matter as little as the cell lets them.
    """
    config, op = evidence.config, Rounded(evidence.case.fmt)
    sides = []
    for reverse in (False, True)[: config.directions]:
        parameters = split(config.cell, pass_through(config, reverse))
        states = {}
        for state in config.cell.states:
            shape = (*values.shape[:2], shape_of(config, f"{state}_0")[-1])
            states[state] = Interval(np.zeros(shape), np.zeros(shape), np.full(shape, 2.0))
        given = op.given(values, stored=True)
        found = config.cell.equation(op, parameters, given, states)
        sides.append(op.close(found[config.cell.states[0]]))
    return Interval(
        np.concatenate([side.low for side in sides], axis=2),
        np.concatenate([side.expected for side in sides], axis=2),
        np.concatenate([side.high for side in sides], axis=2),
    )
