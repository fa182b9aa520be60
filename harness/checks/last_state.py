"""h_n is the last valid output of each direction, bit for bit; h_0 where a row is empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import NUMBERS
from harness.judging.power import differs, neighbours, share, stated
from harness.observe import Outputs
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["last_state"]


@check(
    requirement="h-n",
    difference="h_n is not the last valid output",
    applies=NUMBERS,
    needs=(Need.OUTPUTS,),
    probes=(Probe.STATE, Probe.END, Probe.ROW),
)
def last_state(evidence: Evidence) -> Iterator[Comparison]:
    """Of the stack, and of each shorter stack that shows a hidden layer."""
    for layer, outputs in enumerate((*evidence.observation.hidden, evidence.outputs)):
        yield _last_layer(evidence, outputs, layer)


def _last_layer(evidence: Evidence, outputs: Outputs, layer: int) -> Comparison:
    config, case = evidence.config, evidence.case
    state = config.cell.states[0]
    rows, first_row = np.arange(config.batch), layer * config.directions
    final, sides = outputs[f"{state}_n"], np.split(outputs["output"], config.directions, axis=2)
    expected = np.empty_like(final[first_row:])
    for direction, own in enumerate(sides):
        expected[direction] = own[0] if direction else own[case.last_step, rows]
        empty = case.last_step < 0
        expected[direction][empty] = case.start(state, first_row + direction)[empty]
    place = locate(config, f"{state}_n")
    result = compare_bits(
        f"{state}_n of layer {layer}",
        final[first_row:],
        expected,
        case.fmt,
        lambda index: place((index[0] + first_row, *index[1:])),
        f"{state}_n is not the output at the last valid step",
    )
    result = replace(result, cause=Cause.UNEXPLAINED if result.verdict == Verdict.FAIL else None)
    return stated(result, _power(evidence, sides, first_row, expected))


def _power(
    evidence: Evidence, sides: list[Array], first_row: int, expected: Array
) -> dict[Probe, float]:
    """Share of (row, unit) at which another state in place of the last one would have shown.

    Probes: `state` (the one before), `end` (that of step T - 1, where that is another one) and
    `row` (the neighbouring row's).
    """
    config, case = evidence.config, evidence.case
    rows, last = np.arange(config.batch), case.last_step
    power: dict[Probe, float] = {}
    several, empty = last >= 1, last < 0
    before, end = np.zeros_like(expected), np.empty_like(expected)
    for direction, own in enumerate(sides):
        before[direction] = case.start(config.cell.states[0], first_row + direction)
        where = np.ones_like(last) if direction else last - 1
        before[direction][several] = own[where[several], rows[several]]
        before[direction][empty] = expected[direction][empty]
        end[direction] = own[-1]
    if not empty.all():
        power[Probe.STATE] = share(differs(before, expected))
    if int(last.min()) < config.steps - 1 or (config.bidirectional and config.steps > 1):
        power[Probe.END] = share(differs(end, expected))
    if config.batch > 1:
        power[Probe.ROW] = share(differs(neighbours(expected), expected))
    return power
