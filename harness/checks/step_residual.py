"""Every step of every layer, judged against the implementation's own previous state.

The check that decides. No error accumulates, so the bound of `reference.rounding` is tight at
any length, and a ratio above 1 is a proof: no legal evaluation of the documented equation in
this precision, from this state, gives this value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.checks.power import power_of
from harness.comparison import FAIL, INCONCLUSIVE, PASS, Comparison, Worst, compare
from harness.evidence import Evidence
from reference import Interval, activation_interval, layer_names, step_error
from reference.arrays import Array, BoolArray, Float64Array

UNEXPLAINED = "unexplained"

__all__ = ["DirectionSteps", "check", "direction_steps"]


@dataclass(frozen=True)
class DirectionSteps:
    """One direction of one layer, all steps at once; arrays are (T, B, H).

    a = from_input + from_state + b_ih + b_hh is the exact pre-activation at the own previous
    state; `magnitude` is m, `terms` n, `error` E; `factors` sums the magnitudes of all factors
    (for `_flush`); `defined` says where a bound exists and the step is not padding.
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

    @property
    def part(self) -> str:
        return f"layer {self.layer} {'reverse' if self.reverse else 'forward'}"


def check(evidence: Evidence) -> Iterator[Comparison]:
    for layer in range(evidence.config.num_layers):
        for direction in range(evidence.config.directions):
            yield from _judge(evidence, direction_steps(evidence, layer, direction == 1))


def direction_steps(evidence: Evidence, layer: int, reverse: bool) -> DirectionSteps:
    """Evaluate the equation in float64 at every step from the backend's own states."""
    config, case = evidence.config, evidence.case
    hidden = evidence.observation.hidden
    is_last = layer == config.num_layers - 1
    outputs = (evidence.forward if is_last else hidden[layer]).output
    own = slice(config.hidden_size, None) if reverse else slice(0, config.hidden_size)
    actual = outputs[:, :, own]
    x = case.x if layer == 0 else hidden[layer - 1].output
    x64 = np.where(case.valid[:, :, None], x, 0).astype(np.float64)
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
        error = step_error(magnitude, n, case.fmt)
        factors = (
            np.abs(x64).sum(axis=2, keepdims=True)
            + np.abs(previous).sum(axis=2, keepdims=True)
            + np.abs(w_ih).sum(axis=1)
            + np.abs(w_hh).sum(axis=1)
        )
        interval = activation_interval(config.nonlinearity, a, error, case.fmt)
        bounded = magnitude + error < case.fmt.largest
    return DirectionSteps(
        layer,
        reverse,
        actual,
        from_input,
        from_state,
        b_ih,
        b_hh,
        a,
        magnitude,
        n,
        factors,
        error,
        interval,
        bounded & np.isfinite(a) & case.valid[:, :, None],
    )


def _previous(evidence: Evidence, actual: Array, layer: int, reverse: bool) -> Float64Array:
    """The state each step started from: the own one of the step before, h_0 at the start."""
    config, case = evidence.config, evidence.case
    start = np.zeros(actual.shape[1:], actual.dtype)
    if case.h_0 is not None:
        start = case.h_0[layer * config.directions + reverse]
    previous = np.empty_like(actual)
    if reverse:
        previous[:-1] = actual[1:]
        previous[case.last_step, np.arange(config.batch)] = start
    else:
        previous[1:] = actual[:-1]
        previous[0] = start
    return previous.astype(np.float64)


def _judge(evidence: Evidence, steps: DirectionSteps) -> Iterator[Comparison]:
    """One comparison, or two: what the own activation explains is told apart from the rest."""
    ratio = steps.interval.ratio(steps.actual.astype(np.float64))
    bad = steps.defined & ~(ratio <= 1)
    power = power_of(evidence, steps)
    if not bad.any():
        result = _compare(evidence, steps, ratio, steps.defined, power)
        unseen = [name for name, share in power.items() if share == 0]
        if unseen and result.verdict == PASS:
            message = f"no element would have shown: {', '.join(unseen)}"
            result = replace(result, verdict=INCONCLUSIVE, message=message)
        yield result
        return
    left = bad
    for cause, explains in (
        ("flush", _flush),
        ("activation", _own_activation),
        (UNEXPLAINED, _all),
    ):
        elements = left & explains(evidence, steps)
        left = left & ~elements
        if elements.any():
            others = steps.defined & ~(bad & ~elements)
            yield replace(
                _compare(evidence, steps, ratio, others, power), cause=cause, verdict=FAIL
            )


def _all(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    return np.ones(steps.a.shape, bool)


def _flush(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    """Which elements flushing subnormals to zero explains, and nothing else is forgiven.

    With it, any operand or result below the smallest normal number v may count as zero. A
    flushed result errs by v at most, n products and n sums; a flushed factor by v times the
    other factor; the state itself by v.
    """
    tiny = evidence.case.fmt.smallest_normal
    with np.errstate(all="ignore"):
        error = steps.error + tiny * (2 * steps.terms + steps.factors)
        interval = activation_interval(
            evidence.config.nonlinearity, steps.a, error, evidence.case.fmt
        )
        actual = steps.actual.astype(np.float64)
        explained: BoolArray = (actual >= interval.low - tiny) & (actual <= interval.high + tiny)
    return explained


def _own_activation(evidence: Evidence, steps: DirectionSteps) -> BoolArray:
    """Which elements the backend's own activation explains, and nothing else is forgiven.

    The activation's value anywhere in [a - E, a + E] lies between act(a - E) plus the smallest
    and act(a + E) plus the largest error measured there; the widening is as before.
    """
    own = evidence.own_activation()
    if own is None:
        return np.zeros(steps.a.shape, bool)
    with np.errstate(all="ignore"):
        smallest, largest = own.error_range(steps.a - steps.error, steps.a + steps.error)
        actual = steps.actual.astype(np.float64)
        low, high = steps.interval.low + smallest, steps.interval.high + largest
        explained: BoolArray = (actual >= low) & (actual <= high)
    return explained


def _compare(
    evidence: Evidence,
    steps: DirectionSteps,
    ratio: Float64Array,
    elements: BoolArray,
    power: dict[str, float],
) -> Comparison:
    config = evidence.config
    name = "output" if steps.layer == config.num_layers - 1 else "hidden output"
    direction = "reverse" if steps.reverse else "forward"

    def locate(index: tuple[int, ...]) -> Worst:
        return Worst(name, steps.layer, direction, *index)

    result = compare(
        steps.part,
        steps.actual,
        steps.interval.expected,
        ratio,
        evidence.case.fmt,
        locate,
        defined=elements,
    )
    valid_undefined = int((~steps.defined & evidence.case.valid[:, :, None]).sum())
    result = replace(result, power=power, undefined=valid_undefined)
    bad = elements & ~(ratio <= 1)
    if not bad.any():
        return result
    # In time order of this direction: the first failing step of each row is not conditional.
    in_order = bad[::-1] if steps.reverse else bad
    first_of_row = in_order.any(axis=2).argmax(axis=0)
    order = np.arange(len(bad))[:, None]
    conditional = int((in_order & (order > first_of_row)[:, :, None]).sum())
    flat = int(in_order.reshape(len(bad), -1).any(axis=1).argmax())
    step = len(bad) - 1 - flat if steps.reverse else flat
    batch, unit = (int(i) for i in np.argwhere(bad[step])[0])
    first = replace(
        locate((step, batch, unit)),
        actual=float(steps.actual[step, batch, unit]),
        expected=float(steps.interval.expected[step, batch, unit]),
    )
    message = f"{int(bad.sum())} of {result.compared} states cannot come from the equation"
    return replace(result, first=first, conditional=conditional, message=message)
