"""Gradients of the Elman RNN by backpropagation through time, with their error bounds: the oracle.

One direction of one layer is h_t = act(a_t), a_t = W_ih u_t + b_ih + W_hh h'_t + b_hh, where h'_t
is the state before step t in the direction's own order. With cotangents g_t of its outputs and
of its final state, and n(t) the step after t,

    s_t = g_t + W_hh^T delta_n(t),    delta_t = act'(a_t) o s_t

    dx_t = W_ih^T delta_t             (summed over both directions)
    dW_ih = sum delta_t u_t^T         dW_hh = sum delta_t h'_t^T       (over steps and rows)
    db_ih = db_hh = sum delta_t       dh_0 = W_hh^T delta_first

s at the last step takes the cotangent of the final state in place of W_hh^T delta. dx of a layer
is the g of the layer below. Padding has no step: nothing comes from it or goes to it.
P. J. Werbos, "Backpropagation through time", Proc. IEEE 78 (1990).

Error bounds. Every line above is a sum of products, so rounding in any order of evaluation moves
it by at most gamma_(n+1) times the sum of the terms' magnitudes (Higham, section 3.1; n terms, one
rounding more for stored operands), and errors of the operands enter with their factors: a running
error analysis (Higham, section 3.3). With eps_t the error of delta_t, e_t that of s_t and r_t that
of act',

    e_t = |W_hh|^T eps_n(t) + (error of g_t) + gamma (|g_t| + |W_hh|^T (|delta| + eps)_n(t)) + n eta
    eps_t = |act'| e_t + (r_t + u (|act'| + r_t)) (|s_t| + e_t) + eta

s_t may be a single sum, of W_ih^T delta of the layer above and of W_hh^T delta_n(t), as a matrix
product gives it that adds to what is there; so gamma counts the terms of both.

A gradient beyond its bound cannot come from these equations by rounding, at these states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reference.arrays import Array, BoolArray, Float64Array
from reference.rnn import layer_names, rnn
from reference.rounding import FORMATS, Format, gamma

__all__ = ["Bounded", "Tape", "backpropagate", "previous_states", "rnn_gradients"]


@dataclass(frozen=True)
class Bounded:
    """A value and how far legal rounding may carry a computed one from it; float64."""

    value: Float64Array
    bound: Float64Array

    def __add__(self, other: Bounded) -> Bounded:
        return Bounded(self.value + other.value, self.bound + other.bound)

    @property
    def magnitude(self) -> Float64Array:
        """The largest magnitude that a computed value may have."""
        magnitude: Float64Array = np.abs(self.value) + self.bound
        return magnitude


@dataclass(frozen=True)
class Tape:
    """What the forward pass of one direction of one layer leaves for the backward pass.

    All are float64 and time first: `inputs` (T, B, columns of W_ih), zero in the padding;
    `previous` (T, B, H), h'; `derivative` (T, B, H), act'(a), with its error.
    """

    inputs: Float64Array
    previous: Float64Array
    derivative: Bounded


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
    return previous


def backpropagate(
    tapes: Sequence[Sequence[Tape]],
    weights: Mapping[str, Array],
    output_cotangent: Float64Array,
    h_n_cotangent: Float64Array,
    *,
    bias: bool,
    valid: BoolArray,
    fmt: Format,
    flushed: bool = False,
) -> dict[str, Bounded]:
    """Gradients from given forward passes, with the bound on what rounding in `fmt` may do.

    Args:
        tapes: by layer, then direction.
        output_cotangent: (T, B, D * H), time first; h_n_cotangent: (L * D, B, H).
        valid: (T, B), which steps are not padding.
        flushed: let the bound allow for subnormal operands and results taken as 0.

    Returns:
        `x` (T, B, I), time first, `h_0` (L * D, B, H), and every parameter by its name.
    """
    rounding = _Rounding(fmt, flushed)
    found: dict[str, Bounded] = {}
    directions = len(tapes[0])
    hidden = output_cotangent.shape[2] // directions
    steps = valid[:, :, None]
    at_start: list[Bounded] = [Bounded(np.empty(0), np.empty(0))] * (len(tapes) * directions)
    exact = np.where(steps, output_cotangent, 0.0)
    into = Bounded(exact, np.zeros(exact.shape))
    with np.errstate(all="ignore"):
        for layer in reversed(range(len(tapes))):
            deltas, matrices = [], []
            # Terms of g: a cotangent, or the deltas of all directions above.
            terms = 1 if layer == len(tapes) - 1 else directions * hidden
            for direction, tape in enumerate(tapes[layer]):
                names = layer_names(layer, direction == 1, bias)
                w_ih, w_hh = (np.asarray(weights[name], np.float64) for name in names[:2])
                own = slice(direction * hidden, (direction + 1) * hidden)
                row = layer * directions + direction
                delta, at_start[row] = _through_time(
                    tape.derivative,
                    Bounded(into.value[..., own], into.bound[..., own]),
                    np.asarray(h_n_cotangent[row], np.float64),
                    w_hh,
                    valid,
                    direction == 1,
                    rounding,
                    terms,
                )
                found[names[0]] = rounding.outer(delta, tape.inputs)
                found[names[1]] = rounding.outer(delta, tape.previous)
                for name in names[2:]:
                    found[name] = rounding.total(delta)
                deltas.append(delta)
                matrices.append(w_ih)
            stacked = Bounded(
                np.concatenate([d.value for d in deltas], axis=2),
                np.concatenate([d.bound for d in deltas], axis=2),
            )
            into = rounding.times(stacked, np.concatenate(matrices), hidden if layer else 0)
            into = Bounded(np.where(steps, into.value, 0.0), np.where(steps, into.bound, 0.0))
    h_0 = Bounded(
        np.stack([s.value for s in at_start]),
        np.stack([s.bound for s in at_start]),
    )
    return {"x": into, "h_0": h_0, **found}


def _through_time(
    derivative: Bounded,
    into: Bounded,
    at_end: Float64Array,
    w_hh: Float64Array,
    valid: BoolArray,
    reverse: bool,
    rounding: _Rounding,
    terms: int,
) -> tuple[Bounded, Bounded]:
    """delta (T, B, H) of one direction, zero in the padding, and the gradient of its h_0 (B, H).

    `terms` counts those of `into`.
    """
    delta = Bounded(np.zeros(into.value.shape), np.zeros(into.value.shape))
    carry = Bounded(at_end, np.zeros(at_end.shape))
    order = range(len(valid))
    for t in order if reverse else reversed(order):
        keep = valid[t][:, None]
        above = Bounded(into.value[t], into.bound[t])
        s = rounding.plus(above, carry, terms + len(w_hh))
        here = rounding.product(Bounded(derivative.value[t], derivative.bound[t]), s)
        delta.value[t] = np.where(keep, here.value, 0.0)
        delta.bound[t] = np.where(keep, here.bound, 0.0)
        before = rounding.times(here, w_hh, terms)
        carry = Bounded(
            np.where(keep, before.value, carry.value), np.where(keep, before.bound, carry.bound)
        )
    return delta, carry


class _Rounding:
    """Sums and products with the bound on their rounding in a format, and in float64 here."""

    def __init__(self, fmt: Format, flushed: bool) -> None:
        oracle = FORMATS["fp64"]
        self.flushed = fmt.smallest_normal if flushed else 0.0
        self.units = (fmt.unit_roundoff, oracle.unit_roundoff)
        self.largest = fmt.largest
        self.eta = fmt.smallest_subnormal + oracle.smallest_subnormal

    def relative(self, roundings: int) -> float:
        return sum(gamma(roundings, unit) for unit in self.units)

    def reached(self, value: Float64Array, bound: Float64Array, terms: Float64Array) -> Bounded:
        """No bound where magnitudes of terms add up to overflow: partial sums may, too.

        Half the largest number is the limit, since two such sums may be added as one. What
        depends on such an element has an infinite bound, or none at all (NaN, from 0 times it).
        """
        return Bounded(value, np.where(2 * terms < self.largest, bound, np.inf))

    def plus(self, a: Bounded, b: Bounded, terms: int) -> Bounded:
        """One sum of that many terms; the bound of an operand that is a sum counts its own.

        An operand without a bound is exact, and one term, which may come first.
        """
        exact = np.abs(np.where(a.bound == 0, a.value, 0.0))
        exact = exact + np.abs(np.where(b.bound == 0, b.value, 0.0))
        bound = a.bound + b.bound + self.relative(terms) * exact + 3 * self.flushed
        return self.reached(a.value + b.value, bound, a.magnitude + b.magnitude)

    def product(self, a: Bounded, b: Bounded) -> Bounded:
        """Elementwise."""
        bound = np.abs(a.value) * b.bound + a.bound * b.magnitude
        bound = bound + self.relative(1) * a.magnitude * b.magnitude + self.eta
        bound = bound + self.flushed * (1 + a.magnitude + b.magnitude)
        return self.reached(a.value * b.value, bound, a.magnitude * b.magnitude)

    def times(self, a: Bounded, matrix: Float64Array, others: int) -> Bounded:
        """a (..., n) times an exact matrix (n, m), in a sum that has `others` terms besides."""
        terms, absolute = len(matrix) + others, np.abs(matrix)
        magnitude = a.magnitude @ absolute
        rounded = self.relative(terms + 1) * magnitude + terms * self.eta
        if self.flushed:
            operands = a.magnitude.sum(axis=-1, keepdims=True) + absolute.sum(axis=0)
            rounded = rounded + self.flushed * (2 * terms + operands)
        return self.reached(a.value @ matrix, a.bound @ absolute + rounded, magnitude)

    def outer(self, a: Bounded, b: Float64Array) -> Bounded:
        """Sum over steps and rows of a_i b_j, the b as stored: (n, m)."""
        terms = a.value.shape[0] * a.value.shape[1]
        absolute = np.abs(b)
        magnitude = _over(a.magnitude, absolute)
        rounded = self.relative(terms + 2) * magnitude + terms * self.eta
        # A state that is kept in a higher precision is stored to within half of eta.
        rounded = rounded + self.eta / 2 * a.magnitude.sum(axis=(0, 1))[:, None]
        if self.flushed:
            operands = a.magnitude.sum(axis=(0, 1))[:, None] + absolute.sum(axis=(0, 1))
            rounded = rounded + self.flushed * (2 * terms + operands)
        return self.reached(_over(a.value, b), _over(a.bound, absolute) + rounded, magnitude)

    def total(self, a: Bounded) -> Bounded:
        """Sum over steps and rows."""
        terms = a.value.shape[0] * a.value.shape[1]
        magnitude = a.magnitude.sum(axis=(0, 1))
        rounded = self.relative(terms) * magnitude + 2 * terms * self.flushed
        bound = a.bound.sum(axis=(0, 1)) + rounded
        return self.reached(a.value.sum(axis=(0, 1)), bound, magnitude)


def _over(a: Float64Array, b: Float64Array) -> Float64Array:
    """sum_tb a_tbi b_tbj."""
    product: Float64Array = a.reshape(-1, a.shape[2]).T @ b.reshape(-1, b.shape[2])
    return product


def rnn_gradients(
    x: npt.ArrayLike,
    h_0: npt.ArrayLike | None,
    weights: Mapping[str, npt.ArrayLike],
    output_cotangent: npt.ArrayLike,
    h_n_cotangent: npt.ArrayLike,
    *,
    num_layers: int = 1,
    nonlinearity: str = "tanh",
    bias: bool = True,
    bidirectional: bool = False,
    lengths: npt.ArrayLike | None = None,
) -> dict[str, Float64Array]:
    """The exact gradients of sum(output * output_cotangent) + sum(h_n * h_n_cotangent).

    Time first, float64; arguments as `reference.rnn` takes them. The derivative of relu at 0 is
    0, as both frameworks document theirs.

    Returns:
        `x` (T, B, I), `h_0` (L * D, B, H) whether given or not, every parameter by its name.
    """
    x = np.asarray(x, np.float64)
    steps, batch, _ = x.shape
    directions = 2 if bidirectional else 1
    exact = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    hidden = exact[layer_names(0, False, bias)[1]].shape[0]
    start = np.zeros((num_layers * directions, batch, hidden))
    if h_0 is not None:
        start[:] = np.asarray(h_0, np.float64)
    ends = np.full(batch, steps) if lengths is None else np.asarray(lengths)
    valid: BoolArray = np.arange(steps)[:, None] < ends[None, :]
    inputs = np.where(valid[:, :, None], x, 0.0)
    tapes = []
    for layer in range(num_layers):
        own = slice(layer * directions, (layer + 1) * directions)
        names = [n for d in range(directions) for n in layer_names(layer, d == 1, bias)]
        output, _ = rnn(
            inputs,
            start[own],
            {_as_first(name): exact[name] for name in names},
            nonlinearity=nonlinearity,
            bias=bias,
            bidirectional=bidirectional,
            lengths=None if lengths is None else ends,
        )
        states = np.split(output, directions, axis=2)
        tapes.append(
            [
                Tape(
                    inputs,
                    previous_states(states[d], start[layer * directions + d], valid, d == 1),
                    _derivative(nonlinearity, states[d]),
                )
                for d in range(directions)
            ]
        )
        inputs = output.astype(np.float64)
    found = backpropagate(
        tapes,
        exact,
        np.asarray(output_cotangent, np.float64),
        np.asarray(h_n_cotangent, np.float64),
        bias=bias,
        valid=valid,
        fmt=FORMATS["fp64"],
    )
    return {name: gradient.value for name, gradient in found.items()}


def _as_first(name: str) -> str:
    """The name of a parameter of layer k, as of layer 0."""
    kind, _, rest = name.partition("_l")
    return f"{kind}_l0" + ("_reverse" if rest.endswith("_reverse") else "")


def _derivative(nonlinearity: str, states: Array) -> Bounded:
    """act' where the activation gave `states`."""
    exact = states.astype(np.float64)
    value = 1.0 - exact * exact if nonlinearity == "tanh" else (exact > 0).astype(np.float64)
    return Bounded(value, np.zeros(value.shape))
