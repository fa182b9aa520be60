"""States that no output shows, followed through the steps as intervals.

Of an LSTM only h_t is in the output. c_t is followed from c_0 on: the step of the equation is taken
from the implementation's own h and from the interval that c_(t-1) lies in, so that errors of h do
not accumulate, and those of c are what the recurrence c' = f c + i g makes of them.

Whatever does not depend on such a state (all matrix products, and the gates) is computed for all
steps at once; the rest step by step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from reference.arithmetic import Block, Parameters
from reference.arrays import Array, BoolArray
from reference.cells import Cell
from reference.intervals import Interval, Rounded, Value

__all__ = ["tracked"]


def tracked(
    cell: Cell,
    rounded: Rounded,
    parameters: Parameters,
    x: Interval,
    seen: Mapping[str, Interval],
    start: Mapping[str, Interval],
    valid: BoolArray,
    reverse: bool,
) -> dict[str, Interval]:
    """The interval of each state of `start` before every step, (T, B, n), 0 in the padding.

    Args:
        rounded: what is forgiven is forgiven here; its arguments are left as they are.
        x: (T, B, inputs).
        seen: the states before each step that were seen, (T, B, n).
        start: of the others the one before the first step, (B, n).
        valid: (T, B).
    """
    if not start:
        return {}
    steps = _Steps(rounded)
    leaves = {name: steps.leaf(name) for name in start}
    given = {name: steps.whole(one) for name, one in seen.items()}
    after = cell.equation(steps, parameters, steps.whole(x), {**given, **leaves})
    wanted = [after[name] for name in start]
    states, before = dict(start), {name: list[Interval]() for name in start}
    order = range(len(valid))
    for t in reversed(order) if reverse else order:
        keep = valid[t][:, None]
        for name, state in states.items():
            before[name].append(_where(keep, state, None))
        found = steps.at(t, wanted, states)
        for name, value in zip(start, found, strict=True):
            states[name] = _where(keep, rounded.close(value), states[name])
    return {name: _stacked(each[:: -1 if reverse else 1]) for name, each in before.items()}


@dataclass(eq=False)
class _Node:
    """A value of all steps at once (`whole`), a state (`leaf`), or an operation still to do."""

    whole: Value | None = None
    leaf: str = ""
    apply: Callable[..., Value] | None = None
    operands: tuple[_Node, ...] = ()


class _Steps:
    """The arithmetic that puts off what depends on a state that is not known yet."""

    def __init__(self, rounded: Rounded) -> None:
        self.rounded = copy.copy(rounded)
        self.rounded.arguments = []

    def whole(self, value: Interval) -> _Node:
        return _Node(whole=value)

    def leaf(self, name: str) -> _Node:
        return _Node(leaf=name)

    def linear(self, block: Block, value: _Node) -> _Node:
        return self._node(lambda v: self.rounded.linear(block, v), value)

    def add(self, *terms: _Node) -> _Node:
        return self._node(self.rounded.add, *terms)

    def multiply(self, one: _Node, other: _Node) -> _Node:
        return self._node(self.rounded.multiply, one, other)

    def complement(self, value: _Node) -> _Node:
        return self._node(self.rounded.complement, value)

    def blend(self, weight: _Node, one: _Node, other: _Node) -> _Node:
        return self._node(self.rounded.blend, weight, one, other)

    def activation(self, name: str, value: _Node) -> _Node:
        return self._node(lambda v: self.rounded.activation(name, v), value)

    def _node(self, apply: Callable[..., Value], *operands: _Node) -> _Node:
        node = _Node(apply=apply, operands=operands)
        if all(one.whole is not None for one in operands):
            node.whole = apply(*(one.whole for one in operands))
        return node

    def at(self, t: int, wanted: Iterable[_Node], states: Mapping[str, Interval]) -> list[Value]:
        """The wanted values of step t, (B, n)."""
        found: dict[int, Value] = {}

        def value(node: _Node) -> Value:
            if id(node) not in found:
                if node.leaf:
                    found[id(node)] = states[node.leaf]
                elif node.whole is not None:
                    found[id(node)] = _step(node.whole, t)
                else:
                    assert node.apply is not None
                    found[id(node)] = node.apply(*map(value, node.operands))
            return found[id(node)]

        return [value(node) for node in wanted]


def _step(value: Value, t: int) -> Value:
    """One step of what is (T, B, n); what is the same in all steps stays."""

    def of(array: Any) -> Any:
        return array[t] if isinstance(array, np.ndarray) and array.ndim == 3 else array

    return replace(value, **{one.name: of(getattr(value, one.name)) for one in fields(value)})


def _ends(value: Interval) -> tuple[Array, Array, Array, Array]:
    bounded = np.broadcast_to(value.bounded, value.expected.shape)
    return value.low, value.expected, value.high, bounded


def _where(keep: BoolArray, one: Interval, other: Interval | None) -> Interval:
    """Elementwise; the other is 0 if None."""
    if keep.all():
        return one
    if other is None:
        zero = np.zeros_like(one.expected)
        other = Interval(zero, zero, zero)
    low, expected, high, bounded = (
        np.where(keep, a, b) for a, b in zip(_ends(one), _ends(other), strict=True)
    )
    return Interval(low, expected, high, bounded)


def _stacked(steps: list[Interval]) -> Interval:
    low, expected, high, bounded = (np.stack(ends) for ends in zip(*map(_ends, steps), strict=True))
    return Interval(low, expected, high, bounded)
