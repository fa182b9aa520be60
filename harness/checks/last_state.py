"""h_n is the last valid output of each direction, bit for bit; h_0 where a row is empty."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate_states
from harness.judging.applies import NUMBERS
from harness.judging.power import differs, neighbours, share, stated
from harness.observe import Forward
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["last_state"]


@check(
    requirement="h-n",
    difference="h_n is not the last valid output",
    applies=NUMBERS,
    needs=(Need.FORWARD,),
    probes=(Probe.STATE, Probe.END, Probe.ROW),
)
def last_state(evidence: Evidence) -> Iterator[Comparison]:
    """Of the stack, and of each shorter stack that shows a hidden layer."""
    stacks = (*evidence.observation.hidden, evidence.forward)
    for layer, forward in enumerate(stacks):
        yield _last_layer(evidence, forward, layer)


def _last_layer(evidence: Evidence, forward: Forward, layer: int) -> Comparison:
    config, case = evidence.config, evidence.case
    hidden, directions = config.hidden_size, config.directions
    rows = np.arange(config.batch)
    first_row = layer * directions
    expected = np.empty_like(forward.h_n[first_row:])
    for direction in range(directions):
        own = forward.output[:, :, direction * hidden : (direction + 1) * hidden]
        expected[direction] = own[0] if direction else own[case.last_step, rows]
        empty = case.last_step < 0
        start = 0 if case.h_0 is None else case.h_0[first_row + direction][empty]
        expected[direction][empty] = start
    locate = locate_states(config)
    result = compare_bits(
        f"h_n of layer {layer}",
        forward.h_n[first_row:],
        expected,
        case.fmt,
        lambda index: locate((index[0] + first_row, *index[1:])),
        "h_n is not the output at the last valid step",
    )
    result = replace(result, cause=Cause.UNEXPLAINED if result.verdict == Verdict.FAIL else None)
    return stated(result, _power(evidence, forward, first_row, expected))


def _power(
    evidence: Evidence, forward: Forward, first_row: int, expected: Array
) -> dict[Probe, float]:
    """Share of (row, unit) at which another state in place of the last one would have shown.

    Probes: `state` (the one before), `end` (that of step T - 1, where that is another one) and
    `row` (the neighbouring row's).
    """
    config, case = evidence.config, evidence.case
    hidden, rows = config.hidden_size, np.arange(config.batch)
    last = case.last_step
    power: dict[Probe, float] = {}
    several, empty = last >= 1, last < 0
    before, end = np.zeros_like(expected), np.empty_like(expected)
    for direction in range(config.directions):
        own = forward.output[:, :, direction * hidden : (direction + 1) * hidden]
        if case.h_0 is not None:
            before[direction] = case.h_0[first_row + direction]
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
