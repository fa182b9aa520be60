"""h_n is the last valid output of each direction, bit for bit; where a row is empty, h_0.

A state that no output shows (c_n) is held against the interval in which the outputs leave it at the
last valid step, with everything forgiven that `step_residual` forgives: that one judges its value,
this one of which step and row it is. Where the outputs themselves do not come from the equation,
that cannot be said.

The second is a requirement of its own (`empty-rows`), for no page says it. Implementations give h_0
or 0, or refuse such lengths: 0 is a convention, and has another cause than anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import STATES
from harness.judging.explained import explained
from harness.judging.hidden_layers import same_states, unseen
from harness.judging.power import differs, neighbours, share, stated
from harness.judging.steps import FinalState, direction_steps
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
        faithful = same_states(evidence, layer)
        for direction in range(evidence.config.directions):
            for state in direction_steps(evidence, layer, direction == 1).finals:
                result = _tracked(evidence, state)
                yield result if faithful else unseen(result)
        yield from _empty_rows(evidence, layer)


def _last_layer(evidence: Evidence, outputs: Outputs, layer: int) -> Iterator[Comparison]:
    """The state that the output shows, of rows with steps."""
    config, case = evidence.config, evidence.case
    state = config.cell.states[0]
    rows, first_row = np.arange(config.batch), layer * config.directions
    final, sides = outputs[f"{state}_n"], np.split(outputs["output"], config.directions, axis=2)
    expected = np.empty_like(final[first_row:])
    for direction, own in enumerate(sides):
        expected[direction] = own[0] if direction else own[case.last_step, rows]
        start = case.start(state, first_row + direction)
        expected[direction][case.last_step < 0] = start[case.last_step < 0]
    message = f"{state}_n is not the output at the last valid step"
    kept = case.last_step >= 0
    result = _same(
        evidence,
        state,
        layer,
        final[first_row:],
        expected,
        kept,
        message,
        f"{state}_n of layer {layer}",
    )
    result = replace(result, cause=Cause.UNEXPLAINED if result.verdict == Verdict.FAIL else None)
    yield stated(result, _power(evidence, sides, first_row, expected))


def _empty_rows(evidence: Evidence, layer: int) -> Iterator[Comparison]:
    """They need no hidden layer to be seen: all layers are in the answer of the whole stack."""
    config, empty = evidence.config, evidence.case.last_step < 0
    if not empty.any():
        return
    rows = range(layer * config.directions, (layer + 1) * config.directions)
    for state in config.cell.states:
        actual = evidence.outputs[f"{state}_n"][rows.start : rows.stop]
        expected = np.stack([evidence.case.start(state, row) for row in rows])
        message = f"{state}_n of a row of length 0 is not {state}_0"
        part = f"{state}_n of layer {layer}, empty rows"
        result = _same(evidence, state, layer, actual, expected, empty, message, part)
        if result.verdict == Verdict.FAIL:
            zeros = bool(((actual == expected) | (actual == 0))[:, empty].all())
            cause = Cause.EMPTY if zeros else Cause.UNWRITTEN
            said = message if zeros else f"{message}, and not 0"
            result = replace(result, cause=cause, message=said)
        power = {Probe.ZERO: share(expected[:, empty] != 0)}
        yield stated(replace(result, requirement="empty-rows"), power)


def _same(
    evidence: Evidence,
    state: str,
    layer: int,
    actual: Array,
    expected: Array,
    which: BoolArray,
    message: str,
    part: str,
) -> Comparison:
    """A layer's rows `which` of a final state, bit for bit."""
    kept, first_row = np.flatnonzero(which), layer * evidence.config.directions
    place = locate(evidence.config, f"{state}_n")
    return compare_bits(
        part,
        actual[:, which],
        expected[:, which],
        evidence.case.fmt,
        lambda index: place((index[0] + first_row, int(kept[index[1]]), *index[2:])),
        message,
    )


def _tracked(evidence: Evidence, final: FinalState) -> Comparison:
    """A state that no output shows: what `step_residual` explains passes here."""
    message = f"{final.state}_n is not that state after the last valid step"
    ratio = final.interval.ratio(final.actual.astype(np.float64))
    bad = final.defined & ~(ratio <= 1)
    excused = np.zeros_like(bad)
    if bad.any():
        for cause, elements in explained(evidence, final, bad):
            excused |= elements & (cause is not Cause.UNEXPLAINED)
    result = compare(
        final.part,
        final.actual,
        final.interval.expected,
        np.where(excused, 1.0, ratio),
        evidence.case.fmt,
        final.locate,
        defined=final.defined,
    )
    if result.verdict == Verdict.FAIL:
        result = replace(result, cause=Cause.UNEXPLAINED, message=message)
        if not _is_another(evidence, final, bad & ~excused):
            message = f"{final.state}_n is wrong, but not that state of another step or row"
            return replace(result, verdict=Verdict.INCONCLUSIVE, cause=None, message=message)
    return stated(result, _power_of_tracked(evidence, final))


def _is_another(evidence: Evidence, final: FinalState, bad: BoolArray) -> bool:
    """Whether the outputs come from the equation, and what is wrong is about the same state of
    another step or row: somewhere one that cannot be taken for the right state.
    """
    steps = final.steps
    seen = steps.interval.ratio(steps.actual.astype(np.float64)) <= 1
    if not seen[steps.defined].all():
        return False
    near, apart = np.zeros_like(bad), np.zeros_like(bad)
    with np.errstate(invalid="ignore"):
        width = 2 * (final.interval.high - final.interval.low)
        for other in _others(evidence, final).values():
            close = np.abs(final.actual.astype(np.float64) - other) <= width
            near |= close
            apart |= close & (np.abs(other - final.interval.expected) > 3 * width)
    return bool(near[bad].all() and apart[bad].any())


def _power_of_tracked(evidence: Evidence, final: FinalState) -> dict[Probe, float]:
    """As of the state that the output shows: where another one is outside of the interval."""
    interval, found = final.interval, {}
    if not final.valid.any():
        return {}
    for probe, other in _others(evidence, final).items():
        with np.errstate(invalid="ignore"):
            seen = (other < interval.low) | (other > interval.high)
        found[probe] = share(seen, final.defined)
    return found


def _others(evidence: Evidence, final: FinalState) -> dict[Probe, Array]:
    """The states that may be taken for the last one, by probe, (1, B, n)."""
    case, steps, state = evidence.case, final.steps, final.state
    after = np.where(case.valid[:, :, None], steps.reading.after[state].expected, 0.0)
    others = {Probe.STATE: final.at_end(steps.before[state])}
    if final.reverse or int(case.last_step.min()) < len(after) - 1:
        others[Probe.END] = after[None, -1]
    if case.rows_differ:
        others[Probe.ROW] = neighbours(final.interval.expected)
    return others


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
    if case.rows_differ:
        power[Probe.ROW] = share(differs(neighbours(expected), expected)[:, ~empty])
    return power
