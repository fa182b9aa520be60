"""Recurrent layers in ball arithmetic: what an equation's value is, proven.

Written from the documentation of torch.nn.RNN, LSTM, GRU and of
torch.nn.utils.rnn.pack_padded_sequence, apart from `reference`, which this is evidence about. A row
of the batch is a sequence of its own length, so nothing is masked. Each equation stands here once,
and is read as balls, as ranges of what rounding may make of it (`ball_ranges`), backwards
(`ball_gradients`), and in a working precision (`correct_evaluations`).

A ball is a midpoint and a radius that encloses every rounding (Arb: F. Johansson, IEEE
Transactions on Computers 66, 2017; here through python-flint). Inputs are binary floating-point
numbers, which are balls of radius 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx

from reference.arrays import Array, IntArray

PRECISION = 256
"""Bits of a midpoint. Twice the 128 that would do: recurrences amplify radii, too."""

ctx.prec = PRECISION

ZERO, ONE = arb(0), arb(1)

Vector = list[arb]

States = dict[str, Any]
"""Of one direction of one layer, by name: h, and c of an LSTM."""


def _elman(nonlinearity: str) -> Callable[[Any, Direction, Any, States], States]:
    """h' = act(W_ih x + b_ih + W_hh h + b_hh)."""

    def step(op: Any, w: Direction, x: Any, s: States) -> States:
        a = op.add(op.linear(w["ih", 0], x), op.linear(w["hh", 0], s["h"]))
        return {"h": op.activation(nonlinearity, a)}

    return step


def _lstm(op: Any, w: Direction, x: Any, s: States) -> States:
    """Gates in the order i, f, g, o; c' = f c + i g; h' = o tanh(c'), or W_hr times that."""
    sums = [op.add(op.linear(w["ih", k], x), op.linear(w["hh", k], s["h"])) for k in range(4)]
    i, f, o = (op.activation("sigmoid", sums[k]) for k in (0, 1, 3))
    g = op.activation("tanh", sums[2])
    c = op.add(op.multiply(f, s["c"]), op.multiply(i, g))
    h = op.multiply(o, op.activation("tanh", c))
    return {"h": op.linear(w["hr", 0], h) if ("hr", 0) in w else h, "c": c}


def _gru(op: Any, w: Direction, x: Any, s: States) -> States:
    """Gates in the order r, z, n; n = tanh(W_in x + b_in + r (W_hn h + b_hn)),
    h' = (1 - z) n + z h.
    """
    r, z = (
        op.activation("sigmoid", op.add(op.linear(w["ih", k], x), op.linear(w["hh", k], s["h"])))
        for k in (0, 1)
    )
    reset = op.multiply(r, op.linear(w["hh", 2], s["h"]))
    n = op.activation("tanh", op.add(op.linear(w["ih", 2], x), reset))
    return {"h": op.blend(z, n, s["h"])}


STEPS = {"tanh": _elman("tanh"), "relu": _elman("relu"), "lstm": _lstm, "gru": _gru}
"""By cell: Elman's by its nonlinearity."""

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows from `first` on that one gate has in a weight, and in its bias if there is one."""

    name: str
    first: int
    weight: Array
    bias: Array | None

    @functools.cached_property
    def matrix(self) -> arb_mat:
        return _matrix(self.weight)

    @functools.cached_property
    def absolute(self) -> arb_mat:
        return _matrix(np.abs(self.weight))

    @functools.cached_property
    def transposed(self) -> arb_mat:
        return self.matrix.transpose()

    @functools.cached_property
    def offset(self) -> arb_mat:
        return column(np.zeros(len(self.weight)) if self.bias is None else self.bias)


Direction = Mapping[tuple[str, int], Rows]
"""The arrays of one direction of one layer, by kind (ih, hh, hr) and number of the gate."""


@dataclass(frozen=True)
class Equation:
    """A stack of layers by torch's parameter names; weights may be of any floating type."""

    weights: Mapping[str, Array]
    cell: str
    num_layers: int
    bias: bool
    bidirectional: bool

    @property
    def sides(self) -> int:
        """The directions of a layer."""
        return 1 + self.bidirectional

    @property
    def units(self) -> dict[str, int]:
        """How many each state has, the output's state first."""
        hidden = self.weights["weight_hh_l0"].shape[0] // GATES[self.cell]
        outputs = int(self.weights["weight_hh_l0"].shape[1])
        return {"h": outputs, "c": hidden} if self.cell == "lstm" else {"h": outputs}

    @functools.cached_property
    def directions(self) -> list[list[Direction]]:
        """By layer and side."""
        return [
            [self._direction(f"_l{layer}" + "_reverse" * side) for side in range(self.sides)]
            for layer in range(self.num_layers)
        ]

    def step(self, op: Any, direction: Direction, x: Any, before: States) -> States:
        """The states after a step, as the reading `op` has them."""
        return STEPS[self.cell](op, direction, x, before)

    def _direction(self, suffix: str) -> Direction:
        found = {}
        for kind in ("ih", "hh", "hr"):
            weight = self.weights.get(f"weight_{kind}{suffix}")
            if weight is None:
                continue
            bias = self.weights.get(f"bias_{kind}{suffix}")
            gates = GATES[self.cell] if kind != "hr" else 1
            size = len(weight) // gates
            for k in range(gates):
                own = slice(k * size, (k + 1) * size)
                part = None if bias is None else bias[own]
                found[kind, k] = Rows(f"{kind}{suffix}", k * size, weight[own], part)
        return found


class Balls:
    """The reading in balls; a value is a vector of them."""

    def leaf(self, name: str, place: tuple[int, int], numbers: Array) -> Vector:
        """Numbers that are known: of an input, by its name, at (step or direction, row)."""
        return exact_balls(numbers)

    def linear(self, rows: Rows, v: Vector) -> Vector:
        return entries(rows.matrix * arb_mat(len(v), 1, v) + rows.offset)

    def add(self, *terms: Vector) -> Vector:
        return [sum(values, ZERO) for values in zip(*terms, strict=True)]

    def multiply(self, one: Vector, other: Vector) -> Vector:
        return [a * b for a, b in zip(one, other, strict=True)]

    def blend(self, z: Vector, n: Vector, h: Vector) -> Vector:
        """(1 - z) n + z h."""
        return [(1 - a) * b + a * c for a, b, c in zip(z, n, h, strict=True)]

    def activation(self, name: str, a: Vector) -> Vector:
        return [activation(name, v) for v in a]

    def join(self, parts: Sequence[Vector]) -> Vector:
        return [v for part in parts for v in part]


@dataclass(frozen=True)
class Step:
    """One step of one row: the states after it, as a reading has them; whether it is the last."""

    layer: int
    side: int
    t: int
    row: int
    after: States
    last: bool


def walk(
    equation: Equation,
    op: Any,
    x: Array,
    initial: Mapping[str, Array],
    lengths: IntArray | None,
    own: Mapping[str, Sequence[Array]] | None = None,
) -> Iterator[Step]:
    """Every step of a stack, as a reading has it.

    Args:
        x: (T, B, input_size), time first; what lies after a row's length is never read.
        initial: by name of state (num_layers * D, B, n), D = 2 if bidirectional; zeros if absent.
        lengths: (B,), or None for T throughout.
        own: states as an evaluation left them, for each layer (T, B, D * n), from which every step
            is evaluated in place of those of the step before; `op.seen` takes them.
    """
    own = own or {}
    for row in range(x.shape[1]):
        length = len(x) if lengths is None else int(lengths[row])
        below = [op.leaf("x", (t, row), x[t, row]) for t in range(length)]
        for layer, directions in enumerate(equation.directions):
            outputs = []
            for side, direction in enumerate(directions):
                index, found = layer * equation.sides + side, {}
                states = {
                    name: op.leaf(
                        f"{name}_0",
                        (index, row),
                        initial[name][index, row] if name in initial else np.zeros(n),
                    )
                    for name, n in equation.units.items()
                }
                order = range(length)[:: -1 if side else 1]
                for t in order:
                    states = equation.step(op, direction, below[t], states)
                    yield Step(layer, side, t, row, states, t == order[-1])
                    for name, arrays in own.items():
                        n = equation.units[name]
                        numbers = arrays[layer][t, row, side * n : (side + 1) * n]
                        states = {**states, name: op.seen(states[name], numbers)}
                    found[t] = states["h"]
                outputs.append(found)
            below = [op.join([found[t] for found in outputs]) for t in range(length)]


def states(
    equation: Equation, x: Array, initial: Mapping[str, Array], lengths: IntArray | None
) -> tuple[list[Array], dict[str, Array]]:
    """The outputs of every layer, (T, B, D * H), 0 in the padding, and the last states, as the
    initial ones, by name; object arrays of balls.
    """
    units, rows = equation.units, equation.num_layers * equation.sides
    last = {name: zeros(rows, x.shape[1], n) for name, n in units.items()}
    for name, array in initial.items():
        last[name] = exact_array(array)
    outputs = [zeros(*x.shape[:2], equation.sides * units["h"]) for _ in equation.directions]
    for step in walk(equation, Balls(), x, initial, lengths):
        own = slice(step.side * units["h"], (step.side + 1) * units["h"])
        outputs[step.layer][step.t, step.row, own] = step.after["h"]
        for name, value in step.after.items():
            last[name][step.layer * equation.sides + step.side, step.row] = value
    return outputs, last


def undecided(cell: str, layers: Sequence[Array]) -> int:
    """States whose slope the balls do not decide: a relu whose ball holds 0 and more."""
    if cell != "relu":
        return 0
    return sum(not (h > 0) and not h.is_zero() for layer in layers for h in layer.ravel())


def activation(name: str, a: arb) -> arb:
    if name == "tanh":
        return a.tanh()
    if name == "sigmoid":
        e = (-abs(a)).exp()  # of -|a|, which does not overflow
        return e / (1 + e) if a < 0 else 1 / (1 + e) if a >= 0 else 1 / (1 + (-a).exp())
    if not a.is_finite() or a > 0:
        return a
    return ZERO if a <= 0 else a.upper().union(ZERO)


def exact_balls(array: Array) -> Vector:
    """The numbers of an array, flat, as balls of radius 0 (or NaN, or infinite); or its balls."""
    return [v if isinstance(v, arb) else arb(float(v)) for v in array.ravel()]


def exact_array(array: Array) -> Array:
    """The same, of the array's shape."""
    values = np.empty(array.shape, object)
    values.ravel()[:] = exact_balls(array)
    return values


def _matrix(array: Array) -> arb_mat:
    rows, columns = array.shape
    return arb_mat(rows, columns, exact_balls(array))


def column(vector: Array) -> arb_mat:
    return arb_mat(len(vector), 1, exact_balls(vector))


def entries(matrix: arb_mat) -> Vector:
    found: Vector = matrix.entries()
    return found


def zeros(*shape: int) -> Array:
    return np.full(shape, ZERO, object)
