"""Gradients from start to end against the oracle, with a tolerance calibrated by the case itself.

`gradient` proves, step by step, and its bound grows with each step: after a few dozen steps of
gated units it lets everything pass. This is the comparison for those sizes, as `forward_error` is
for outputs: no proof, but it sees what is no rounding (`harness.calibrated_gradients`).

Not of small layers, for which the proof is enough, and of which few elements may move little by
chance; nor of relu, whose slope jumps where rounding decides, and whose bound stays small; nor of
float16, in which what vanishes below the smallest numbers is no matter of scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from harness.calibrated_gradients import Calibrated
from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.applies import NOT_A_SWEEP, NOTHING_DROPPED, When, aspect
from harness.judging.gradients import gradient_place, gradient_ratio, gradient_requirement
from harness.judging.power import share, stated
from harness.judging.precision import larger_bounds, lower_precision
from harness.probes import Probe
from reference import Bounded
from reference.arrays import Float64Array

__all__ = ["gradient_error"]


def _is_calibrated(config: Config) -> bool:
    return (
        config.hidden_size >= 3
        and config.hidden_size * config.steps >= 32
        and "relu" not in config.cell.activations
        and config.dtype in ("fp32", "fp64")
        and config.finite
        and config.cotangents != "zero"
    )


@check(
    requirement="gradient-parameters",
    also=("gradient-x", "gradient-h-0"),
    difference="gradients are further from the oracle, start to end, than calibrated",
    applies=aspect("gradient")
    & NOT_A_SWEEP
    & NOTHING_DROPPED
    & When(
        "finite numbers, no relu, float32 and float64, from 3 units and 32 units times steps",
        _is_calibrated,
    ),
    needs=(Need.GRADIENTS,),
    probes=(Probe.ZERO, Probe.SIGN),
)
def gradient_error(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison for x, each initial state and each parameter whose gradient is not 0."""
    derivatives = evidence.observation.derivatives
    if derivatives is None:
        return
    calibrated = evidence.oracle.gradients(derivatives.cotangents)
    for name, actual in derivatives.clean.items():
        if calibrated.exact[name].any():
            yield from _judge(evidence, calibrated, name, actual.astype(np.float64))


def _judge(
    evidence: Evidence, calibrated: Calibrated, name: str, actual: Float64Array
) -> Iterator[Comparison]:
    gradient, defined = calibrated.by_name[name], calibrated.compared(name)
    fmt, place = evidence.case.fmt, gradient_place(evidence, name)
    ratio = gradient_ratio(actual, gradient)
    left = bad = defined & ~(ratio <= 1)
    power = {
        probe: share(~(np.abs(change) <= gradient.bound), defined)
        for probe, change in {Probe.ZERO: gradient.value, Probe.SIGN: 2 * gradient.value}.items()
    }
    part, requirement = f"{name}, start to end", gradient_requirement(name)
    if not bad.any():
        result = compare(part, actual, gradient.value, ratio, fmt, place, defined=defined)
        yield stated(replace(result, requirement=requirement), power)
        return
    causes = []
    for cause, larger in _excuses(evidence, calibrated).items():
        elements = left & (gradient_ratio(actual, larger[name]) <= 1)
        causes.append((cause, elements))
        left = left & ~elements
    for cause, elements in (*causes, (Cause.UNEXPLAINED, left)):
        if elements.any():
            others = defined & ~(bad & ~elements)
            result = compare(part, actual, gradient.value, ratio, fmt, place, defined=others)
            message = (
                f"{result.failing} of {result.compared} elements beyond the calibrated tolerance"
            )
            yield stated(
                replace(result, cause=cause, message=message, requirement=requirement), power
            )


def _excuses(evidence: Evidence, calibrated: Calibrated) -> Mapping[Cause, Mapping[str, Bounded]]:
    """A lower precision, or the activations' own errors: with which tolerances."""
    own, lower = evidence.own_activations(), lower_precision(evidence)
    if lower is not None:
        larger = 1 + larger_bounds(evidence, lower)
        of = {n: Bounded(g.value, larger * g.bound) for n, g in calibrated.by_name.items()}
        return {Cause.PRECISION: of}
    if own is not None and own.errs:
        carried = calibrated.carried(own.emulated, *own.at_worst)
        of = {n: Bounded(g.value, g.bound + carried[n]) for n, g in calibrated.by_name.items()}
        return {Cause.ACTIVATION: of}
    return {}
