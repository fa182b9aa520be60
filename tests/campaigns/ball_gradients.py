"""Gradients of the Elman RNN in ball arithmetic, accumulated forwards.

S_t, the sensitivities of a state to every variable (parameters, x, h_0), follow from those of the
state before and of the layer below (real-time recurrent learning: R. J. Williams and D. Zipser,
"A learning algorithm for continually running fully recurrent neural networks", Neural Computation
1, 1989):

    S_t = act'(a_t) o (W_ih U_t + W_hh S_(t-1) + d a_t / d variables),   dL/dz = sum_t g_t^T S_t

The reference goes backwards; the two share neither code nor method.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb, arb_mat

from reference.arrays import Array, IntArray
from tests.campaigns.ball_arithmetic import (
    Direction,
    Equation,
    directions_of,
    exact_balls,
    joined,
    order_of,
    parameter_names,
    states,
    zeros,
)


def gradients(
    equation: Equation,
    x: Array,
    h_0: Array | None,
    lengths: IntArray | None,
    output_cotangent: Array,
    h_n_cotangent: Array,
    own: Sequence[Array] | None = None,
) -> dict[str, Array]:
    """Gradients of sum(output * output_cotangent) + sum(h_n * h_n_cotangent).

    Arguments as of `states`; cotangents have the shapes of output and h_n, and those of the
    padding count nothing. relu has derivative 0 at 0.

    Args:
        own: for each layer states (T, B, D * H) at which the derivatives are taken, as an
            evaluation left them: its inputs, previous states, and act' = 1 - h^2, or whether
            h > 0. The exact states if None.

    Returns:
        Object arrays of balls: `x` (T, B, input_size), `h_0` (L * D, B, H) whether given or not,
        and every parameter by its name.
    """
    at = states(equation, x, h_0, lengths)[0] if own is None else [_exact(s) for s in own]
    steps, batch, width = x.shape
    sides, hidden = len(equation.suffixes), equation.hidden_size
    found = {"x": zeros(steps, batch, width)}
    found["h_0"] = zeros(equation.num_layers * sides, batch, hidden)
    names = [name for layer in parameter_names(equation) for names in layer for name in names]
    parameters = sum(equation.weights[name].size for name in names)
    total = arb_mat(1, parameters)
    for row in range(batch):
        length = steps if lengths is None else int(lengths[row])
        tangents = _Row(equation, length, width, parameters)
        start = None if h_0 is None else h_0[:, row]
        sequences = [[layer[t, row] for t in range(length)] for layer in at]
        below = [exact_balls(x[t, row]) for t in range(length)]
        of_output, of_h_n = tangents.run(below, start, sequences)
        row_gradient = arb_mat(1, tangents.variables)
        for t in range(length):
            row_gradient += (
                arb_mat(1, sides * hidden, exact_balls(output_cotangent[t, row])) * of_output[t]
            )
        for index, sensitivity in enumerate(of_h_n):
            row_gradient += arb_mat(1, hidden, exact_balls(h_n_cotangent[index, row])) * sensitivity
        flat = row_gradient.entries()
        total += arb_mat(1, parameters, flat[:parameters])
        rest = np.array([*flat[parameters:], None], object)[:-1]
        found["x"][:length, row] = rest[: length * width].reshape(length, width)
        found["h_0"][:, row] = rest[length * width :].reshape(-1, hidden)
    flat, at_name = total.entries(), 0
    for name in names:
        shape = equation.weights[name].shape
        values = np.array([*flat[at_name : at_name + equation.weights[name].size], None], object)
        found[name] = values[:-1].reshape(shape)
        at_name += equation.weights[name].size
    return found


class _Row:
    """Sensitivities of the states of one row: d h / d (parameters, then x, then h_0)."""

    def __init__(self, equation: Equation, length: int, width: int, parameters: int) -> None:
        self.equation, self.length, self.width = equation, length, width
        self.sides, self.hidden = len(equation.suffixes), equation.hidden_size
        self.of_x = parameters
        self.of_h_0 = parameters + length * width
        self.variables = self.of_h_0 + equation.num_layers * self.sides * self.hidden
        self.place: dict[str, int] = {}
        place = 0
        for layer in parameter_names(equation):
            for names in layer:
                for name in names:
                    self.place[name] = place
                    place += equation.weights[name].size

    def run(
        self, below: list[list[arb]], h_0: Array | None, sequences: list[list[list[arb]]]
    ) -> tuple[list[arb_mat], list[arb_mat]]:
        """Of the last layer's output, by step, and of h_n, by layer and direction."""
        sensitivity = []
        for t in range(self.length):
            matrix = arb_mat(self.width, self.variables)
            for i in range(self.width):
                matrix[i, self.of_x + t * self.width + i] = arb(1)
            sensitivity.append(matrix)
        of_h_n = []
        layers = directions_of(self.equation)
        for layer, sequence in enumerate(sequences):
            sides = []
            for side in range(self.sides):
                index = layer * self.sides + side
                own = [s[side * self.hidden : (side + 1) * self.hidden] for s in sequence]
                start = [arb(0)] * self.hidden if h_0 is None else exact_balls(h_0[index])
                names = parameter_names(self.equation)[layer][side]
                by_step, last = self._direction(
                    layers[layer][side], names, index, below, sensitivity, start, own
                )
                sides.append(by_step)
                of_h_n.append(last)
            sensitivity = [joined([side[t] for side in sides]) for t in range(self.length)]
            below = sequence
        return sensitivity, of_h_n

    def _direction(
        self,
        direction: Direction,
        names: tuple[str, ...],
        index: int,
        below: list[list[arb]],
        of_below: list[arb_mat],
        previous: list[arb],
        own: list[list[arb]],
    ) -> tuple[list[arb_mat], arb_mat]:
        """S_t = act'(a_t) o (W_ih U_t + W_hh S_(t-1) + d a_t / d variables themselves)."""
        hidden = self.hidden
        state = arb_mat(hidden, self.variables)
        for i in range(hidden):
            state[i, self.of_h_0 + index * hidden + i] = arb(1)
        found: dict[int, arb_mat] = {}
        for t in order_of(self.length, index % self.sides == 1):
            change = direction.w_ih * of_below[t] + direction.w_hh * state
            for name in names:
                place = self.place[name]
                factors = {"weight_ih": below[t], "weight_hh": previous}.get(name[:9], [arb(1)])
                for i in range(hidden):
                    for j, factor in enumerate(factors):
                        change[i, place + i * len(factors) + j] += factor
            slopes = arb_mat(hidden, hidden)
            for i, h in enumerate(own[t]):
                slopes[i, i] = _slope(self.equation.nonlinearity, h)
            state = slopes * change
            found[t] = state
            previous = own[t]
        return [found[t] for t in range(self.length)], state


def _slope(nonlinearity: str, h: arb) -> arb:
    if nonlinearity == "tanh":
        return 1 - h * h
    if h > 0:
        return arb(1)
    return arb(0) if h <= 0 else arb(1).union(arb(0))


def _exact(array: Array) -> Array:
    values = np.empty(array.shape, object)
    values.ravel()[:] = exact_balls(array)
    return values
