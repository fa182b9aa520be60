"""Gradients against backpropagation through time, from the implementation's own states.

The forward pass was seen (`step_residual` judges it), so no error of it is charged to the
gradient. What remains is linear: the bound of `reference.gradient` is derived, element by
element. The derivative of tanh is taken at the exact pre-activation of each step, and uncertain
by what a legal state may be off, never beyond [-1, 1]; that of relu is 1 where the own state is
positive, and open where rounding decides that. With small integers and relu every order of
evaluation gives the same bits, and equality is asked.

If an element fails, it is judged again with exactly one cause forgiven: subnormal numbers taken
as 0, if that was measured of the implementation; or the derivative 1 - h^2 of its own states.
An element whose bound excludes 0 has a proven sign; the other sign is a failure of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from harness.checks.gradient_power import differences
from harness.checks.power import share, stated
from harness.checks.prefix import same_states
from harness.checks.steps import DirectionSteps, direction_steps
from harness.comparison import FAIL, INCONCLUSIVE, PASS, Comparison, Worst, compare
from harness.evidence import Evidence
from reference.arrays import Array, BoolArray, Float64Array
from reference.gradient import Bounded, Tape, backpropagate, previous_states

__all__ = ["by_flushing", "check", "parameter_place"]

FLUSH, ACTIVATION, UNEXPLAINED = "flush", "activation", "unexplained"

Excuses = Mapping[str, Mapping[str, Bounded]]
"""Cause -> the gradients and bounds with that cause forgiven."""


def check(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison for x, h_0 and each parameter; one for all proven signs."""
    derivatives = evidence.observation.derivatives
    if derivatives is None:
        return
    seen = all(same_states(evidence, layer) for layer in range(evidence.config.num_layers))
    tapes = _tapes(evidence, own=False)
    expected = _backpropagated(evidence, tapes, dict(evidence.case.weights))
    off = differences(evidence, tapes, expected)
    excuses = _excuses(evidence)
    terms = _terms(evidence) if evidence.config.data == "ints" and _whole(evidence) else None
    for name, actual in derivatives.clean.items():
        gradient = expected[name]
        exact = None if terms is None else terms[name].value < 2.0**evidence.case.fmt.precision
        forgiven = {cause: gradients[name] for cause, gradients in excuses.items()}
        for result in _judge(evidence, name, actual, gradient, forgiven, exact, off[name]):
            yield result if seen else _unseen(result)
    result = _signs(evidence, derivatives.clean, expected, excuses)
    yield result if seen else _unseen(result)


def _whole(evidence: Evidence) -> bool:
    """Whether all states are integers: `exact_lane` says so where they should be, and are not."""
    outputs = (evidence.forward.output, *(one.output for one in evidence.observation.hidden))
    return all(bool((output == np.rint(output)).all()) for output in outputs)


def by_flushing(evidence: Evidence, found: Mapping[str, Array]) -> bool:
    """Whether gradients are what flushing subnormals may make of them, if that was measured.

    A relu state that is flushed to 0 takes the slope with it, so the change is not a small one.
    """
    own = evidence.own_activation()
    if own is None or not own.flushes:
        return False
    flushed = _expected(evidence, own=False, flushed=True)
    return all(bool((_ratio(a, flushed[name]) <= 1).all()) for name, a in found.items())


def _unseen(result: Comparison) -> Comparison:
    message = "the stack's own hidden states were not seen: a shorter stack gives other bits"
    return replace(result, verdict=INCONCLUSIVE, cause=None, message=message)


def requirement(name: str) -> str:
    """The requirement that a gradient, by the name of what it is of, speaks about."""
    return {"x": "gradient-x", "h_0": "gradient-h-0"}.get(name, "gradient-parameters")


def _judge(
    evidence: Evidence,
    name: str,
    actual: Array,
    gradient: Bounded,
    forgiven: Mapping[str, Bounded],
    exact: BoolArray | None,
    off: Mapping[str, Float64Array],
) -> Iterator[Comparison]:
    ratio = _ratio(actual, gradient)
    if exact is not None:
        ratio = np.where(exact, np.where(actual == gradient.value, 0.0, np.inf), ratio)
    with np.errstate(over="ignore"):
        defined = gradient.magnitude < evidence.case.fmt.largest  # NaN and infinities are not
    if name == "x":
        defined &= evidence.case.valid[:, :, None]
    bad = defined & ~(ratio <= 1)
    left, causes = bad, []
    for cause, excused in forgiven.items():
        elements = left & (_ratio(actual, excused) <= 1)
        causes.append((cause, elements))
        left = left & ~elements
    place = parameter_place(evidence, name)
    bound = gradient.bound if exact is None else np.where(exact, 0.0, gradient.bound)
    shares = _power(gradient.value, bound, defined, off)
    for cause, elements in (*causes, (UNEXPLAINED, left)):
        if elements.any():
            others = defined & ~(bad & ~elements)
            result = compare(
                name, actual, gradient.value, ratio, evidence.case.fmt, place, defined=others
            )
            message = f"{result.failing} of {result.compared} elements beyond what rounding allows"
            result = replace(result, cause=cause, message=message)
            yield stated(replace(result, requirement=requirement(name)), shares)
    if not bad.any():
        result = compare(
            name, actual, gradient.value, ratio, evidence.case.fmt, place, defined=defined
        )
        yield stated(replace(result, requirement=requirement(name)), shares)


def _ratio(actual: Array, gradient: Bounded) -> Float64Array:
    with np.errstate(all="ignore"):
        error = np.abs(actual.astype(np.float64) - gradient.value)
        ratio: Float64Array = np.where(error == 0, 0.0, error / gradient.bound)
    return ratio


def _power(
    value: Float64Array, bound: Float64Array, defined: BoolArray, off: Mapping[str, Float64Array]
) -> dict[str, float]:
    """Share of elements at which 0, the other sign, or a fault of `off` would have been seen."""
    with np.errstate(invalid="ignore"):
        return {
            name: share(~(np.abs(change) <= bound), np.broadcast_to(defined, change.shape))
            for name, change in {"sign": 2 * value, "zero": value, **off}.items()
        }


def _excuses(evidence: Evidence) -> Excuses:
    """Only what was measured of the implementation's activation, alone."""
    own = evidence.own_activation()
    excuses: dict[str, Mapping[str, Bounded]] = {}
    if own is not None and own.flushes:
        excuses[FLUSH] = _expected(evidence, own=False, flushed=True)
    if own is not None and own.errs and evidence.config.nonlinearity == "tanh":
        excuses[ACTIVATION] = _expected(evidence, own=True)
    return excuses


def _signs(
    evidence: Evidence,
    found: Mapping[str, Array],
    expected: Mapping[str, Bounded],
    excuses: Excuses,
) -> Comparison:
    """Every element whose bound excludes 0 has the sign of what is expected."""
    compared, wrong, first, total = 0, 0, None, 0
    explaining = dict(excuses)  # those that explain every flipped sign so far
    for name, actual in found.items():
        gradient = expected[name]
        with np.errstate(invalid="ignore"):
            proven = np.isfinite(gradient.bound) & (np.abs(gradient.value) > gradient.bound)
            opposite = proven & (actual.astype(np.float64) * np.sign(gradient.value) < 0)
        compared, total = compared + int(proven.sum()), total + actual.size
        if not opposite.any():
            continue
        wrong += int(opposite.sum())
        for cause, forgiven in excuses.items():
            if not (_ratio(actual, forgiven[name]) <= 1)[opposite].all():
                explaining.pop(cause, None)
        if first is None:
            at = tuple(int(i) for i in np.argwhere(opposite)[0])
            first = replace(
                parameter_place(evidence, name)(at),
                actual=float(actual[at]),
                expected=float(gradient.value[at]),
                bound=float(gradient.bound[at]),
            )
    verdict = FAIL if wrong else PASS if compared else INCONCLUSIVE
    return Comparison(
        "signs",
        verdict,
        compared,
        message=f"{wrong} of {compared} proven signs are flipped" if wrong else "",
        cause=next(reversed(explaining), UNEXPLAINED) if wrong else None,
        ratio=float("inf") if wrong else 0.0,
        worst=first,
        failing=wrong,
        power={"sign": compared / total},
        requirement="gradient-signs",
    )


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


def _expected(evidence: Evidence, *, own: bool, flushed: bool = False) -> Mapping[str, Bounded]:
    """The gradients at the implementation's states; `own`: with its own activation's slope."""
    tapes = _tapes(evidence, own=own, flushed=flushed)
    return _backpropagated(evidence, tapes, dict(evidence.case.weights), flushed=flushed)


def _tapes(evidence: Evidence, *, own: bool, flushed: bool = False) -> list[list[Tape]]:
    tapes = []
    for layer in range(evidence.config.num_layers):
        steps = [
            direction_steps(evidence, layer, d == 1) for d in range(evidence.config.directions)
        ]
        tapes.append([_tape(evidence, one, own, flushed) for one in steps])
    return tapes


def _backpropagated(
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


def _terms(evidence: Evidence) -> Mapping[str, Bounded]:
    """Sums of the magnitudes of all terms, in `value`."""
    tapes = [
        [
            _absolute(_tape(evidence, direction_steps(evidence, layer, d == 1), True))
            for d in range(evidence.config.directions)
        ]
        for layer in range(evidence.config.num_layers)
    ]
    weights = {name: np.abs(array) for name, array in evidence.case.weights.items()}
    return _backpropagated(evidence, tapes, weights, absolute=True)


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
