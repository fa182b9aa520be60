"""Integers: every order of evaluation gives the same bits, so equality is asked.

Small ones with relu; in gated cells large ones, which saturate every sigmoid to 0 or 1 and every
tanh to -1, 0 or 1, so that a step selects (`reference.selected`): only where the implementation's
own activations, measured alone, reach these numbers to the bit, which no bound asks of them. No
tolerance is involved: this judges the logic (lengths, directions, layers, states, biases, gates)
to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, Worst, compare
from harness.evidence import Evidence, locate
from harness.judging.applies import INTEGERS
from harness.judging.power import end_to_end_power, power_of, stated
from harness.judging.selected import saturating, selected
from harness.judging.steps import direction_steps
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Format
from reference.arrays import Array, BoolArray, Float64Array

__all__ = ["exact_lane"]


@check(
    requirement="equation",
    difference="sums of small integers are not exact",
    applies=INTEGERS,
    needs=(Need.OUTPUTS,),
    probes=(Probe.BIAS, Probe.INPUT, Probe.STATE, Probe.ROW),
)
def exact_lane(evidence: Evidence) -> Iterator[Comparison]:
    """Each step from the own previous state; and relu's, where all were exact, against the oracle.

    The oracle knows no gate to the bit: in float64 a state is 1e-50 where it is 0 in the working
    precision, and later steps may magnify that to 1.
    """
    config, fmt = evidence.config, evidence.case.fmt
    everything_exact, reaching = True, saturating(evidence)
    for layer in range(config.num_layers):
        for direction in range(config.directions):
            steps = direction_steps(evidence, layer, direction == 1)
            known, finals = selected(steps, reaching), {one.state: one for one in steps.finals}
            for state in config.cell.states:
                states = finals.get(state, steps)
                expected, exact = known[state].value, known[state].exact
                if state in finals:
                    expected, exact = map(finals[state].at_end, (expected, exact))
                valid = states.valid[:, :, None]
                everything_exact &= bool((exact | ~valid).all())
                exact = exact & valid
                result = _equal(states.part, states.actual, expected, fmt, states.locate, exact)
                yield stated(_worded(result), power_of(evidence, states, exact=exact))
    if everything_exact and config.cell.activations == ("relu",):
        actual, exactly = evidence.outputs["output"], evidence.oracle.exact["output"]
        result = _equal("output", actual, exactly, fmt, locate(config, "output"))
        power = end_to_end_power(evidence, "output", np.zeros(actual.shape))
        yield stated(_worded(result), power)


def _equal(
    part: str,
    actual: Array,
    expected: Float64Array,
    fmt: Format,
    place: Callable[[tuple[int, ...]], Worst],
    defined: BoolArray | None = None,
) -> Comparison:
    ratio = np.where(actual == expected, 0.0, np.inf)
    return compare(part, actual, expected, ratio, fmt, place, defined=defined)


def _worded(result: Comparison) -> Comparison:
    if result.verdict != Verdict.FAIL:
        return result
    message = f"{result.failing} of {result.compared} sums of small integers are not exact"
    return replace(result, message=message, cause=Cause.UNEXPLAINED)
