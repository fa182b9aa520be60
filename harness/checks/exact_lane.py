"""Integers: every order of evaluation gives the same bits, so equality is asked.

Small ones with relu; in gated cells large ones, which saturate every sigmoid to 0 or 1 and every
tanh to -1, 0 or 1, so that a step selects. All products and partial sums of a step are integers of
magnitude at most m, so each is exact in a precision of p bits while m < 2^p, whatever the order,
fused or not. No tolerance is involved: this judges the logic (lengths, directions, layers, states,
biases, gates) to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate
from harness.judging.applies import INTEGERS
from harness.judging.power import end_to_end_power, power_of, stated
from harness.judging.steps import direction_steps
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array, Float64Array

__all__ = ["exact_lane"]


@check(
    requirement="equation",
    difference="sums of small integers are not exact",
    applies=INTEGERS,
    needs=(Need.OUTPUTS,),
    probes=(Probe.BIAS, Probe.INPUT, Probe.STATE, Probe.ROW),
)
def exact_lane(evidence: Evidence) -> Iterator[Comparison]:
    """Each step from the own previous state; and, where all were exact, against the oracle."""
    config, fmt = evidence.config, evidence.case.fmt
    everything_exact = True
    for layer in range(config.num_layers):
        for direction in range(config.directions):
            steps = direction_steps(evidence, layer, direction == 1)
            valid = evidence.case.valid[:, :, None]
            exact = steps.defined & (steps.magnitude < 2.0**fmt.precision)
            everything_exact &= bool((exact | ~valid).all())
            expected = _stored(steps.interval.expected, steps.actual)
            ratio = np.where(steps.actual == expected, 0.0, np.inf)
            result = compare(
                steps.part,
                steps.actual,
                expected,
                ratio,
                fmt,
                steps.locate,
                defined=exact,
            )
            yield stated(_worded(result), power_of(evidence, steps, exact=exact))
    if everything_exact:
        actual = evidence.outputs["output"]
        expected = _stored(evidence.oracle.exact["output"], actual)
        ratio = np.where(actual == expected, 0.0, np.inf)
        result = compare("output", actual, expected, ratio, fmt, locate(config, "output"))
        power = end_to_end_power(evidence, "output", np.zeros(actual.shape))
        yield stated(_worded(result), power)


def _stored(exact: Float64Array, actual: Array) -> Float64Array:
    """As the format has it: a sigmoid that is 1e-56 in float64 is 0 in float32."""
    stored: Float64Array = exact.astype(actual.dtype).astype(np.float64)
    return stored


def _worded(result: Comparison) -> Comparison:
    if result.verdict != Verdict.FAIL:
        return result
    message = f"{result.failing} of {result.compared} sums of small integers are not exact"
    return replace(result, message=message, cause=Cause.UNEXPLAINED)
