"""Correct backpropagation through time of Elman's cell, in the orders of `correct_evaluations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.axes import shape_of
from harness.case import Case
from reference.arrays import Array, BoolArray
from tests.campaigns.correct_evaluations import EvaluatedStates, EvaluationOrder, parameter_names
from tests.campaigns.sums import Pair, sum_of, wider


def gradients(
    case: Case,
    evaluated: EvaluatedStates,
    cotangents: Mapping[str, Array],
    evaluation: EvaluationOrder,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """Of x, h_0 (where given) and every parameter; cotangents by output, time first.

    With grouping "one sum" what comes from the layer above and from the next step is added in
    one sum, as one matrix product of both gives it; else each is a sum of its own. With `kept`
    nothing is rounded before the end, and the states are those that were kept.
    """
    config, dtype = case.config, case.x.dtype
    inner = wider(dtype) if evaluation.kept else dtype
    absent = {name: np.zeros(shape_of(config, name)) for name in ("output", "h_n")}
    of_output, of_h_n = (array.astype(inner) for array in (absent | dict(cotangents)).values())
    weights = {name: array.astype(inner) for name, array in case.weights.items()}
    steps = case.valid[:, :, None]
    walk = _Backwards(case.valid, config.nonlinearity, evaluation, rng)
    found: dict[str, Array] = {}
    at_start: dict[int, Array] = {}
    ones = np.ones((1, 1, of_output.shape[2], 1), inner)
    into: Pair = (np.where(steps, of_output, inner.type(0))[..., None], ones)
    for layer in reversed(range(config.num_layers)):
        below = case.x if layer == 0 else evaluated.inside[layer - 1]
        below = np.where(steps, below.astype(inner), inner.type(0))
        deltas, w_ih = [], []
        for side in range(config.directions):
            names = parameter_names(case, layer, side)
            index = layer * config.directions + side
            own = slice(side * config.hidden_size, (side + 1) * config.hidden_size)
            states = evaluated.inside[layer][..., own].astype(inner)
            start = case.start("h", index).astype(inner)
            terms = (into[0][:, :, own], into[1][:, :, own])
            order = range(config.steps)[:: 1 if side else -1]
            delta, at_start[index] = walk.through_time(
                states, terms, of_h_n[index], weights[names[1]], order
            )
            previous = _previous(states, start, case, side == 1)
            found[names[0]] = walk.over_steps(delta, below)
            found[names[1]] = walk.over_steps(delta, previous)
            for name in names[2:]:
                found[name] = walk.over_steps(delta, np.ones_like(delta[..., :1]))[:, 0]
            deltas.append(delta)
            w_ih.append(weights[names[0]])
        left = np.concatenate(deltas, axis=2)[:, :, None, :]
        right = np.concatenate(w_ih).T[None, None]
        into = (np.broadcast_to(left, (*left.shape[:2], right.shape[2], left.shape[3])), right)
    found["x"] = np.where(steps, walk.sum([into]), inner.type(0))
    if config.states:
        found["h_0"] = np.stack([at_start[index] for index in sorted(at_start)])
    return {name: np.asarray(array.astype(dtype)) for name, array in found.items()}


@dataclass(frozen=True)
class _Backwards:
    """One way to evaluate, for all layers and directions of a case."""

    valid: BoolArray
    nonlinearity: str
    evaluation: EvaluationOrder
    rng: np.random.Generator

    def sum(self, pairs: Sequence[Pair]) -> Array:
        """Everything in one sum."""
        if self.evaluation.kept:
            return np.asarray(sum((a * b).sum(axis=-1) for a, b in pairs))
        return sum_of(pairs, self.evaluation.order, self.rng)

    def through_time(
        self, states: Array, into: Pair, at_end: Array, w_hh: Array, order: Sequence[int]
    ) -> tuple[Array, Array]:
        """delta (T, B, H) of one direction, zero in the padding, and the gradient of its h_0."""
        delta, end = np.zeros_like(states), at_end
        after = np.zeros_like(at_end)
        one = np.ones((1, 1, 1), states.dtype)
        for t in order:
            # A row's last step takes the cotangent of its final state, its others the next delta.
            carried = [(after[:, None, :], w_hh.T[None]), (end[:, :, None], one)]
            here = (into[0][t], into[1][0])
            if self.evaluation.grouping == "one sum":
                s = self.sum([here, *carried])
            else:
                s = self.sum([here]) + self.sum(carried)
            keep = self.valid[t][:, None]
            delta[t] = np.where(keep, self._slope(states[t]) * s, 0)
            after, end = np.where(keep, delta[t], after), np.where(keep, 0, end)
        carried = [(after[:, None, :], w_hh.T[None]), (end[:, :, None], one)]
        return delta, self.sum(carried)

    def over_steps(self, delta: Array, factors: Array) -> Array:
        """Sum of delta_i factor_j over steps and rows: (H, n)."""
        left = delta.reshape(-1, delta.shape[2]).T[:, None, :]
        right = factors.reshape(-1, factors.shape[2]).T[None, :, :]
        return self.sum([(left, right)])

    def _slope(self, h: Array) -> Array:
        if self.nonlinearity == "relu":
            return np.asarray((h > 0).astype(h.dtype))
        one = h.dtype.type(1)
        return one - h * h if self.rng.integers(2) else (one - h) * (one + h)


def _previous(states: Array, start: Array, case: Case, reverse: bool) -> Array:
    """(T, B, H): the state before each valid step, zero in the padding."""
    found = np.zeros_like(states)
    for row, length in enumerate(case.valid.sum(axis=0)):
        in_order = range(length)[:: -1 if reverse else 1]
        before = start[row]
        for t in in_order:
            found[t, row] = before
            before = states[t, row]
    return found
