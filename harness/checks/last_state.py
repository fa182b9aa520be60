"""h_n is the last valid output of each direction, bit for bit; where a row is empty, h_0.

The second is a requirement of its own (`empty-rows`), for no page says it. Implementations give h_0
or 0, or refuse such lengths: 0 is a convention, and has another cause than anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import STATES
from harness.judging.power import differs, neighbours, share, stated
from harness.observe import Outputs
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array, BoolArray

__all__ = ["last_state"]


@check(
    requirement="h-n",
    also=("empty-rows",),
    difference="h_n is not the last valid output",
    applies=STATES,
    needs=(Need.OUTPUTS,),
    probes=(Probe.STATE, Probe.END, Probe.ROW, Probe.ZERO),
)
def last_state(evidence: Evidence) -> Iterator[Comparison]:
    """Of the stack, and of each shorter stack that shows a hidden layer."""
    for layer, outputs in enumerate((*evidence.observation.hidden, evidence.outputs)):
        yield from _last_layer(evidence, outputs, layer)


def _last_layer(evidence: Evidence, outputs: Outputs, layer: int) -> Iterator[Comparison]:
    config, case = evidence.config, evidence.case
    state = config.cell.states[0]
    rows, first_row = np.arange(config.batch), layer * config.directions
    final, sides = outputs[f"{state}_n"], np.split(outputs["output"], config.directions, axis=2)
    expected = np.empty_like(final[first_row:])
    for direction, own in enumerate(sides):
        expected[direction] = own[0] if direction else own[case.last_step, rows]
        start = case.start(state, first_row + direction)
        expected[direction][case.last_step < 0] = start[case.last_step < 0]
    actual, empty = final[first_row:].copy(), case.last_step < 0
    # Rows without steps are the whole stack's own: they need no hidden layer to be seen.
    whole = evidence.outputs[f"{state}_n"][first_row : first_row + config.directions]
    actual[:, empty] = whole[:, empty]
    place = locate(config, f"{state}_n")

    def judged(part: str, which: BoolArray, message: str) -> Comparison:
        kept = np.flatnonzero(which)
        return compare_bits(
            part,
            actual[:, which],
            expected[:, which],
            case.fmt,
            lambda index: place((index[0] + first_row, int(kept[index[1]]), *index[2:])),
            message,
        )

    part = f"{state}_n of layer {layer}"
    result = judged(part, ~empty, f"{state}_n is not the output at the last valid step")
    result = replace(result, cause=Cause.UNEXPLAINED if result.verdict == Verdict.FAIL else None)
    yield stated(result, _power(evidence, sides, first_row, expected))
    if empty.any():
        message = f"{state}_n of a row of length 0 is not {state}_0"
        result = judged(f"{part}, empty rows", empty, message)
        if result.verdict == Verdict.FAIL:
            zeros = bool(((actual == expected) | (actual == 0))[:, empty].all())
            cause = Cause.EMPTY if zeros else Cause.UNWRITTEN
            said = message if zeros else f"{message}, and not 0"
            result = replace(result, cause=cause, message=said)
        power = {Probe.ZERO: share(expected[:, empty] != 0)}
        yield stated(replace(result, requirement="empty-rows"), power)


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
    if empty.all():
        return power
    power[Probe.STATE] = share(differs(before, expected)[:, ~empty])
    if int(last.min()) < config.steps - 1 or (config.bidirectional and config.steps > 1):
        power[Probe.END] = share(differs(end, expected)[:, ~empty])
    if config.batch > 1:
        power[Probe.ROW] = share(differs(neighbours(expected), expected)[:, ~empty])
    return power
