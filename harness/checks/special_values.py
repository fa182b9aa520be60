"""NaN and infinities: where exact arithmetic has none left, IEEE 754 says what comes out.

A sum with a NaN term is NaN; with infinities of one sign it is that infinity, with both it is
NaN; 0 times infinity is NaN; in any order (IEEE 754-2019, sections 6.1 and 6.2). tanh of an
infinity is 1 with its sign, to its accuracy, relu of it infinity or 0, and both of NaN are NaN:
relu is documented as max(0, x), and since 2019 the standard's maximum passes NaN on. Each step is
judged from the implementation's own states, so one wrong step is one failure. A row in which a
finite sum came out as infinity is left open from that layer on: the state may have been kept
finite, in a higher precision, and be infinite only as it is given out. So is the first step of a
layer without initial states, where weights of these are not finite: the product may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence
from harness.judging.applies import SPECIAL, VALUES
from harness.judging.hidden_layers import same_states, unseen
from harness.judging.power import share, stated
from harness.judging.steps import DirectionSteps, States, direction_steps
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Interval, Parameters, Rounded
from reference.arrays import Array, BoolArray, Float64Array
from reference.intervals import Value

__all__ = ["special_values"]


@check(
    requirement="nan",
    also=("infinity",),
    difference="NaN or an infinity does not come out as the equation and IEEE 754 say",
    applies=VALUES & SPECIAL,
    needs=(Need.OUTPUTS,),
    probes=(Probe.ZERO,),
)
def special_values(evidence: Evidence) -> Iterator[Comparison]:
    """For each direction of each layer: the steps that must give NaN, and those from infinities."""
    config = evidence.config
    stored = np.zeros(config.batch, bool)
    for layer in range(config.num_layers):
        seen = same_states(evidence, layer)
        sides = [direction_steps(evidence, layer, d == 1) for d in range(config.directions)]
        stored |= np.any([_overflowed(steps) for steps in sides], axis=0)
        for steps in sides:
            found = _at_infinities(steps)
            interval = found[steps.state]
            judged = (steps.valid & ~stored)[:, :, None] & ~steps.finite & ~steps.skippable
            infinite = ~np.isnan(steps.interval.expected) & ~_overflows(steps)
            yield from _judged(steps, interval, judged, infinite, seen=seen)
            for final in steps.finals:
                interval = final.after_all(found[final.state])
                judged = (final.valid & ~stored)[:, :, None] & ~np.isfinite(interval.expected)
                judged &= ~final.at_end(steps.skipped[final.state])
                yield from _judged(final, interval, judged, np.isinf(interval.expected), seen=seen)


def _judged(
    states: States, interval: Interval, judged: BoolArray, infinite: BoolArray, *, seen: bool
) -> Iterator[Comparison]:
    """Those of the states to judge that must be NaN, and the `infinite` ones."""
    expected, actual = states.interval.expected, states.actual.astype(np.float64)
    with np.errstate(invalid="ignore"):
        same = (interval.ratio(actual) <= 1) | (np.isnan(actual) & np.isnan(expected))
    judged = judged & interval.bounded
    for kind, elements in (("nan", judged & np.isnan(expected)), ("infinity", judged & infinite)):
        if not elements.any():
            continue
        result = compare(
            f"{states.part}, {kind}",
            states.actual,
            expected,
            np.where(same, 0.0, np.inf),
            states.case.fmt,
            states.locate,
            defined=elements,
        )
        result = replace(result, requirement=kind)
        if result.verdict == Verdict.FAIL:
            message = f"{result.failing} of {result.compared} states must be " + (
                "NaN" if kind == "nan" else "what the equation gives of an infinity"
            )
            zeroed = (actual == 0) | same | ~elements
            cause = Cause.NAN if kind == "nan" and zeroed.all() else Cause.UNEXPLAINED
            result = replace(result, message=message, cause=cause)
        if not seen:
            result = unseen(result)
        yield stated(result, {Probe.ZERO: share(expected != 0, elements)})


class _AtInfinities(Rounded):
    """Sums of infinities are exact, and an activation of one errs as of any other number.

    Not bounded is what a factor near 0 makes of an infinity: 0 itself makes NaN.
    """

    def close(self, value: Value) -> Interval:
        if isinstance(value, Interval):
            return value
        infinite, error = np.isinf(value.expected), self.error(value)
        low, high = value.expected - value.below - error, value.expected + value.above + error
        return Interval(
            np.where(infinite, value.expected, low),
            value.expected,
            np.where(infinite, value.expected, high),
            value.bounded,
        )

    def multiply(self, one: Value, other: Value) -> Interval:
        a, b = self.operand(one), self.operand(other)
        bounded = a.bounded & b.bounded & ~(_open(a, b) | _open(b, a))
        return replace(super().multiply(one, other), bounded=bounded)

    def blend(self, weight: Value, one: Value, other: Value) -> Interval:
        z, n, h = self.operand(weight), self.operand(one), self.operand(other)
        open_ = _open(n, self.complement(weight)) | _open(h, z)
        bounded = z.bounded & n.bounded & h.bounded & ~open_
        return replace(super().blend(weight, one, other), bounded=bounded)


def _open(infinite: Interval, factor: Interval) -> BoolArray:
    """Where a factor near 0 meets an infinity."""
    found: BoolArray = np.isinf(infinite.expected) & (factor.low <= 0) & (factor.high >= 0)
    return found


def _at_infinities(steps: DirectionSteps) -> dict[str, Interval]:
    """All states after each step."""
    op = _AtInfinities(steps.case.fmt)
    with np.errstate(all="ignore"):
        x = steps.given_x(op)
        found = steps.cell.equation(op, steps.parameters, x, steps.states_before(op, x))
        return {name: op.close(one) for name, one in found.items()}


def _overflowed(steps: DirectionSteps) -> BoolArray:
    """(B,): rows with an infinite state of which all sums are finite."""
    found: BoolArray = (np.isinf(steps.actual) & steps.finite).any(axis=(0, 2))
    return found


def _overflows(steps: DirectionSteps) -> BoolArray:
    """Where the finite terms alone may overflow: then an infinity may rightly meet another.

    Of the states it counts the largest that any step started from.
    """
    fmt = steps.case.fmt
    op = Rounded(fmt)
    parameters = Parameters(
        {
            key: replace(
                block,
                weight=_finite(block.weight),
                bias=None if block.bias is None else _finite(block.bias),
            )
            for key, block in steps.parameters.blocks.items()
        }
    )
    states = {
        name: op.given(np.full(array.shape, np.max(_finite(array), initial=0.0)))
        for name, array in steps.before.items()
    }
    with np.errstate(all="ignore"):
        steps.cell.equation(op, parameters, op.given(_finite(steps.x)), states)
    over = (argument.magnitude >= fmt.largest / 2 for argument in op.arguments)
    found: BoolArray = steps.of_units(np.logical_or, over)
    return found


def _finite(array: Array) -> Float64Array:
    """Magnitudes, with 0 where there is none."""
    exact = array.astype(np.float64)
    return np.where(np.isfinite(exact), np.abs(exact), 0.0)
