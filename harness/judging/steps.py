"""One direction of one layer, every step evaluated in float64 from the backend's own states."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.comparison import Worst
from harness.evidence import Evidence
from reference import Interval, activation_interval, layer_names, step_error
from reference.arrays import Array, BoolArray, Float64Array
from reference.gradient import previous_states

__all__ = ["DirectionSteps", "direction_steps"]


@dataclass(frozen=True)
class DirectionSteps:
    """One direction of one layer, all steps at once; arrays are (T, B, H).

    a = from_input + from_state + b_ih + b_hh is the exact pre-activation at the own previous
    state; `magnitude` is m, `terms` n, `error` E; `factors` sums the magnitudes of all factors
    (for what
    flushing may do); `defined` says where a bound exists and the step is not padding.
    """

    layer: int
    reverse: bool
    actual: Array
    from_input: Float64Array
    from_state: Float64Array
    b_ih: Float64Array
    b_hh: Float64Array
    a: Float64Array
    magnitude: Float64Array
    terms: int
    factors: Float64Array
    error: Float64Array
    interval: Interval
    defined: BoolArray

    output: str

    @property
    def direction(self) -> str:
        return "reverse" if self.reverse else "forward"

    @property
    def part(self) -> str:
        return f"layer {self.layer} {self.direction}"

    def locate(self, index: tuple[int, ...]) -> Worst:
        """Where an index (step, batch row, unit) is."""
        where = Worst(self.output, self.layer, self.direction, *index)
        return replace(where, pre_activation=float(self.a[index]))


def direction_steps(evidence: Evidence, layer: int, reverse: bool) -> DirectionSteps:
    """Evaluate the equation in float64 at every step from the backend's own states."""
    config, case = evidence.config, evidence.case
    outputs = [*(one.output for one in evidence.observation.hidden), evidence.forward.output]
    own = slice(config.hidden_size, None) if reverse else slice(0, config.hidden_size)
    actual = outputs[layer][:, :, own]
    x = case.x if layer == 0 else outputs[layer - 1]
    x64 = np.where(case.valid[:, :, None], x.astype(np.float64), 0.0)
    previous = _previous(evidence, actual, layer, reverse)

    names = layer_names(layer, reverse, config.bias)
    w_ih, w_hh, *biases = (case.weights[name].astype(np.float64) for name in names)
    b_ih, b_hh = biases or [np.zeros(config.hidden_size)] * 2
    with np.errstate(all="ignore"):
        from_input, from_state = x64 @ w_ih.T, previous @ w_hh.T
        a = from_input + from_state + b_ih + b_hh
        magnitude = (
            np.abs(x64) @ np.abs(w_ih).T
            + np.abs(previous) @ np.abs(w_hh).T
            + np.abs(b_ih)
            + np.abs(b_hh)
        )
        n = w_ih.shape[1] + w_hh.shape[1] + len(biases)
        stored = np.abs(w_hh).sum(axis=1) + (np.abs(w_ih).sum(axis=1) if layer else 0.0)
        error = step_error(magnitude, n, case.fmt, stored=stored)
        factors = (
            np.abs(x64).sum(axis=2, keepdims=True)
            + np.abs(previous).sum(axis=2, keepdims=True)
            + np.abs(w_ih).sum(axis=1)
            + np.abs(w_hh).sum(axis=1)
        )
        interval = activation_interval(config.nonlinearity, a, error, case.fmt)
        bounded = magnitude + error < case.fmt.largest
    return DirectionSteps(
        layer=layer,
        reverse=reverse,
        actual=actual,
        from_input=from_input,
        from_state=from_state,
        b_ih=b_ih,
        b_hh=b_hh,
        a=a,
        magnitude=magnitude,
        terms=n,
        factors=factors,
        error=error,
        interval=interval,
        defined=bounded & np.isfinite(a) & case.valid[:, :, None],
        output="output" if layer == config.num_layers - 1 else "hidden output",
    )


def _previous(evidence: Evidence, actual: Array, layer: int, reverse: bool) -> Float64Array:
    """The state each step started from: the own one of the step before, h_0 at the start."""
    config, case = evidence.config, evidence.case
    start = np.zeros(actual.shape[1:], actual.dtype)
    if case.h_0 is not None:
        start = case.h_0[layer * config.directions + reverse]
    return previous_states(actual, start, case.valid, reverse).astype(np.float64)
