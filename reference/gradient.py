"""Gradients by backpropagation through time, with their error bounds: the oracle.

Every step of a direction is recorded once (`reference.reverse`). Backwards, with cotangents g_t
of the outputs, the adjoint of the state after step t is

    s_t = g_t + (what the step after handed back),

which the step turns into the adjoints delta_t of its linear terms W_ih x_t and W_hh h_t, and into
what its states get by other ways. Then, with h_t the state before the step,

    dx_t = W_ih^T delta_t             (summed over both directions)
    dW_ih = sum delta_t x_t^T         dW_hh = sum delta_t h_t^T        (over steps and rows)
    db = sum delta_t                  dh_0 = what the first step hands back

Where dropout multiplies the input of a layer with a mask, dx is multiplied with it, too.

s at the last step takes the cotangent of the final state in place of what a later step hands back.
dx of a layer is the g of the layer below. Padding has no step: nothing comes from it or goes to it.
P. J. Werbos, "Backpropagation through time", Proc. IEEE 78 (1990).

A sum may be made in one go, of W_ih^T delta of the layer above and of what the step after hands
back, as a matrix product gives it that adds to what is there; so gamma counts the terms of both.
A gradient beyond its bound cannot come from these equations by rounding, at these states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference.arithmetic import Exact
from reference.arrays import Array, BoolArray, Float64Array
from reference.bounded import Bounded, BoundedArithmetic, concatenated, where
from reference.cells import Cell, parameter_name, parameters_of
from reference.formats import FORMATS, Format
from reference.layer import Sizes, scan, valid_steps
from reference.reverse import Node, Slopes, Tape, adjoints, record

__all__ = ["Gradients", "backpropagate", "gradients", "previous_states"]


@dataclass(frozen=True)
class Gradients:
    """Gradients with their bounds, and the adjoints that they are made of.

    `by_name` has `x` (T, B, I), time first, the initial states (`h_0`: (L * D, B, H)) and every
    parameter. `deltas` are the adjoints of the linear terms, by layer, direction and kind of
    parameter ("ih", "hh"), (T, B, gates * H); zero in the padding.
    """

    by_name: Mapping[str, Bounded]
    deltas: Sequence[Sequence[Mapping[str, Float64Array]]]


def previous_states(states: Array, start: Array, valid: BoolArray, reverse: bool) -> Array:
    """The state before each step: states (T, B, H) of one direction, start (B, H), valid (T, B).

    Where no step comes before, in the padding, it is 0.
    """
    previous = np.zeros_like(states)
    if reverse:
        previous[:-1] = states[1:]
        last = valid.sum(axis=0) - 1
        previous[last, np.arange(len(last))] = start
    else:
        previous[1:] = states[:-1]
        previous[0] = start
    return np.where(valid[:, :, None], previous, previous.dtype.type(0))


def backpropagate(
    tapes: Sequence[Sequence[Tape]],
    output_cotangent: Float64Array,
    final_cotangents: Mapping[str, Float64Array],
    *,
    bias: bool,
    valid: BoolArray,
    fmt: Format,
    masks: Mapping[int, Bounded] | None = None,
    flushed: bool = False,
    carried: bool = True,
    absolute: bool = False,
) -> Gradients:
    """Gradients from recorded forward passes, with the bound on what rounding in `fmt` may do.

    Args:
        tapes: by layer, then direction.
        output_cotangent: (T, B, D * H), time first.
        final_cotangents: by name of state, (L * D, B, H).
        valid: (T, B), which steps are not padding.
        masks: by layer, what its input was multiplied with, (T, B, D * H).
        flushed: let the bound allow for subnormal operands and results taken as 0.
        carried: whether a step gets what the later step hands back; without, a fault.
        absolute: sums of the magnitudes of all terms, in place of the gradients.
    """
    pass_ = _Backward(BoundedArithmetic(fmt, flushed), valid, carried, absolute)
    directions = len(tapes[0])
    hidden = output_cotangent.shape[2] // directions
    steps = valid[:, :, None]
    found: dict[str, Bounded] = {}
    deltas: list[Sequence[Mapping[str, Float64Array]]] = []
    ends = {name: _magnitudes(array, absolute) for name, array in final_cotangents.items()}
    starts: dict[str, list[Bounded]] = {
        name: [Bounded.zeros((0,))] * len(a) for name, a in ends.items()
    }
    exact = np.where(steps, output_cotangent, 0.0)
    into = Bounded.exact(np.abs(exact) if absolute else exact)
    above = 1  # Terms of g: a cotangent, or the deltas of all directions above.
    with np.errstate(all="ignore"):
        for layer in reversed(range(len(tapes))):
            of_inputs, matrices, here = [], [], []
            for direction, tape in enumerate(tapes[layer]):
                row = layer * directions + direction
                own = slice(direction * hidden, (direction + 1) * hidden)
                delta, start = pass_.through_time(
                    tape,
                    into[..., own],
                    {name: Bounded.exact(array[row]) for name, array in ends.items()},
                    direction == 1,
                    above,
                )
                for name, array in start.items():
                    starts[name][row] = array
                found |= pass_.parameters(tape, delta, layer, direction == 1, bias)
                of_inputs.append(pass_.of_input(tape, delta))
                matrices.append(_magnitudes(tape.weight("x"), absolute))
                here.append({kind: one.value for kind, one in delta.items()})
            deltas.append(here)
            above = sum(map(len, matrices))
            below = tapes[layer - 1][0] if layer else None
            others = below.carried(next(iter(below.after))) if below else 0
            into = pass_.rounding.times(concatenated(of_inputs), np.concatenate(matrices), others)
            if masks and layer in masks:
                into = pass_.rounding.product(masks[layer], into, others)
            into = where(steps, into, Bounded.zeros(into.value.shape))
    initial = {
        f"{name}_0": Bounded(np.stack([s.value for s in rows]), np.stack([s.bound for s in rows]))
        for name, rows in starts.items()
    }
    return Gradients({"x": into, **initial, **found}, deltas[::-1])


def _magnitudes(array: Float64Array, absolute: bool) -> Float64Array:
    return np.abs(array) if absolute else array


@dataclass(frozen=True)
class _Backward:
    """The backward pass of one direction of one layer at a time."""

    rounding: BoundedArithmetic
    valid: BoolArray
    carried: bool
    absolute: bool

    def through_time(
        self,
        tape: Tape,
        into: Bounded,
        ends: Mapping[str, Bounded],
        reverse: bool,
        above: int,
    ) -> tuple[dict[str, Bounded], dict[str, Bounded]]:
        """The deltas (T, B, G H) by kind, and the gradients of the initial states (B, H).

        `above` counts the terms of `into`.
        """
        steps, batch = self.valid.shape
        deltas = {
            kind: Bounded.zeros((steps, batch, len(matrix)))
            for kind, matrix in tape.matrices.items()
        }
        carry, start = dict(ends), dict(ends)
        order = range(steps)
        first = next(iter(tape.after))
        terms = tape.terms(above)
        for t in order if reverse else reversed(order):
            keep = self.valid[t][:, None]
            given = dict(carry)
            total = terms[id(tape.after[first])]
            given[first] = self.rounding.plus(into[t], carry[first], total)
            handed, found = adjoints(tape, t, given, self.rounding, terms, absolute=self.absolute)
            for kind, delta in found.items():
                deltas[kind].value[t] = np.where(keep, delta.value, 0.0)
                deltas[kind].bound[t] = np.where(keep, delta.bound, 0.0)
            for name, adjoint in handed.items():
                start[name] = where(keep, adjoint, start[name])
                passed = adjoint if self.carried else Bounded.zeros(adjoint.value.shape)
                carry[name] = where(keep, passed, carry[name])
        return deltas, start

    def of_input(self, tape: Tape, deltas: Mapping[str, Bounded]) -> Bounded:
        """The deltas of the linear terms that take x, as `Tape.weight` has their rows."""
        return concatenated([_rows_of(tape, deltas, node) for node in tape.readers("x")])

    def parameters(
        self, tape: Tape, deltas: Mapping[str, Bounded], layer: int, reverse: bool, bias: bool
    ) -> dict[str, Bounded]:
        """The gradients of one direction's arrays, by torch's names."""
        found = {}
        for kind, nodes in tape.linear.items():
            rows = []
            for node in nodes:
                (operand,) = node.factors
                assert operand is not None
                operand = abs(operand) if self.absolute else operand
                rows.append(self.rounding.outer(_rows_of(tape, deltas, node), operand))
            found[parameter_name(f"weight_{kind}", layer, reverse)] = concatenated(rows, axis=0)
            if bias and all(node.block and node.block.bias is not None for node in nodes):
                name = parameter_name(f"bias_{kind}", layer, reverse)
                found[name] = self.rounding.total(deltas[kind])
        return found


def _rows_of(tape: Tape, deltas: Mapping[str, Bounded], node: Node) -> Bounded:
    """The part of the deltas of a kind that is that of one linear node."""
    assert node.block is not None
    size, at = len(node.block.weight), tape.linear[node.block.kind].index(node)
    return deltas[node.block.kind][..., at * size : (at + 1) * size]


def gradients(
    cell: Cell,
    x: npt.ArrayLike,
    initial: Mapping[str, npt.ArrayLike | None],
    weights: Mapping[str, npt.ArrayLike],
    output_cotangent: npt.ArrayLike | None,
    final_cotangents: Mapping[str, npt.ArrayLike],
    *,
    num_layers: int = 1,
    bias: bool = True,
    bidirectional: bool = False,
    lengths: npt.ArrayLike | None = None,
    dropout_masks: Sequence[npt.ArrayLike] | None = None,
    arithmetic: Exact | None = None,
) -> dict[str, Float64Array]:
    """The exact gradients of sum(output * output_cotangent) + sum(h_n * h_n_cotangent) + ...

    Time first, float64; arguments as `reference.layer.evaluate` takes them. The derivative of relu
    at 0 is 0, as torch and MindSpore document theirs.

    Args:
        output_cotangent: (T, B, D * H); None where the loss does not depend on the output.
        final_cotangents: by name of state; of those left out it is 0.
        arithmetic: another reading in numbers; slopes are those of its activations' values.

    Returns:
        `x` (T, B, I), the initial states (`h_0`: (L * D, B, H)) whether given or not, every
        parameter by its name.
    """
    x = np.asarray(x, np.float64)
    steps, batch, _ = x.shape
    directions = 2 if bidirectional else 1
    exact = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    valid = valid_steps(lengths, steps, batch)
    inputs = np.where(valid[:, :, None], x, 0.0)
    shapes = Sizes.of(cell, exact).states(cell, num_layers * directions, batch)
    starts = {name: _full(initial.get(name), shape) for name, shape in shapes.items()}
    masks = {k: np.asarray(a, np.float64) for k, a in enumerate(dropout_masks or (), start=1)}
    tapes: list[list[Tape]] = []
    for layer in range(num_layers):
        sides, outputs = [], []
        for direction in range(directions):
            reverse = direction == 1
            parameters = parameters_of(cell, exact, layer, reverse, bias)
            start = {name: a[layer * directions + direction] for name, a in starts.items()}
            op = Exact() if arithmetic is None else arithmetic
            states, _ = scan(cell, op, parameters, inputs, start, valid, reverse)
            before = {n: previous_states(a, start[n], valid, reverse) for n, a in states.items()}
            slopes = Slopes(states, own=True) if arithmetic is None else Slopes()
            tape = record(
                cell,
                parameters,
                inputs,
                before,
                FORMATS["fp64"],
                slopes,
                arithmetic=arithmetic,
            )
            sides.append(tape)
            outputs.append(states[cell.states[0]])
        tapes.append(sides)
        inputs = np.concatenate(outputs, axis=2)
        if layer + 1 in masks:
            inputs = inputs * masks[layer + 1]
    found = backpropagate(
        tapes,
        _full(output_cotangent, inputs.shape),
        {name: _full(final_cotangents.get(name), shape) for name, shape in shapes.items()},
        bias=bias,
        valid=valid,
        fmt=FORMATS["fp64"],
        masks={layer: Bounded.exact(mask) for layer, mask in masks.items()},
    )
    return {name: gradient.value for name, gradient in found.by_name.items()}


def _full(states: npt.ArrayLike | None, shape: tuple[int, ...]) -> Float64Array:
    """Zeros where there is none."""
    found: Float64Array = np.zeros(shape)
    if states is not None:
        found[...] = np.asarray(states, np.float64)
    return found
