"""Gradients of recurrent layers in ball arithmetic: every operation hands its adjoint back.

The reference goes backwards, too, but shares no code with this; `tests/test_enclosure.py` holds
this against difference quotients of `ball_arithmetic`, which go forwards. A. Griewank and
A. Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from reference.arrays import Array, IntArray
from tests.campaigns.ball_arithmetic import (
    ONE,
    ZERO,
    Balls,
    Equation,
    Rows,
    Vector,
    entries,
    exact_balls,
    walk,
    zeros,
)


@dataclass(eq=False)
class Node:
    """A value, its adjoint, and what hands that on to the operands."""

    value: Vector
    adjoint: Vector
    back: Callable[[Node], None]

    def take(self, adjoint: Vector) -> None:
        self.adjoint = [a + b for a, b in zip(self.adjoint, adjoint, strict=True)]


class Recorded:
    """The reading that leaves a node for each operation.

    Attributes:
        leaves: the nodes of inputs by name and place.
        of_rows: the gradients of the rows of weights and biases, by identity.
    """

    def __init__(self) -> None:
        self.balls = Balls()
        self.nodes: list[Node] = []
        self.leaves: dict[tuple[str, tuple[int, int]], Node] = {}
        self.of_rows: dict[Rows, tuple[arb_mat, arb_mat]] = {}

    def backwards(self) -> None:
        """From the adjoints that were put in to those of all leaves and rows."""
        for node in reversed(self.nodes):
            node.back(node)

    def leaf(self, name: str, place: tuple[int, int], numbers: Array) -> Node:
        node = self._node(exact_balls(numbers), lambda _: None)
        self.leaves[name, place] = node
        return node

    def seen(self, node: Node, numbers: Array) -> Node:
        """A state in place of what it was found to be; its slope is taken there, too."""
        node.value = exact_balls(numbers)
        return node

    def join(self, parts: Sequence[Node]) -> Node:
        def back(node: Node) -> None:
            start = 0
            for part in parts:
                part.take(node.adjoint[start : start + len(part.value)])
                start += len(part.value)

        return self._node(self.balls.join([part.value for part in parts]), back)

    def linear(self, rows: Rows, v: Node) -> Node:
        value, n = v.value, len(rows.weight)
        if rows not in self.of_rows:
            self.of_rows[rows] = arb_mat(n, len(value)), arb_mat(n, 1)

        def back(node: Node) -> None:
            delta = arb_mat(n, 1, node.adjoint)
            weight, bias = self.of_rows[rows]
            self.of_rows[rows] = weight + delta * arb_mat(1, len(value), value), bias + delta
            v.take(entries(rows.transposed * delta))

        return self._node(self.balls.linear(rows, value), back)

    def add(self, *terms: Node) -> Node:
        def back(node: Node) -> None:
            for term in terms:
                term.take(node.adjoint)

        return self._node(self.balls.add(*(term.value for term in terms)), back)

    def multiply(self, one: Node, other: Node) -> Node:
        a, b = one.value, other.value

        def back(node: Node) -> None:
            one.take(self.balls.multiply(node.adjoint, b))
            other.take(self.balls.multiply(node.adjoint, a))

        return self._node(self.balls.multiply(a, b), back)

    def blend(self, weight: Node, one: Node, other: Node) -> Node:
        z, n, h = weight.value, one.value, other.value

        def back(node: Node) -> None:
            weight.take([p * (c - b) for p, b, c in zip(node.adjoint, n, h, strict=True)])
            one.take([p * (1 - a) for p, a in zip(node.adjoint, z, strict=True)])
            other.take(self.balls.multiply(node.adjoint, z))

        return self._node(self.balls.blend(z, n, h), back)

    def activation(self, name: str, a: Node) -> Node:
        def back(node: Node) -> None:
            a.take([p * _slope(name, y) for p, y in zip(node.adjoint, node.value, strict=True)])

        return self._node(self.balls.activation(name, a.value), back)

    def _node(self, value: Vector, back: Callable[[Node], None]) -> Node:
        node = Node(value, [ZERO] * len(value), back)
        self.nodes.append(node)
        return node


def gradients(
    equation: Equation,
    x: Array,
    initial: Mapping[str, Array],
    lengths: IntArray | None,
    cotangents: Mapping[str, Array],
    own: Mapping[str, Sequence[Array]] | None = None,
) -> dict[str, Array]:
    """Gradients of the sum of outputs times cotangents, by name: `output`, `h_n`, `c_n`.

    Other arguments as of `walk`; cotangents have the shapes of outputs, and those of the padding
    count nothing. relu has derivative 0 at 0.

    Args:
        own: states at which the derivatives are taken, as an evaluation left them: every step's
            own are the exact ones of its inputs and previous states, but those of an activation
            that is a state are taken at that state. The exact states if None.

    Returns:
        Object arrays of balls: `x` (T, B, input_size), the initial states (L * D, B, n) whether
        given or not, and every parameter by its name.
    """
    op, units = Recorded(), equation.units
    ends: dict[tuple[str, int, int], Node] = {}
    for step in walk(equation, op, x, initial, lengths, own):
        if step.layer == equation.num_layers - 1:
            n = units["h"]
            part = cotangents["output"][step.t, step.row, step.side * n : (step.side + 1) * n]
            step.after["h"].take(exact_balls(part))
        if step.last:
            for name, node in step.after.items():
                ends[name, step.layer * equation.sides + step.side, step.row] = node
    found = {"x": zeros(*x.shape)}
    for name, n in units.items():
        found[f"{name}_0"] = zeros(equation.num_layers * equation.sides, x.shape[1], n)
        for index, row in np.ndindex(found[f"{name}_0"].shape[:2]):
            end = ends.get((name, index, row), op.leaves[f"{name}_0", (index, row)])
            end.take(exact_balls(cotangents[f"{name}_n"][index, row]))
    op.backwards()
    for (name, place), node in op.leaves.items():
        found[name][place] = node.adjoint
    return found | _of_parameters(equation, op)


def _of_parameters(equation: Equation, op: Recorded) -> dict[str, Array]:
    found = {name: zeros(*array.shape) for name, array in equation.weights.items()}
    for rows, (weight, bias) in op.of_rows.items():
        own = slice(rows.first, rows.first + len(rows.weight))
        found[f"weight_{rows.name}"][own] = np.array(weight.tolist(), object)
        if rows.bias is not None:
            found[f"bias_{rows.name}"][own] = entries(bias)
    return found


def _slope(name: str, y: arb) -> arb:
    if name == "tanh":
        return 1 - y * y
    if name == "sigmoid":
        return y * (1 - y)
    if y.is_nan() or y > 0:
        return y if y.is_nan() else ONE
    return ZERO if y <= 0 else ONE.union(ZERO)
