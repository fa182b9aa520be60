"""The error of the oracle, measured in ball arithmetic, over the bound that it claims for itself.

The oracle evaluates in float64. Its own share of the bounds of `reference.intervals` and
`reference.gradient` is therefore a claim that can be checked, element by element, against balls
that are 10^60 times narrower:

states     Each step from the oracle's own previous state. The pre-activation errs by at most
           gamma_n m + n eta / 2, NumPy's tanh by 4 ulp; so the state lies within
           [act(a - E), act(a + E)] widened by that. Nothing accumulates, so this is
           asked at any length.
intervals  The interval that judges implementations is computed in float64, too. Every number of
           the format that lies in the exact one, evaluated in balls, must lie in the computed one.
gradients  At the oracle's own states the gradients are sums, and `backpropagate` bounds what
           rounding does to them: for fp64 twice, an implementation's and its own; half of that is
           the oracle's. The derivative 1 - h^2 errs by one u in float64.

A ratio is an error over its bound: above 1 it lies outside. From start to end no bound is claimed;
those errors are only measured, in ulp of float64 at the largest element of an array.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from flint import arb

from harness.axes import shape_of
from harness.case import Case, cotangents
from harness.data import NUMPY_DTYPES
from harness.judging.steps import direction_steps
from reference import FORMATS, TANH_ULPS, Bounded, Format, evaluate, gamma, parameters_of
from reference.activations import ORACLE_ULPS
from reference.arrays import Array, Float64Array
from reference.gradient import backpropagate, gradients, previous_states
from reference.reverse import Slopes, Tape, record
from tests.campaigns import ball_arithmetic, ball_gradients
from tests.campaigns.evidence_from_arrays import evidence_of

FP64 = FORMATS["fp64"]


@dataclass
class OracleErrors:
    """Of many cases: how many elements were compared, and the largest ratio of error to bound.

    All by question: `states`, `intervals`, `gradients`. `left_out` counts by question and reason;
    `outside` lists what lies outside; `ulps` holds distances from start to end.
    """

    compared: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    largest: dict[str, tuple[float, str]] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    ulps: dict[str, list[Float64Array]] = field(default_factory=dict)

    def take(self, question: str, ratio: float, where: str) -> None:
        """Note the ratio of one element."""
        self.compared[question] += 1
        if ratio > self.largest.get(question, (-1.0, ""))[0]:
            self.largest[question] = (ratio, where)
        if not ratio <= 1:
            self.outside.append(f"{question}: ratio {ratio:.3g} at {where}")


def enclose(case: Case, errors: OracleErrors) -> None:
    """Ask everything of one case; gradients where its config asks for them."""
    config = case.config
    equation = ball_arithmetic.Equation(
        case.weights, config.num_layers, config.nonlinearity, config.bias, config.bidirectional
    )
    outputs, h_n = _oracle(case)
    _states(case, equation, outputs, h_n, errors)
    _ends(case, outputs, h_n, errors)
    layers, last = ball_arithmetic.states(equation, case.x, case.inputs.get("h_0"), case.lengths)
    _distances("output", outputs[-1], layers[-1], errors)
    _distances("h_n", h_n, last, errors)
    if config.aspect == "gradient":
        _gradients(case, equation, outputs, errors)
        left = ball_arithmetic.undecided(config.nonlinearity, layers)
        if left:
            errors.left_out["start to end", "slope of relu undecided"] += left


def _oracle(case: Case) -> tuple[list[Array], Array]:
    """The output of every layer, and h_n, by the reference in float64."""
    config = case.config
    outputs = []
    for layers in range(1, config.num_layers + 1):
        names = (n for n in case.weights if int(n.split("_l")[1].split("_")[0]) < layers)
        found = evaluate(
            config.cell,
            case.x,
            {name: a[: layers * config.directions] for name, a in case.initial.items()},
            {name: case.weights[name] for name in names},
            num_layers=layers,
            bias=config.bias,
            bidirectional=config.bidirectional,
            lengths=case.lengths,
        )
        outputs.append(found["output"])
    return outputs, found["h_n"]


def _states(
    case: Case,
    equation: ball_arithmetic.Equation,
    outputs: list[Array],
    h_n: Array,
    errors: OracleErrors,
) -> None:
    config = case.config
    evidence = evidence_of(case, outputs, h_n)
    computed = {
        (layer, side): direction_steps(evidence, layer, side == 1)
        for layer in range(config.num_layers)
        for side in range(config.directions)
    }
    given = (equation, case.x, case.inputs.get("h_0"), case.lengths)
    for step in ball_arithmetic.steps_from(*given, outputs):
        at = computed[step.layer, step.side]
        place = (step.t, step.row)
        for unit, (a, m, stored) in enumerate(zip(step.a, step.m, step.stored, strict=True)):
            where = f"layer {step.layer}.{step.side}, step {step.t}, row {step.row}, {config.id}"
            if not m.is_finite():
                errors.left_out["states", "operands not finite"] += 1
                continue
            actual = arb(float(at.actual[(*place, unit)]))
            error = _upper(gamma(step.terms, FP64.unit_roundoff), m, step.terms, FP64)
            if m + error >= FP64.largest:
                errors.left_out["states", "sums may overflow float64"] += 1
                continue
            ends = _interval(config.nonlinearity, a, error, ORACLE_ULPS, FP64)
            exact = ball_arithmetic.activation(config.nonlinearity, a)
            errors.take("states", _ratio(actual, exact, *ends), where)
            if not at.defined[(*place, unit)]:
                errors.left_out["intervals", f"sums may overflow {config.dtype}"] += 1
                continue
            error = _upper(
                gamma(step.terms + 1, case.fmt.unit_roundoff), m, step.terms + stored, case.fmt
            )
            low, high = _interval(config.nonlinearity, a, error, TANH_ULPS, case.fmt)
            interval = at.interval
            for end, limit, sign in (
                (low, float(interval.low[(*place, unit)]), -1),
                (high, float(interval.high[(*place, unit)]), 1),
            ):
                ratio = _ratio(end, exact, arb(limit), arb(limit))
                if _refused(end, limit, sign, config.dtype):
                    errors.take("intervals", max(ratio, np.nextafter(1.0, 2.0)), where)
                else:
                    errors.take("intervals", min(ratio, 1.0), where)


def _ends(case: Case, outputs: list[Array], h_n: Array, errors: OracleErrors) -> None:
    """What no step asks about, exactly: h_n is the last valid state, or h_0; the padding is 0."""
    config, sides = case.config, case.config.directions
    for layer, output in enumerate(outputs):
        if output[~case.valid].any():
            errors.outside.append(f"padding: layer {layer} is not 0 there, {config.id}")
        for side, states in enumerate(np.split(output, sides, axis=2)):
            index = layer * sides + side
            start = case.start("h", index)
            for row, last in enumerate(case.last_step):
                expected = start[row] if last < 0 else states[0 if side else last, row]
                if not np.array_equal(h_n[index, row], expected, equal_nan=True):
                    errors.outside.append(f"h_n: layer {layer}.{side}, row {row}, {config.id}")


def _upper(relative: float, m: arb, terms: arb | int, fmt: Format) -> arb:
    """gamma m + terms eta / 2, rounded up."""
    return (relative * m + terms * arb(fmt.smallest_subnormal) / 2).upper()


def _interval(nonlinearity: str, a: arb, error: arb, ulps: float, fmt: Format) -> tuple[arb, arb]:
    """[act(a - E), act(a + E)], a tanh widened by so many of the largest ulp in it."""
    low, high = (ball_arithmetic.activation(nonlinearity, a + e) for e in (-error, error))
    if nonlinearity == "tanh":
        largest = max(float(abs(end).upper()) for end in (low, high))
        widening = ulps * float(fmt.ulp(min(largest, 1 - fmt.unit_roundoff)))
        low, high = low - widening, high + widening
    return low, high


def _ratio(actual: arb, exact: arb, low: arb, high: arb) -> float:
    """Distance from the exact value over that of the interval's end, 0 at the value itself."""
    distance = actual - exact
    if not distance.is_finite():
        return float("inf")  # a NaN "contains" every number
    if distance.contains(0):
        return 0.0
    width = high - exact if distance > 0 else exact - low
    ratio = (abs(distance) / width).upper()
    return float(ratio) if ratio.is_finite() and width > 0 else float("inf")


def _refused(end: arb, limit: float, sign: int, dtype: str) -> bool:
    """Whether some number of the format lies within the exact end, and beyond the computed one."""
    nearest = float(end.mid())
    if sign * (nearest - limit) <= 0:
        return False
    with np.errstate(over="ignore"):
        number = NUMPY_DTYPES[dtype].type(nearest)
    if sign * (arb(float(number)) - end) > 0:
        number = np.nextafter(number, NUMPY_DTYPES[dtype].type(-sign * np.inf))
    return bool(sign * (float(number) - limit) > 0)


def _gradients(
    case: Case, equation: ball_arithmetic.Equation, outputs: list[Array], errors: OracleErrors
) -> None:
    """Against balls at the oracle's own states; the distance from start to end beside it."""
    config = case.config
    absent = {name: np.zeros(shape_of(config, name)) for name in ("output", "h_n")}
    of = {**absent, **cotangents(case)}
    found = gradients(
        config.cell,
        case.x,
        case.initial,
        case.weights,
        of["output"],
        {"h": of["h_n"]},
        num_layers=config.num_layers,
        bias=config.bias,
        bidirectional=config.bidirectional,
        lengths=case.lengths,
    )
    bounded = backpropagate(
        _tapes(case, outputs),
        of["output"].astype(np.float64),
        {"h": of["h_n"].astype(np.float64)},
        bias=config.bias,
        valid=case.valid,
        fmt=FP64,
    ).by_name
    given = (equation, case.x, case.inputs.get("h_0"), case.lengths, of["output"], of["h_n"])
    here, true = ball_gradients.gradients(*given, outputs), ball_gradients.gradients(*given)
    for name, gradient in found.items():
        if not np.array_equal(gradient, bounded[name].value, equal_nan=True):
            errors.outside.append(f"gradients: {name} has no bound, {config.id}")
            continue
        share = bounded[name].bound / 2
        for index in np.ndindex(gradient.shape):
            if np.isnan(gradient[index]) and not here[name][index].is_finite():
                errors.left_out["gradients", "operands not finite"] += 1
                continue
            if not np.isfinite(share[index]):
                errors.left_out["gradients", "no bound: sums may overflow float64"] += 1
                continue
            exact, actual = here[name][index], arb(float(gradient[index]))
            ends = exact - arb(float(share[index])), exact + arb(float(share[index]))
            where = f"{name}{list(index)}, {config.id}"
            errors.take("gradients", _ratio(actual, exact, *ends), where)
        _distances("gradients", gradient, true[name], errors)


def _tapes(case: Case, outputs: list[Array]) -> list[list[Tape]]:
    """The oracle's forward pass, recorded, its derivatives with what float64 does to them."""
    config = case.config
    tapes: list[list[Tape]] = []
    below = np.where(case.valid[:, :, None], case.x.astype(np.float64), 0.0)
    for layer, output in enumerate(outputs):
        tapes.append([])
        for side, states in enumerate(np.split(output, config.directions, axis=2)):
            start = case.start("h", layer * config.directions + side).astype(np.float64)
            before = {"h": previous_states(states, start, case.valid, side == 1)}
            parameters = parameters_of(config.cell, case.weights, layer, side == 1, config.bias)
            tape = record(config.cell, parameters, below, before, FP64, Slopes())
            for node in tape.nodes:
                if node.activation:
                    node.factors = (_slope(config.nonlinearity, states),)
            tapes[-1].append(tape)
        below = output
    return tapes


def _slope(nonlinearity: str, states: Array) -> Bounded:
    """act' at the oracle's own states."""
    if nonlinearity == "tanh":
        # Two roundings, each at most u; twice that, as all bounds for fp64 are.
        return Bounded(1 - states * states, np.full(states.shape, 2.01 * 2.0**-53 * 2))
    return Bounded((states > 0).astype(np.float64), np.zeros(states.shape))


def _distances(name: str, actual: Array, exact: Array, errors: OracleErrors) -> None:
    """In ulp of float64 at the largest element, where both are finite."""
    pairs = [
        (value, ball)
        for value, ball in zip(actual.ravel(), exact.ravel(), strict=True)
        if np.isfinite(value) and ball.is_finite()
    ]
    if len(pairs) < actual.size:
        errors.left_out["start to end", "not finite"] += actual.size - len(pairs)
    largest = max((abs(float(ball.mid())) for _, ball in pairs), default=0.0)
    ulp = float(FP64.ulp(largest))
    found = [float(abs(arb(float(value)) - ball).upper()) / ulp for value, ball in pairs]
    errors.ulps.setdefault(name, []).append(np.array(found))
