"""Every step of every layer, judged against the implementation's own previous state.

The check that decides. No error accumulates, so the bound of `reference.intervals` is tight at
any length, and a ratio above 1 is a proof: no correct evaluation of the documented equation in
this precision, from this state, gives this value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence
from harness.judging.applies import STATES
from harness.judging.hidden_layers import same_states, unseen
from harness.judging.power import power_of, stated
from harness.judging.precision import lower_precision
from harness.judging.steps import DirectionSteps, direction_steps
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Interval
from reference.arrays import BoolArray, Float64Array

__all__ = ["step_residual"]


@check(
    requirement="equation",
    difference="states that no correct evaluation of the equation gives",
    applies=STATES,
    needs=(Need.OUTPUTS,),
    probes=(Probe.BIAS, Probe.INPUT, Probe.STATE, Probe.ROW),
)
def step_residual(evidence: Evidence) -> Iterator[Comparison]:
    """A layer whose input was not seen (see `prefix`) is judged, and nothing concluded from it."""
    faithful = True
    for layer in range(evidence.config.num_layers):
        faithful = faithful and same_states(evidence, layer)
        for direction in range(evidence.config.directions):
            for result in _judge(evidence, direction_steps(evidence, layer, direction == 1)):
                yield result if faithful else unseen(result)


def _judge(evidence: Evidence, steps: DirectionSteps) -> Iterator[Comparison]:
    """One comparison; for a failure one for each cause, so that none hides another."""
    ratio = steps.interval.ratio(steps.actual.astype(np.float64))
    bad = steps.defined & ~(ratio <= 1)
    power = power_of(evidence, steps)
    if not bad.any():
        result = _compare(evidence, steps, ratio, steps.defined, power)
        yield stated(result, power)
        return
    left = bad
    for cause, explains in (
        (Cause.FLUSH, _flush),
        (Cause.PRECISION, _lower_precision),
        (Cause.ACTIVATION, _own_activations),
        (Cause.UNEXPLAINED, _all),
    ):
        elements = left & explains(evidence, steps)
        left = left & ~elements
        if elements.any():
            others = steps.defined & ~(bad & ~elements)
            yield replace(
                _compare(evidence, steps, ratio, others, power), cause=cause, verdict=Verdict.FAIL
            )


def _all(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    return np.ones(steps.actual.shape, bool)


def _flush(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    """Which elements flushing subnormals to zero explains, and nothing else is forgiven.

    Only a backend that was seen to flush is forgiven.
    """
    own = evidence.own_activations()
    if own is None or not own.flushes:
        return np.zeros(steps.actual.shape, bool)
    return _within(steps, steps.read(flushed=True)[1])


def _lower_precision(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    """Which elements computing in a lower precision explains, where one was seen."""
    lower = lower_precision(evidence)
    if lower is None:
        return np.zeros(steps.actual.shape, bool)
    return _within(steps, steps.read(lower=lower)[1])


def _own_activations(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    """Which elements the backend's own activations explain, and nothing else is forgiven.

    The value of an activation anywhere in [a - E, a + E] lies between act(a - E) plus the smallest
    and act(a + E) plus the largest error measured there; the widening is as before. One
    that nowhere errs more than it may explains nothing; nor does one that is right in a lower
    precision.
    """
    own = evidence.own_activations()
    if own is None or not own.errs or own.precision is not None:
        return np.zeros(steps.actual.shape, bool)
    return _within(steps, steps.read(activation_error=own.error_range)[1])


def _within(steps: DirectionSteps, interval: Interval) -> BoolArray:
    actual = steps.actual.astype(np.float64)
    with np.errstate(invalid="ignore"):
        explained: BoolArray = (actual >= interval.low) & (actual <= interval.high)
    return explained


def _compare(
    evidence: Evidence,
    steps: DirectionSteps,
    ratio: Float64Array,
    elements: BoolArray,
    power: dict[Probe, float],
) -> Comparison:
    result = compare(
        steps.part,
        steps.actual,
        steps.interval.expected,
        ratio,
        evidence.case.fmt,
        steps.locate,
        defined=elements,
    )
    valid_undefined = int((~steps.defined & evidence.case.valid[:, :, None]).sum())
    result = replace(result, power=power, undefined=valid_undefined)
    bad = elements & ~(ratio <= 1)
    if not bad.any():
        return result
    # In time order of this direction: the first failing step of each row is not conditional.
    in_order = bad[::-1] if steps.reverse else bad
    first_of_row = in_order.any(axis=2).argmax(axis=0)
    order = np.arange(len(bad))[:, None]
    conditional = int((in_order & (order > first_of_row)[:, :, None]).sum())
    flat = int(in_order.reshape(len(bad), -1).any(axis=1).argmax())
    step = len(bad) - 1 - flat if steps.reverse else flat
    batch, unit = (int(i) for i in np.argwhere(bad[step])[0])
    first = replace(
        steps.locate((step, batch, unit)),
        actual=float(steps.actual[step, batch, unit]),
        expected=float(steps.interval.expected[step, batch, unit]),
    )
    message = f"{int(bad.sum())} of {result.compared} states cannot come from the equation"
    return replace(result, first=first, conditional=conditional, message=message)
