"""Every step of every layer, judged against the implementation's own previous state.

The check that decides. No error accumulates, so the bound of `reference.intervals` is tight at
any length, and a ratio above 1 is a proof: no correct evaluation of the documented equation in
this precision, from this state, gives this value. Of a state that no output shows the final one
is judged, from the interval in which the implementation's own outputs leave it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence
from harness.judging.applies import STATES
from harness.judging.explained import explained
from harness.judging.hidden_layers import same_states, unseen
from harness.judging.power import power_of, stated
from harness.judging.steps import States, direction_steps
from harness.probes import Probe
from harness.verdicts import Verdict
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
            steps = direction_steps(evidence, layer, direction == 1)
            every: tuple[States, ...] = (steps, *steps.finals)
            for states in every:
                for result in _judge(evidence, states):
                    yield result if faithful else unseen(result)


def _judge(evidence: Evidence, steps: States) -> Iterator[Comparison]:
    """One comparison; for a failure one for each cause, so that none hides another."""
    ratio = steps.interval.ratio(steps.actual.astype(np.float64))
    bad = steps.defined & ~(ratio <= 1)
    power = power_of(evidence, steps)
    if not bad.any():
        result = _compare(evidence, steps, ratio, steps.defined, power)
        yield stated(result, power)
        return
    for cause, elements in explained(evidence, steps, bad):
        if elements.any():
            others = steps.defined & ~(bad & ~elements)
            yield replace(
                _compare(evidence, steps, ratio, others, power), cause=cause, verdict=Verdict.FAIL
            )


def _compare(
    evidence: Evidence,
    steps: States,
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
    valid_undefined = int((~steps.defined & steps.valid[:, :, None]).sum())
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
