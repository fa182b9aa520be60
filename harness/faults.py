"""What the commonest faults would make of a case, from start to end: outputs of wrong oracles.

    bias: b_hh is dropped, in every layer and direction.
    state: every step takes the state before last; the first one takes 0 in place of h_0.
    row: every batch row has the answer of the row before it.

A comparison that lets such an output pass has no power against the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.case import Case
from harness.config import Config
from harness.observe import Forward
from harness.probes import Probe
from reference import exact_activation, layer_names, rnn
from reference.arrays import Array, Float64Array

__all__ = ["faulty", "has_state"]


def faulty(case: Case, exact: Forward) -> dict[Probe, Forward]:
    """Fault -> output and h_n in float64; without the faults that cannot occur in this case.

    Args:
        exact: the oracle on this case.
    """
    if not case.valid.any():
        return {}
    found: dict[Probe, Forward] = {}
    with np.errstate(all="ignore"):
        if case.config.bias:
            found[Probe.BIAS] = _without_bias(case)
        if has_state(case):
            found[Probe.STATE] = _state_before_last(case)
        if case.config.batch > 1:
            found[Probe.ROW] = Forward(
                np.roll(exact.output, 1, axis=1), np.roll(exact.h_n, 1, axis=1)
            )
    return found


def has_state(case: Case) -> bool:
    """Whether any step starts from another state than zeros that nobody gave."""
    return bool((case.last_step >= (0 if case.config.h_0 else 1)).any())


def _without_bias(case: Case) -> Forward:
    weights = {
        name: np.zeros_like(array) if name.startswith("bias_hh") else array
        for name, array in case.weights.items()
    }
    return _evaluate(case, weights, case.h_0, case.config.nonlinearity)


def _state_before_last(case: Case) -> Forward:
    """A layer of twice the units: the first half is h_t, the second one hands on h_(t-1).

    W_ih becomes [W_ih; 0], with columns of 0 for the second halves of the layer below, and W_hh
    becomes [0 W_hh; I 0]. The state before the first step is [h_0; 0].
    """
    config, hidden = case.config, case.config.hidden_size
    halves = config.num_layers * config.directions, config.batch, 2 * hidden
    start = np.zeros(halves)
    if case.h_0 is not None:
        start[..., :hidden] = case.h_0

    def activation(a: Array) -> Array:
        value = a.copy()
        value[..., :hidden] = exact_activation(config.nonlinearity, a[..., :hidden])
        return value

    there = _evaluate(case, _doubled(case.weights, config), start, activation)
    shape = (*there.output.shape[:2], config.directions, 2 * hidden)
    output = there.output.reshape(shape)[..., :hidden].reshape((*shape[:2], -1))
    return Forward(output, there.h_n[..., :hidden])


def _doubled(weights: Mapping[str, Array], config: Config) -> dict[str, Float64Array]:
    hidden, made = config.hidden_size, {}
    for layer in range(config.num_layers):
        for direction in range(config.directions):
            w_ih, w_hh, *biases = layer_names(layer, direction == 1, config.bias)
            below = weights[w_ih].astype(np.float64)
            if layer:
                apart = below.reshape(hidden, config.directions, hidden)
                below = np.concatenate([apart, np.zeros_like(apart)], axis=2).reshape(hidden, -1)
            made[w_ih] = np.concatenate([below, np.zeros_like(below)])
            made[w_hh] = np.zeros((2 * hidden, 2 * hidden))
            made[w_hh][:hidden, hidden:] = weights[w_hh]
            made[w_hh][hidden:, :hidden] = np.eye(hidden)
            for name in biases:
                made[name] = np.concatenate([weights[name].astype(np.float64), np.zeros(hidden)])
    return made


def _evaluate(
    case: Case,
    weights: Mapping[str, Array],
    h_0: Array | None,
    nonlinearity: str | Callable[[Array], Array],
) -> Forward:
    config = case.config
    output, h_n = rnn(
        case.x,
        h_0,
        weights,
        num_layers=config.num_layers,
        nonlinearity=nonlinearity,
        bias=config.bias,
        bidirectional=config.bidirectional,
        lengths=case.lengths,
    )
    return Forward(output, h_n)
