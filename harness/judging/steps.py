"""One direction of one layer, every step evaluated from the backend's own states."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.case import Case
from harness.comparison import Worst
from harness.evidence import Evidence
from reference import (
    FORMATS,
    Block,
    Bounded,
    Cell,
    Exact,
    Format,
    Interval,
    Parameters,
    Rounded,
    parameters_of,
    tracked,
)
from reference.arrays import Array, BoolArray, Float64Array
from reference.gradient import previous_states
from reference.intervals import ErrorRange

__all__ = [
    "DirectionSteps",
    "FinalState",
    "Reading",
    "States",
    "direction_steps",
    "multipliers",
    "widened",
]


@dataclass(frozen=True, eq=False)
class Reading:
    """The rounded reading of all steps: the states before each, and after it, by name."""

    op: Rounded
    before: Mapping[str, Interval]
    after: Mapping[str, Interval]


@dataclass(frozen=True, eq=False)
class DirectionSteps:
    """One direction of one layer, all steps at once; arrays are (T, B, n), zero in the padding.

    `actual` is the first state after each step as the backend gave it, `seen` the one that the step
    started from, by name; `start` has the other states, (B, n), as they were before the first step,
    `final` as they were after the last one. `x` is what the layer was given, a product with `mask`
    where dropout made it. `output` names where `actual` was seen.
    """

    case: Case
    layer: int
    reverse: bool
    output: str
    actual: Array
    x: Array
    seen: Mapping[str, Array]
    start: Mapping[str, Array]
    final: Mapping[str, Array]
    parameters: Parameters
    mask: Bounded | None = None

    def given_x(self, op: Rounded) -> Interval:
        """What the layer was given, as far as it is known."""
        seen = op.given(self.x, stored=self.layer > 0)
        if self.mask is None:
            return seen
        with np.errstate(all="ignore"):
            relative = np.where(self.mask.value == 0, 0.0, self.mask.bound / self.mask.value)
        u, eta = self.case.fmt.unit_roundoff, self.case.fmt.smallest_subnormal
        most = np.where(seen.expected == 0, 0.0, np.abs(seen.expected) * (relative + 2 * u) + eta)
        return replace(seen, low=seen.expected - most, high=seen.expected + most)

    @property
    def cell(self) -> Cell:
        return self.case.config.cell

    @property
    def direction(self) -> str:
        return "reverse" if self.reverse else "forward"

    @property
    def part(self) -> str:
        return f"layer {self.layer} {self.direction}"

    @functools.cached_property
    def reading(self) -> Reading:
        return self.read()

    @property
    def state(self) -> str:
        """The state that the output shows."""
        return self.cell.states[0]

    @property
    def interval(self) -> Interval:
        """Of every correct state after each step."""
        return self.within(self.reading)

    def within(self, reading: Reading) -> Interval:
        """The state's interval in a reading."""
        return reading.after[self.state]

    @functools.cached_property
    def before(self) -> dict[str, Array]:
        """The states before each step; those that were not seen as they are expected."""
        others = {n: one.expected for n, one in self.reading.before.items() if n in self.start}
        return {**self.seen, **others}

    @property
    def finals(self) -> tuple[FinalState, ...]:
        """The states that no output shows, as they are after the last step."""
        return tuple(FinalState(self, name) for name in self.final)

    def read(
        self,
        *,
        activation_error: ErrorRange | None = None,
        flushed: bool = False,
        lower: Format | None = None,
    ) -> Reading:
        """The same with something forgiven, as `reference.intervals.Rounded` takes it; `lower` is a
        format that everything may be rounded to.
        """
        op = Rounded(
            lower or self.case.fmt,
            activation_error=activation_error,
            flushed=flushed,
            cast=lower is not None,
        )
        with np.errstate(all="ignore"):
            x = self.given_x(op)
            before = self.states_before(op, x)
            found = self.cell.equation(op, self.parameters, x, before)
            return Reading(op, before, {name: op.close(one) for name, one in found.items()})

    def states_before(
        self, op: Rounded, x: Interval, margin: Float64Array | None = None
    ) -> dict[str, Interval]:
        """All states before each step: as they were seen, or tracked (`reference.tracked`).

        Args:
            margin: how far seen states may be off.
        """
        seen = {name: op.given(array, stored=True) for name, array in self.seen.items()}
        if margin is not None:
            seen = {name: widened(one, margin) for name, one in seen.items()}
        start = {name: op.given(array) for name, array in self.start.items()}
        valid = self.case.valid
        with np.errstate(all="ignore"):
            others = tracked(self.cell, op, self.parameters, x, seen, start, valid, self.reverse)
        return {**seen, **others}

    def exact(
        self,
        *,
        x: Array | None = None,
        before: Mapping[str, Array] | None = None,
        parameters: Parameters | None = None,
        state: str | None = None,
    ) -> Float64Array:
        """The exact state after each step, with some operands replaced."""
        wide: Any = lambda array: array.astype(np.float64)  # noqa: E731
        states = {name: wide(a) for name, a in (before or self.before).items()}
        given = wide(self.x if x is None else x)
        with np.errstate(all="ignore"):
            found = self.cell.equation(Exact(), parameters or self.parameters, given, states)
        one: Float64Array = found[state or self.state]
        return one

    @property
    def valid(self) -> BoolArray:
        """(T, B): which steps are not padding."""
        return self.case.valid

    @functools.cached_property
    def defined(self) -> BoolArray:
        """Where a bound exists, and the step is not padding."""
        found: BoolArray = self.interval.bounded & self.valid[:, :, None]
        return found

    @functools.cached_property
    def finite(self) -> BoolArray:
        """Where all arguments of activations are finite numbers."""
        finite = (np.isfinite(one.interval.expected) for one in self.reading.op.arguments)
        found: BoolArray = self.of_units(np.logical_and, finite)
        return found

    @functools.cached_property
    def magnitude(self) -> Float64Array:
        """The largest sum of magnitudes among the sums that a state is made of."""
        sizes = (one.magnitude for one in self.reading.op.arguments)
        found: Float64Array = self.of_units(np.maximum, sizes)
        return found

    @functools.cached_property
    def overflows(self) -> BoolArray:
        """Where some order of summation may overflow."""
        most = self.case.fmt.largest
        over = (~(one.magnitude + one.error < most) for one in self.reading.op.arguments)
        found: BoolArray = self.of_units(np.logical_or, over)
        return found

    def of_units(self, combined: np.ufunc, arrays: Iterable[Any]) -> Any:
        """What arguments of units are together, for each unit of the output: of a projection all
        units count.
        """
        found = functools.reduce(combined, arrays)
        if self.cell.projection is None:
            return found
        return np.broadcast_to(combined.reduce(found, axis=2, keepdims=True), self.actual.shape)

    @property
    def skippable(self) -> BoolArray:
        """Of the state that the output shows, `skipped`."""
        return self.skipped[self.state]

    @functools.cached_property
    def skipped(self) -> dict[str, BoolArray]:
        """By state, (T, B, n): what comes out otherwise where a product with a state that was not
        given is left out; of a state that no output shows, and of what is made of it, from the
        first step on.

        0 times infinity is NaN, but no page says that a state that is absent is multiplied.
        """
        names = (self.state, *self.start)
        found = {n: np.zeros((*self.valid.shape, self.before[n].shape[2]), bool) for n in names}
        if self.case.initial:
            return found
        rows = np.flatnonzero(self.case.last_step >= 0)
        first = self.case.last_step[rows] if self.reverse else np.zeros_like(rows)
        other = _otherwise(self.cell, self.parameters, self.x[first, rows], names)
        for name, elements in other.items():
            found[name][first, rows] = elements
            if name in self.start:
                found[name][:, rows] |= elements
                shown = elements if self.cell.projection is None else elements.any(1, keepdims=True)
                found[self.state][:, rows] |= shown
        return found

    @property
    def factors_finite(self) -> BoolArray:
        """(T, B, H): where all factors of a unit's products are finite: x, states, and weights."""
        found: BoolArray = np.isfinite(self.x).all(axis=2, keepdims=True)
        for state in self.before.values():
            found = found & np.isfinite(state).all(axis=2, keepdims=True)
        rows = (np.isfinite(block.weight).all(axis=1) for block in self.parameters.blocks.values())
        if self.cell.projection is not None:
            rows = (one.all(keepdims=True) for one in rows)
        return functools.reduce(np.logical_and, rows, found)

    def locate(self, index: tuple[int, ...]) -> Worst:
        """Where an index (step, batch row, unit) is; of one activation also its argument."""
        where = Worst(self.output, self.layer, self.direction, *index)
        arguments = self.reading.op.arguments
        if len(arguments) != 1:
            return where
        return replace(where, pre_activation=float(arguments[0].interval.expected[index]))


@dataclass(frozen=True, eq=False)
class FinalState:
    """A state that no output shows, after the last step of each row: (1, B, n) in place of
    (T, B, n), and judged as states are.
    """

    steps: DirectionSteps
    state: str

    @property
    def part(self) -> str:
        return f"{self.steps.part}, {self.state}_n"

    @property
    def case(self) -> Case:
        return self.steps.case

    @property
    def reverse(self) -> bool:
        return self.steps.reverse

    @property
    def actual(self) -> Array:
        return self.steps.final[self.state][None]

    @property
    def valid(self) -> BoolArray:
        """(1, B): which rows have a step."""
        return (self.case.last_step >= 0)[None]

    @functools.cached_property
    def interval(self) -> Interval:
        return self.within(self.steps.reading)

    def within(self, reading: Reading) -> Interval:
        """The state's interval in a reading."""
        return self.after_all(reading.after[self.state])

    def after_all(self, one: Interval) -> Interval:
        """Of the interval after each step the one after the last."""
        bounded = np.broadcast_to(one.bounded, one.expected.shape)
        ends = (self.at_end(array) for array in (one.low, one.expected, one.high, bounded))
        return Interval(*ends)

    def at_end(self, states: Any) -> Any:
        """(1, B, n) of (T, B, n)."""
        rows = np.arange(states.shape[1])
        return states[0 if self.reverse else self.case.last_step, rows][None]

    @functools.cached_property
    def defined(self) -> BoolArray:
        """Where a bound exists, and the row has a step."""
        found: BoolArray = self.interval.bounded & self.valid[:, :, None]
        return found

    def exact(
        self,
        *,
        x: Array | None = None,
        before: Mapping[str, Array] | None = None,
        parameters: Parameters | None = None,
    ) -> Float64Array:
        """As that of all steps."""
        every = self.steps.exact(x=x, before=before, parameters=parameters, state=self.state)
        found: Float64Array = self.at_end(every)
        return found

    def locate(self, index: tuple[int, ...]) -> Worst:
        _, row, unit = index
        step = 0 if self.reverse else max(int(self.case.last_step[row]), 0)
        where = self.steps
        return Worst(f"{self.state}_n", where.layer, where.direction, step, row, unit)


class _Absent(np.ndarray[Any, Any]):
    """A state that was not given: zeros."""


class _Skipping(Exact):
    """Leaves out products with absent states."""

    def linear(self, block: Block, value: Array) -> Array:
        if not isinstance(value, _Absent):
            return super().linear(block, value)
        zero = np.zeros((len(value), len(block.weight)))
        return zero if block.bias is None else zero + block.bias

    def multiply(self, one: Array, other: Array) -> Array:
        absent = isinstance(one, _Absent) or isinstance(other, _Absent)
        return np.zeros(one.shape) if absent else super().multiply(one, other)

    def blend(self, weight: Array, one: Array, other: Array) -> Array:
        return self.multiply(self.complement(weight), one) + self.multiply(weight, other)


def _otherwise(
    cell: Cell, parameters: Parameters, x: Array, names: tuple[str, ...]
) -> dict[str, BoolArray]:
    """By state, (B, n): what a first step gives otherwise where products with some of the absent
    states are left out.
    """
    outputs = cell.projection
    units = parameters.blocks["ih", cell.gates[0]].weight.shape[0]
    own = units if outputs is None else parameters.blocks["hh", cell.gates[0]].weight.shape[1]
    zeros = {n: np.zeros((len(x), own if n == names[0] else units)) for n in names}
    given = x.astype(np.float64)
    with np.errstate(all="ignore"):
        usual = cell.equation(Exact(), parameters, given, zeros)
        found = {name: np.zeros(zeros[name].shape, bool) for name in names}
        for left_out in itertools.product((False, True), repeat=len(names)):
            absent = dict(zip(names, left_out, strict=True))
            states = {n: a.view(_Absent) if absent[n] else a for n, a in zeros.items()}
            without = cell.equation(_Skipping(), parameters, given, states)
            for name in names:
                one, two = without[name], usual[name]
                found[name] |= (one != two) & ~(np.isnan(one) & np.isnan(two))
    return found


States = DirectionSteps | FinalState
"""States of one direction of one layer, as checks judge them."""


def widened(one: Interval, margin: Float64Array) -> Interval:
    """The interval with a margin at both ends."""
    with np.errstate(all="ignore"):
        return replace(one, low=one.low - margin, high=one.high + margin)


def direction_steps(evidence: Evidence, layer: int, reverse: bool) -> DirectionSteps:
    """The steps of one direction of one layer; made once for each piece of evidence."""
    made = evidence.made
    if (layer, reverse) not in made:
        steps, mask = _undropped(evidence, layer, reverse), multipliers(evidence).get(layer)
        if mask is not None:
            steps = replace(steps, x=steps.x * mask.value, mask=mask)
        made[layer, reverse] = steps
    found: DirectionSteps = made[layer, reverse]
    return found


def multipliers(evidence: Evidence) -> dict[int, Bounded]:
    """By layer, what dropout multiplied its input with, (T, B, D * H): 0, or 1 / (1 - p).

    Layers that drop get each number for one unit of theirs (`harness.case.passing_on`): it was kept
    where only that explains the unit's state, and dropped where only that does. Where both do, a
    number dropped before among them, it is not known which; where neither does, the nearer one is
    taken.

    p may be held in the working precision, or in float32, which moves 1 - p by u p, relatively
    p / (1 - p) u; the difference and the quotient are rounded.
    """
    if not evidence.config.drops or evidence.observation.derivatives is None:
        return {}
    if "multipliers" not in evidence.made:
        p = evidence.config.dropout / 100
        unit = max(evidence.case.fmt.unit_roundoff, FORMATS["fp32"].unit_roundoff)
        kept, off = 1 / (1 - p), (2 + p / (1 - p)) * unit / (1 - p)
        found = {}
        for layer in range(1, evidence.config.num_layers):
            sides = []
            for direction in range(evidence.config.directions):
                steps = _undropped(evidence, layer, direction == 1)
                every = Bounded(np.full(steps.x.shape, kept), np.full(steps.x.shape, off))
                scaled = replace(steps, x=steps.x * every.value, mask=every)
                dropped = replace(steps, x=np.zeros_like(steps.x))
                sides.append((_explains(scaled), _explains(dropped), _nearer(scaled, dropped)))
            as_kept, as_dropped, nearer = (
                np.concatenate(of, axis=2) for of in zip(*sides, strict=True)
            )
            whether = np.where(as_kept == as_dropped, nearer, as_kept)
            mask, bound = np.where(whether, kept, 0.0), np.where(whether, off, 0.0)
            both, half = as_kept & as_dropped, (kept + off) / 2
            found[layer] = Bounded(np.where(both, half, mask), np.where(both, half, bound))
        evidence.made["multipliers"] = found
    multipliers: dict[int, Bounded] = evidence.made["multipliers"]
    return multipliers


def _explains(steps: DirectionSteps) -> BoolArray:
    """Where a state is one that a correct step may give."""
    one = steps.interval
    found: BoolArray = (one.low <= steps.actual) & (steps.actual <= one.high)
    return found


def _nearer(one: DirectionSteps, other: DirectionSteps) -> BoolArray:
    """Where a state is nearer to the one's than to the other's."""
    far = (np.abs(steps.actual - steps.interval.expected) for steps in (one, other))
    found: BoolArray = np.less(*far)
    return found


def _undropped(evidence: Evidence, layer: int, reverse: bool) -> DirectionSteps:
    """As if nothing were dropped before the layer."""
    config, case = evidence.config, evidence.case
    first, *others = config.cell.states
    every = (*evidence.observation.hidden, evidence.outputs)
    outputs, row = [one["output"] for one in every], layer * config.directions + reverse
    own = slice(config.output_size, None) if reverse else slice(0, config.output_size)
    actual = outputs[layer][:, :, own]
    x = case.x if layer == 0 else outputs[layer - 1]
    before = previous_states(actual, case.start(first, row), case.valid, reverse)
    return DirectionSteps(
        case=case,
        layer=layer,
        reverse=reverse,
        output="output" if layer == config.num_layers - 1 else "hidden output",
        actual=actual,
        x=np.where(case.valid[:, :, None], x, x.dtype.type(0)),
        seen={first: before},
        start={name: case.start(name, row) for name in others},
        final={name: every[layer][f"{name}_n"][row] for name in others},
        parameters=parameters_of(config.cell, case.weights, layer, reverse, config.bias),
    )
