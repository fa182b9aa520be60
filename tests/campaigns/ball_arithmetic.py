"""The Elman RNN in ball arithmetic: what the equation's value is, proven.

    h_t = act(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh),   act = tanh or relu

Written from the documentation of torch.nn.RNN and torch.nn.utils.rnn.pack_padded_sequence, apart
from `reference`, which this is evidence about. A row of the batch is a sequence of its own length,
so nothing is masked.

A ball is a midpoint and a radius that encloses every rounding (Arb: F. Johansson, IEEE
Transactions on Computers 66, 2017; here through python-flint). Inputs are binary floating-point
numbers, which are balls of radius 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat, ctx

from reference.arrays import Array, IntArray

PRECISION = 256
"""Bits of a midpoint. Twice the 128 that would do: recurrences amplify radii, too."""

ctx.prec = PRECISION

ZERO, ONE = arb(0), arb(1)


@dataclass(frozen=True)
class Equation:
    """A stack of layers by torch's parameter names; weights may be of any floating type."""

    weights: Mapping[str, Array]
    num_layers: int
    nonlinearity: str
    bias: bool
    bidirectional: bool

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the directions of a layer."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def hidden_size(self) -> int:
        return int(self.weights["weight_hh_l0"].shape[0])


@dataclass(frozen=True)
class Direction:
    """One direction of one layer; b is b_ih + b_hh, a column."""

    w_ih: arb_mat
    w_hh: arb_mat
    b: arb_mat


def exact_balls(array: Array) -> list[arb]:
    """The numbers of an array, flat, as balls of radius 0 (or NaN, or infinite)."""
    return [arb(float(v)) for v in array.ravel()]


def states(
    equation: Equation, x: Array, h_0: Array | None, lengths: IntArray | None
) -> tuple[list[Array], Array]:
    """The states of every layer, and the last ones.

    Args:
        x: (T, B, input_size), time first; what lies after a row's length is never read.
        h_0: (num_layers * D, B, H), D = 2 if bidirectional, or None for zeros.
        lengths: (B,), or None for T throughout.

    Returns:
        For each layer an object array (T, B, D * H) of balls, 0 in the padding; h_n as h_0.
    """
    steps, batch = x.shape[:2]
    sides, hidden = len(equation.suffixes), equation.hidden_size
    outputs = [zeros(steps, batch, sides * hidden) for _ in range(equation.num_layers)]
    h_n = zeros(equation.num_layers * sides, batch, hidden)
    layers = directions_of(equation)
    for row in range(batch):
        length = steps if lengths is None else int(lengths[row])
        below = [column(x[t, row]) for t in range(length)]
        for layer, directions in enumerate(layers):
            sequences = []
            for side, direction in enumerate(directions):
                index = layer * sides + side
                start = column(np.zeros(hidden) if h_0 is None else h_0[index, row])
                sequence, last = _run(equation, direction, below, start, side == 1)
                h_n[index, row] = last.entries()
                sequences.append(sequence)
            below = [joined([s[t] for s in sequences]) for t in range(length)]
            for t in range(length):
                outputs[layer][t, row] = below[t].entries()
    return outputs, h_n


def _run(
    equation: Equation, direction: Direction, below: list[arb_mat], h: arb_mat, reverse: bool
) -> tuple[list[arb_mat], arb_mat]:
    """One direction over one row: its states in time order, and the one reached last."""
    found: dict[int, arb_mat] = {}
    for t in order_of(len(below), reverse):
        a = direction.w_ih * below[t] + direction.w_hh * h + direction.b
        h = arb_mat(a.nrows(), 1, [activation(equation.nonlinearity, v) for v in a.entries()])
        found[t] = h
    return [found[t] for t in range(len(below))], h


@dataclass(frozen=True)
class Step:
    """One step of one row, from given states: a, and the sums of magnitudes m of its terms.

    `stored` sums the magnitudes of the weights of terms that are states; `terms` is the largest
    number of terms of a sum, those left out whose weight is 0 throughout.
    """

    layer: int
    side: int
    t: int
    row: int
    a: list[arb]
    m: list[arb]
    stored: list[arb]
    terms: int


def steps_from(
    equation: Equation,
    x: Array,
    h_0: Array | None,
    lengths: IntArray | None,
    own: Sequence[Array],
) -> Iterator[Step]:
    """Every step evaluated from an evaluation's own states: (T, B, D * H) for each layer.

    Balls of operands that are not finite are not finite.
    """
    sides, hidden = len(equation.suffixes), equation.hidden_size
    for layer, directions in enumerate(directions_of(equation)):
        for side, direction in enumerate(directions):
            names = parameter_names(equation)[layer][side]
            w_ih, w_hh = _absolute(direction.w_ih), _absolute(direction.w_hh)
            b = arb_mat(hidden, 1)
            for name in names[2:]:
                b += _absolute(column(equation.weights[name]))
            ones = (arb_mat(w.ncols(), 1, [ONE] * w.ncols()) for w in (w_ih, w_hh))
            of_input, of_state = (w * one for w, one in zip((w_ih, w_hh), ones, strict=True))
            stored = (of_input + of_state if layer else of_state).entries()
            terms = sum(_terms(equation.weights[name]) for name in names)
            columns = slice(side * hidden, (side + 1) * hidden)
            for row in range(x.shape[1]):
                length = x.shape[0] if lengths is None else int(lengths[row])
                start = np.zeros(hidden) if h_0 is None else h_0[layer * sides + side, row]
                h = column(start)
                for t in order_of(length, side == 1):
                    u = column(x[t, row] if layer == 0 else own[layer - 1][t, row])
                    a = direction.w_ih * u + direction.w_hh * h + direction.b
                    m = w_ih * _absolute(u) + w_hh * _absolute(h) + b
                    yield Step(layer, side, t, row, a.entries(), m.entries(), stored, terms)
                    h = column(own[layer][t, row, columns])


def _terms(parameter: Array) -> int:
    """Terms that a parameter gives a sum: a product with 0 is 0, and adding it rounds nothing."""
    if parameter.ndim == 1:
        return int(parameter.any())
    return max(int(np.count_nonzero(row)) for row in parameter)


def undecided(nonlinearity: str, layers: Sequence[Array]) -> int:
    """States whose slope the balls do not decide: a relu whose ball holds 0 and more."""
    if nonlinearity != "relu":
        return 0
    return sum(not (h > 0) and not h.is_zero() for layer in layers for h in layer.ravel())


def activation(nonlinearity: str, a: arb) -> arb:
    if nonlinearity == "tanh":
        return a.tanh()
    if not a.is_finite() or a > 0:
        return a
    return ZERO if a <= 0 else a.upper().union(ZERO)


def order_of(length: int, reverse: bool) -> Iterator[int]:
    return reversed(range(length)) if reverse else iter(range(length))


def parameter_names(equation: Equation) -> list[list[tuple[str, ...]]]:
    """Parameter names by layer and direction."""
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if equation.bias else 2]
    return [
        [tuple(f"{kind}_l{layer}{suffix}" for kind in kinds) for suffix in equation.suffixes]
        for layer in range(equation.num_layers)
    ]


def directions_of(equation: Equation) -> list[list[Direction]]:
    def one(names: tuple[str, ...]) -> Direction:
        w_ih, w_hh, *biases = (equation.weights[name] for name in names)
        b = arb_mat(equation.hidden_size, 1)
        for bias in biases:
            b += column(bias)
        rows, inputs = w_ih.shape
        return Direction(
            arb_mat(rows, inputs, exact_balls(w_ih)), arb_mat(rows, rows, exact_balls(w_hh)), b
        )

    return [[one(names) for names in layer] for layer in parameter_names(equation)]


def _absolute(matrix: arb_mat) -> arb_mat:
    return arb_mat(matrix.nrows(), matrix.ncols(), [abs(v) for v in matrix.entries()])


def column(vector: Array) -> arb_mat:
    return arb_mat(len(vector), 1, exact_balls(vector))


def joined(parts: list[arb_mat]) -> arb_mat:
    """Matrices of one width on top of each other."""
    return (
        parts[0] if len(parts) == 1 else arb_mat([row for part in parts for row in part.tolist()])
    )


def zeros(*shape: int) -> Array:
    return np.full(shape, ZERO, object)
