"""The reverse reading: an equation recorded for all steps at once, for backpropagation.

Every operation leaves a node that holds the interval of its value. Backwards, a node hands the
adjoint of its value on to its operands, in `BoundedArithmetic`: adjoints carry the bound on what
rounding may do to them, and factors carry their intervals.

    sum         s = a + b              a' += s',  b' += s'
    product     p = a b                a' += p' b,  b' += p' a
    complement  p = 1 - a              a' -= p'
    blend       p = (1 - z) n + z h    z' += p' h - p' n,  n' += p' - p' z,  h' += p' z
    activation  y = act(a)             a' += y' act'(a)
    linear      l = W v + b            v' += W^T l',  and l' is kept for the gradients of W and b

The adjoint of a value is one sum over all the places that use it, made in any order: so bounds
count all its terms (`Tape.terms`), and differences such as h - n above are two of them, whether an
implementation takes the difference first or not.

A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 3.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reference.arithmetic import Block, Exact, Parameters
from reference.arrays import Array, Float64Array
from reference.bounded import Bounded, BoundedArithmetic, concatenated, where
from reference.cells import Cell
from reference.formats import Format
from reference.intervals import ErrorRange, Interval, Rounded, Value

__all__ = ["Slopes", "Tape", "adjoints", "record"]

EPSILON = 2.0**-52


@dataclass(eq=False)
class Node:
    """A recorded value: its interval or open sum, and what hands its adjoint on.

    `factors` are the partial derivatives by operand, (T, B, H); None stands for 1. `block` is that
    of a linear node, whose only factor is its operand, the derivative by the weight; `activation`
    the name of one; `leaf` names x or a state.
    """

    value: Value
    operands: tuple[Node, ...] = ()
    factors: tuple[Bounded | None, ...] = ()
    block: Block | None = None
    activation: str = ""
    leaf: str = ""


@dataclass(frozen=True, eq=False)
class Tape:
    """One direction of one layer, recorded: its nodes in order, those of x and of the states
    before a step ("x", "h"), and those of the states after it, the output first.
    """

    nodes: tuple[Node, ...]
    before: Mapping[str, Node]
    after: Mapping[str, Node]

    @functools.cached_property
    def linear(self) -> dict[str, list[Node]]:
        """The linear nodes of each kind of parameter ("ih", "hh"), gate by gate."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            if node.block is not None:
                found.setdefault(node.block.kind, []).append(node)
        return {
            kind: sorted(of, key=lambda node: node.block.gate if node.block else 0)
            for kind, of in found.items()
        }

    @functools.cached_property
    def matrices(self) -> dict[str, Float64Array]:
        """All rows of each kind of parameter, gate by gate."""
        return {
            kind: np.concatenate([node.block.weight for node in nodes if node.block])
            for kind, nodes in self.linear.items()
        }

    def readers(self, leaf: str) -> list[Node]:
        """The linear nodes that take x, or a state as it is."""
        return [n for n in self.nodes if n.block is not None and n.operands[0].leaf == leaf]

    def weight(self, leaf: str) -> Float64Array:
        """The rows of all linear nodes that take x, or a state, as `readers` lists them."""
        rows = [node.block.weight for node in self.readers(leaf) if node.block is not None]
        return np.concatenate(rows).astype(np.float64)

    @functools.cached_property
    def uses(self) -> dict[int, int]:
        """By id of node, how many terms its step adds to its adjoint: one for each place that it
        stands in, one for each row of a matrix that it is multiplied with.
        """
        found = {id(node): 0 for node in self.nodes}
        for node in self.nodes:
            for operand in node.operands:
                found[id(operand)] += 1 if node.block is None else len(node.block.weight)
        return found

    def carried(self, state: str) -> int:
        """How many terms the adjoint of a state has that are not from other layers: those that
        its own step adds, and those that the step after hands back.
        """
        return self.uses[id(self.before[state])] + self.uses[id(self.after[state])]

    def terms(self, above: int) -> dict[int, int]:
        """By id of node, of how many terms its adjoint is the sum.

        Args:
            above: how many come to the output from outside: one, its cotangent, or what the
                layer above hands back.
        """
        found = dict(self.uses)
        for number, (state, node) in enumerate(self.after.items()):
            found[id(node)] += self.uses[id(self.before[state])] + (0 if number else above)
        return found | {id(self.before[state]): found[id(n)] for state, n in self.after.items()}


@dataclass(frozen=True)
class Slopes:
    """How the derivatives of activations are known.

    `seen` are the implementation's own states: the slope of relu is 1 where its own state is
    positive. With `own`, the slope of an activation that is a state is taken from that state as
    it is; without, from anything correct that it can be. With `open_at_zero` the slope of relu at
    exactly 0 may be anything in [0, 1]: all these are subgradients.
    """

    seen: Mapping[str, Array] = field(default_factory=dict)
    own: bool = False
    open_at_zero: bool = False


class _Recorder:
    """The arithmetic that records; each operation is that of `Rounded`, and leaves a node."""

    def __init__(self, rounded: Rounded, arithmetic: Exact | None) -> None:
        self.rounded, self.arithmetic = rounded, arithmetic
        self.nodes: list[Node] = []

    def leaf(self, name: str, value: Interval) -> Node:
        return self._node(value, leaf=name)

    def linear(self, block: Block, value: Node) -> Node:
        made = self.rounded.linear(block, value.value)
        operand = self.rounded.close(value.value)
        factor = Bounded(operand.expected, operand.half_width)
        return self._node(made, (value,), (factor,), block=block)

    def add(self, *terms: Node) -> Node:
        value = self.rounded.add(*(term.value for term in terms))
        return self._node(value, terms, (None,) * len(terms))

    def multiply(self, one: Node, other: Node) -> Node:
        value = self.rounded.multiply(one.value, other.value)
        return self._node(value, (one, other), (self._factor(other), self._factor(one)))

    def complement(self, value: Node) -> Node:
        made = self.rounded.complement(value.value)
        return self._node(made, (value,), (Bounded.exact(np.full(made.expected.shape, -1.0)),))

    def blend(self, weight: Node, one: Node, other: Node) -> Node:
        made = self.rounded.blend(weight.value, one.value, other.value)
        z, n, h = (self._factor(node) for node in (weight, one, other))
        unit = Bounded.exact(np.ones(made.expected.shape))
        return self._node(made, (weight, weight, one, one, other), (h, -n, unit, -z, z))

    def activation(self, name: str, value: Node) -> Node:
        made = self.rounded.activation(name, value.value)
        if self.arithmetic is not None:
            at = self.arithmetic.activation(name, self.rounded.close(value.value).expected)
            made = replace(made, low=at, expected=at, high=at)
        # The slope is filled in once it is known whether the value is a state that was seen.
        return self._node(made, (value,), activation=name)

    def _factor(self, node: Node) -> Bounded:
        interval = self.rounded.operand(node.value)
        return Bounded(interval.expected, interval.half_width)

    def _node(
        self,
        value: Value,
        operands: tuple[Node, ...] = (),
        factors: tuple[Bounded | None, ...] = (),
        block: Block | None = None,
        activation: str = "",
        leaf: str = "",
    ) -> Node:
        node = Node(value, operands, factors, block, activation, leaf)
        self.nodes.append(node)
        return node


def record(
    cell: Cell,
    parameters: Parameters,
    x: Array | Interval,
    before: Mapping[str, Array | Interval],
    fmt: Format,
    slopes: Slopes,
    *,
    stored_x: bool = False,
    flushed: bool = False,
    activation_error: ErrorRange | None = None,
    arithmetic: Exact | None = None,
) -> Tape:
    """Record all steps of one direction of one layer; arrays are (T, B, n), time first.

    Args:
        x: as it was given, or as an interval where it was not seen.
        before: the states before each step, in the same way.
        stored_x: whether x is the output of another layer of the implementation.
        flushed: as `Rounded` takes it; `activation_error` too.
        arithmetic: where values of activations come from, and with them slopes, as they are.

    Raises:
        ValueError: the equation uses x other than in linear terms; its gradient would be wrong.
    """
    rounded = Rounded(fmt, activation_error=activation_error, flushed=flushed)
    recorder = _Recorder(rounded, arithmetic)
    with np.errstate(all="ignore"):
        seen_x = x if isinstance(x, Interval) else rounded.given(x, stored=stored_x)
        leaf = recorder.leaf("x", seen_x)
        states = {
            name: recorder.leaf(
                name, state if isinstance(state, Interval) else rounded.given(state, stored=True)
            )
            for name, state in before.items()
        }
        found = cell.equation(recorder, parameters, leaf, states)
        after = {name: found[name] for name in cell.states}
        if any(leaf in node.operands and node.block is None for node in recorder.nodes):
            raise ValueError(f"cell = {cell.name!r}, expected x in linear terms only")
        seen = {id(node): slopes.seen[name] for name, node in after.items() if name in slopes.seen}
        for node in recorder.nodes:
            if node.activation:
                node.factors = (_slope(rounded, node, seen.get(id(node)), slopes),)
    return Tape(tuple(recorder.nodes), {"x": leaf, **states}, after)


def _slope(rounded: Rounded, node: Node, seen: Array | None, slopes: Slopes) -> Bounded:
    """act' at every step, and how far a correct evaluation may be from it.

    For tanh it is computed from a value y as 1 - y^2 in some way, for sigmoid as y (1 - y): two
    roundings, and the one with which y is stored.
    """
    (operand,) = node.operands
    if node.activation == "relu":
        argument = rounded.close(operand.value)
        slope = _relu_slope(argument, seen)
        if not slopes.open_at_zero:
            return slope
        half, zero = np.full(slope.value.shape, 0.5), argument.expected == 0
        return where(zero, Bounded(half, half), slope)
    of = {"tanh": _tanh_slope, "sigmoid": _sigmoid_slope}[node.activation or ""]
    roundings = 4 * (rounded.fmt.unit_roundoff + EPSILON)
    if slopes.own and seen is not None:
        y = seen.astype(np.float64)
        value = of(y)
        return Bounded(value, np.full(value.shape, roundings))
    interval = rounded.close(node.value)
    # One that errs as it was measured to may leave its range, and its slope change the sign.
    most = 1.0 if rounded.activation_error is None else np.inf
    return _range_of(of, interval, -1.0 if node.activation == "tanh" else 0.0, most, roundings)


def _tanh_slope(y: Float64Array) -> Float64Array:
    slope: Float64Array = 1 - y * y
    return slope


def _sigmoid_slope(y: Float64Array) -> Float64Array:
    slope: Float64Array = y * (1 - y)
    return slope


def _range_of(
    of: Callable[[Float64Array], Float64Array],
    interval: Interval,
    lowest: float,
    most: float,
    roundings: float,
) -> Bounded:
    """The slope over an interval of values; it is largest at the middle of its range, which is
    from `lowest` to 1. Values beyond that by more than `most` - 1 are not counted.
    """
    middle = (lowest + 1.0) / 2
    low, high = np.maximum(interval.low, lowest + 1.0 - most), np.minimum(interval.high, most)
    nearest = np.clip(middle, np.minimum(low, high), np.maximum(low, high))
    value = of(interval.expected)
    least = np.minimum(of(low), of(high))
    bound = np.maximum(value - least, of(nearest) - value)
    return Bounded(value, bound + roundings)


def _relu_slope(a: Interval, seen: Array | None) -> Bounded:
    """1 where the value is positive; either where rounding decides the sign of its argument, or
    lets a positive value vanish. NaN is on neither side.
    """
    either = (a.low <= 0) & (a.high >= 0)
    values = a.expected
    if seen is not None:
        values = seen.astype(np.float64)
        either = either | ((values == 0) & (a.high > 0))
    slope = np.where(np.isnan(values), np.nan, values > 0)
    return Bounded(slope, either.astype(np.float64))


def adjoints(
    tape: Tape,
    step: int,
    given: Mapping[str, Bounded],
    rounding: BoundedArithmetic,
    terms: Mapping[int, int],
    *,
    absolute: bool = False,
) -> tuple[dict[str, Bounded], dict[str, Bounded]]:
    """One step backwards.

    Args:
        given: adjoints of the states after the step, (B, H).
        terms: of how many terms each adjoint is the sum (`Tape.terms`).
        absolute: with the magnitudes of all factors, for sums of the magnitudes of all terms.

    Returns:
        The adjoints of the states before the step, by name; and those of the linear nodes by
        kind of parameter, (B, G H), gate by gate.
    """
    found: dict[int, Bounded] = {}

    def push(node: Node, adjoint: Bounded) -> None:
        at = id(node)
        found[at] = rounding.plus(found[at], adjoint, terms[at]) if at in found else adjoint

    def through(matrix: Float64Array, delta: Bounded, node: Node) -> None:
        weight = np.abs(matrix) if absolute else matrix
        push(node, rounding.times(delta, weight, terms[id(node)] - len(matrix)))

    for name, node in tape.after.items():
        push(node, given[name])
    for node in reversed(tape.nodes):
        if node.block is not None:
            if not node.operands[0].leaf:
                through(node.block.weight, found[id(node)], node.operands[0])
            continue
        for operand, factor in zip(node.operands, node.factors, strict=True):
            others = terms[id(operand)] - 1
            if factor is None:
                push(operand, rounding.term(found[id(node)], others))
                continue
            here = abs(factor[step]) if absolute else factor[step]
            push(operand, rounding.product(here, found[id(node)], others))
    handed = {}
    for name in tape.after:
        leaf = tape.before[name]
        if readers := tape.readers(name):
            through(tape.weight(name), concatenated([found[id(n)] for n in readers]), leaf)
        handed[name] = found.get(id(leaf), Bounded.zeros(given[name].value.shape))
    deltas = {
        kind: concatenated([found[id(node)] for node in nodes])
        for kind, nodes in tape.linear.items()
    }
    return handed, deltas
