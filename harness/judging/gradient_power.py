"""What the comparison of a gradient could have seen: how far common faults would move it.

    carry: nothing comes back from the later step (truncated backpropagation through time).
    row: of x and h_0 the neighbouring row's gradient; of a parameter's sum any one row left out.
    step: any one step left out of a parameter's sum.

All are exact differences at the implementation's own states, in float64; an element has power where
one is beyond the bound of the comparison. For what is left out there is a difference for each row
or step, along an axis in front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.evidence import Evidence
from harness.judging.power import neighbours
from harness.probes import Probe
from reference import layer_names
from reference.arrays import Float64Array, IntArray
from reference.gradient import Bounded, Tape

__all__ = ["differences"]

Deltas = list[list[Float64Array]]
"""delta (T, B, H), by layer and direction."""


def differences(
    evidence: Evidence, tapes: Sequence[Sequence[Tape]], expected: Mapping[str, Bounded]
) -> dict[str, dict[Probe, Float64Array]]:
    """Gradient -> fault -> by how much it would be off; without faults that cannot occur."""
    config, several = evidence.config, bool((evidence.case.last_step >= 1).any())
    with np.errstate(all="ignore"):
        off: dict[str, dict[Probe, Float64Array]] = {name: {} for name in expected}
        if several:
            truncated = _gradients(evidence, tapes, _deltas(evidence, tapes, carried=False))
            for name, value in truncated.items():
                if _carried(evidence, name):
                    off[name][Probe.CARRY] = value - expected[name].value
        if config.batch > 1:
            for name in ("x", "h_0"):
                value = expected[name].value
                off[name][Probe.ROW] = neighbours(value) - value
        deltas = _deltas(evidence, tapes, carried=True)
        if config.batch > 1:
            for name, value in _sums(evidence, tapes, deltas, "tbi,tbj->bij").items():
                off[name][Probe.ROW] = value
        if several:
            for name, value in _sums(evidence, tapes, deltas, "tbi,tbj->tij").items():
                off[name][Probe.STEP] = value
    return off


def _carried(evidence: Evidence, name: str) -> bool:
    """Whether a later step's delta reaches a gradient: that of W_hh not by the first step's h'."""
    longest = int(evidence.case.last_step.max()) + 1
    return longest > 2 or evidence.config.h_0 or not name.startswith("weight_hh")


def _last(evidence: Evidence, reverse: bool) -> tuple[IntArray, IntArray]:
    """Index (step, row) of the last step of every row, in the direction's own order."""
    rows = np.flatnonzero(evidence.case.last_step >= 0)
    return (np.zeros_like(rows) if reverse else evidence.case.last_step[rows]), rows


def _deltas(evidence: Evidence, tapes: Sequence[Sequence[Tape]], *, carried: bool) -> Deltas:
    """delta of `reference.gradient`; `carried`: with what comes from the step after."""
    case, config, derivatives = evidence.case, evidence.config, evidence.observation.derivatives
    assert derivatives is not None
    hidden, found = config.hidden_size, []
    into = np.where(case.valid[:, :, None], derivatives.output_cotangent.astype(np.float64), 0.0)
    for layer in reversed(range(len(tapes))):
        deltas, matrices = [], []
        for direction, tape in enumerate(tapes[layer]):
            w_ih, w_hh = _weights(evidence, layer, direction)
            slope = tape.derivative.value
            g = into[..., direction * hidden : (direction + 1) * hidden].copy()
            last = _last(evidence, direction == 1)
            at_end = derivatives.h_n_cotangent[layer * config.directions + direction]
            g[last] += at_end[last[1]]
            delta = slope * g
            if carried:
                steps = range(1, len(g)) if direction else range(len(g) - 2, -1, -1)
                for t in steps:
                    delta[t] += slope[t] * (delta[t - 1 if direction else t + 1] @ w_hh)
            deltas.append(delta)
            matrices.append(w_ih)
        found.append(deltas)
        into = np.concatenate(deltas, axis=2) @ np.concatenate(matrices)
    return found[::-1]


def _weights(evidence: Evidence, layer: int, direction: int) -> tuple[Float64Array, Float64Array]:
    names = layer_names(layer, direction == 1, evidence.config.bias)
    w_ih, w_hh = (evidence.case.weights[name].astype(np.float64) for name in names[:2])
    return w_ih, w_hh


def _sums(
    evidence: Evidence, tapes: Sequence[Sequence[Tape]], deltas: Deltas, axes: str
) -> dict[str, Float64Array]:
    """The gradients of the parameters that these deltas add up to; `axes` says over what."""
    found: dict[str, Float64Array] = {}
    ones = np.ones((*evidence.case.valid.shape, 1))
    for layer, directions in enumerate(tapes):
        for direction, tape in enumerate(directions):
            delta = deltas[layer][direction]
            names = layer_names(layer, direction == 1, evidence.config.bias)
            found[names[0]] = np.einsum(axes, delta, tape.inputs)
            found[names[1]] = np.einsum(axes, delta, tape.previous)
            for name in names[2:]:
                found[name] = np.einsum(axes, delta, ones)[..., 0]
    return found


def _gradients(
    evidence: Evidence, tapes: Sequence[Sequence[Tape]], deltas: Deltas
) -> dict[str, Float64Array]:
    """All gradients that these deltas give."""
    case, config, derivatives = evidence.case, evidence.config, evidence.observation.derivatives
    assert derivatives is not None
    found = _sums(evidence, tapes, deltas, "tbi,tbj->ij")
    weights = [_weights(evidence, 0, d)[0] for d in range(config.directions)]
    found["x"] = np.concatenate(deltas[0], axis=2) @ np.concatenate(weights)
    rows = np.flatnonzero(case.last_step >= 0)
    h_0 = derivatives.h_n_cotangent.astype(np.float64)
    for layer in range(config.num_layers):
        for direction in range(config.directions):
            first = deltas[layer][direction][case.last_step[rows] if direction else 0, rows]
            w_hh = _weights(evidence, layer, direction)[1]
            h_0[layer * config.directions + direction, rows] = first @ w_hh
    found["h_0"] = h_0
    return found
