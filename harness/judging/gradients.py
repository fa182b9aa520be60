"""Backpropagation through time from the implementation's own states: expected gradients, bounds.

The derivative of tanh is taken at the exact pre-activation of each step, and uncertain by what a
legal state may be off, never beyond [-1, 1]; that of relu is 1 where the own state is positive,
and open where rounding decides that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.comparison import Worst
from harness.evidence import Evidence
from harness.judging.steps import DirectionSteps, direction_steps
from reference.arrays import Array, Float64Array
from reference.gradient import Bounded, Tape, backpropagate, previous_states

__all__ = [
    "backpropagated",
    "by_flushing",
    "expected_gradients",
    "gradient_ratio",
    "magnitudes",
    "parameter_place",
    "tapes_of",
]


def by_flushing(evidence: Evidence, found: Mapping[str, Array]) -> bool:
    """Whether gradients are what flushing subnormals may make of them, if that was measured.

    A relu state that is flushed to 0 takes the slope with it, so the change is not a small one.
    """
    own = evidence.own_activation()
    if own is None or not own.flushes:
        return False
    flushed = expected_gradients(evidence, own=False, flushed=True)
    return all(bool((gradient_ratio(a, flushed[name]) <= 1).all()) for name, a in found.items())


def gradient_ratio(actual: Array, gradient: Bounded) -> Float64Array:
    with np.errstate(all="ignore"):
        error = np.abs(actual.astype(np.float64) - gradient.value)
        ratio: Float64Array = np.where(error == 0, 0.0, error / gradient.bound)
    return ratio


def parameter_place(evidence: Evidence, name: str) -> Callable[[tuple[int, ...]], Worst]:
    """From an index into a gradient to where that is."""
    config = evidence.config

    def locate(index: tuple[int, ...]) -> Worst:
        if name == "x":
            return Worst("gradient of x", None, None, index[0], index[1], index[2])
        if name == "h_0":
            layer, side = divmod(index[0], config.directions)
            direction = ("forward", "reverse")[side]
            return Worst("gradient of h_0", layer, direction, None, index[1], index[2])
        layer = int(name.split("_l")[1].split("_")[0])
        direction = "reverse" if name.endswith("_reverse") else "forward"
        return Worst(f"gradient of {name}", layer, direction, None, None, index[0])

    return locate


def expected_gradients(
    evidence: Evidence, *, own: bool, flushed: bool = False
) -> Mapping[str, Bounded]:
    """The gradients at the implementation's states; `own`: with its own activation's slope."""
    tapes = tapes_of(evidence, own=own, flushed=flushed)
    return backpropagated(evidence, tapes, dict(evidence.case.weights), flushed=flushed)


def tapes_of(evidence: Evidence, *, own: bool, flushed: bool = False) -> list[list[Tape]]:
    tapes = []
    for layer in range(evidence.config.num_layers):
        steps = [
            direction_steps(evidence, layer, d == 1) for d in range(evidence.config.directions)
        ]
        tapes.append([_tape(evidence, one, own, flushed) for one in steps])
    return tapes


def backpropagated(
    evidence: Evidence,
    tapes: list[list[Tape]],
    weights: dict[str, Array],
    *,
    absolute: bool = False,
    flushed: bool = False,
) -> Mapping[str, Bounded]:
    derivatives, config = evidence.observation.derivatives, evidence.config
    assert derivatives is not None
    output = derivatives.output_cotangent.astype(np.float64)
    h_n = derivatives.h_n_cotangent.astype(np.float64)
    return backpropagate(
        tapes,
        weights,
        np.abs(output) if absolute else output,
        np.abs(h_n) if absolute else h_n,
        bias=config.bias,
        valid=evidence.case.valid,
        fmt=evidence.case.fmt,
        flushed=flushed,
    )


def magnitudes(evidence: Evidence) -> Mapping[str, Bounded]:
    """Sums of the magnitudes of all terms, in `value`."""
    tapes = [
        [
            _absolute(_tape(evidence, direction_steps(evidence, layer, d == 1), True))
            for d in range(evidence.config.directions)
        ]
        for layer in range(evidence.config.num_layers)
    ]
    weights = {name: np.abs(array) for name, array in evidence.case.weights.items()}
    return backpropagated(evidence, tapes, weights, absolute=True)


def _absolute(tape: Tape) -> Tape:
    return Tape(
        np.abs(tape.inputs),
        np.abs(tape.previous),
        Bounded(np.abs(tape.derivative.value), tape.derivative.bound),
    )


def _tape(evidence: Evidence, steps: DirectionSteps, own: bool, flushed: bool = False) -> Tape:
    case, config = evidence.case, evidence.config
    valid = case.valid[:, :, None]
    layer, reverse = steps.layer, steps.reverse
    outputs = [*(one.output for one in evidence.observation.hidden), evidence.forward.output]
    below = case.x if layer == 0 else outputs[layer - 1]
    start = np.zeros(steps.actual.shape[1:], steps.actual.dtype)
    if case.h_0 is not None:
        start = case.h_0[layer * config.directions + reverse]
    previous = previous_states(steps.actual, start, case.valid, reverse).astype(np.float64)
    derivative = _slope(evidence, steps, own, flushed)
    return Tape(
        np.where(valid, below.astype(np.float64), 0.0),
        np.where(valid, previous, 0.0),
        Bounded(np.where(valid, derivative.value, 0), np.where(valid, derivative.bound, 0)),
    )


def _slope(evidence: Evidence, steps: DirectionSteps, own: bool, flushed: bool) -> Bounded:
    """act' at every step, and how far a legal evaluation may be from it.

    For tanh it is computed from a state y as 1 - y^2 in some way: two roundings, and the one
    with which y is stored. `own` takes y as the implementation gave it. Else y is anything legal
    that a tanh can be.
    """
    states = steps.actual.astype(np.float64)
    if evidence.config.nonlinearity == "relu":
        # Where rounding decides the sign of a, or lets a positive state vanish, it may be either.
        with np.errstate(all="ignore"):
            either = np.abs(steps.a) <= steps.error
            either |= (states == 0) & (steps.interval.high > 0)
            if flushed:
                tiny = evidence.case.fmt.smallest_normal * (2 * steps.terms + steps.factors)
                either |= np.abs(steps.a) <= steps.error + tiny
        slope = np.where(np.isnan(states), np.nan, states > 0)  # NaN is on neither side
        return Bounded(slope, either.astype(np.float64))
    roundings = 4 * (evidence.case.fmt.unit_roundoff + 2.0**-52)
    with np.errstate(all="ignore"):
        if own:
            return Bounded(1 - states * states, np.full(states.shape, roundings))
        low, high = np.maximum(steps.interval.low, -1), np.minimum(steps.interval.high, 1)
        smallest = np.where((low <= 0) & (high >= 0), 0, np.minimum(np.abs(low), np.abs(high)))
        largest = np.maximum(np.abs(low), np.abs(high))
        value = 1 - steps.interval.expected**2
        bound = np.maximum(value - (1 - largest**2), (1 - smallest**2) - value)
    return Bounded(value, bound + roundings)
