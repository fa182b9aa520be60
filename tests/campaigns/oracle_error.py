"""The error of the oracle, measured in ball arithmetic, over the bound that it claims for itself.

The oracle evaluates in float64. Its own share of the bounds of `reference.intervals` and
`reference.gradient` is therefore a claim that can be checked, element by element, against balls
that are 10^60 times narrower:

states     Each step from the oracle's own previous states, h and c. What float64 may make of it,
           by the rules of `ball_ranges`, holds the state. Nothing accumulates, so this is asked at
           any length.
intervals  The interval that judges implementations is computed in float64, too. Every number of
           the format that lies in the exact one, evaluated in balls from the oracle's own h, with c
           followed from c_0 on, must lie in the computed one; so must every c_n.
gradients  At the oracle's own states the gradients are sums, and `backpropagate` bounds what
           rounding does to them: for fp64 twice, an implementation's and its own; half of that is
           the oracle's. The derivative 1 - h^2 of an h that is given errs by two u in float64.

A ratio is an error over its bound: above 1 it lies outside. From start to end no bound is claimed;
those errors are only measured, in ulp of float64 at the largest element of an array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from flint import arb

from harness.axes import shape_of
from harness.case import Case, cotangents
from harness.data import NUMPY_DTYPES
from harness.judging.steps import States, direction_steps
from reference import FORMATS, Bounded, Exact, evaluate, parameters_of
from reference.arrays import Array, Float64Array
from reference.gradient import backpropagate, gradients, previous_states
from reference.layer import scan
from reference.reverse import Slopes, Tape, record
from tests.campaigns import ball_arithmetic, ball_gradients
from tests.campaigns.ball_ranges import NOT_FINITE, Range, Ranges
from tests.campaigns.correct_evaluations import equation_of
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
    equation = equation_of(case)
    own, finals = _oracle(case)
    _states(case, equation, own, errors)
    _intervals(case, equation, own["h"], finals, errors)
    _ends(case, own, finals, errors)
    layers, last = ball_arithmetic.states(equation, case.x, case.initial, case.lengths)
    _distances("output", own["h"][-1], layers[-1], errors)
    for name, final in finals.items():
        _distances(name, final, last[name.removesuffix("_n")], errors)
    if config.aspect == "gradient":
        _gradients(case, equation, own, errors)
        left = ball_arithmetic.undecided(equation.cell, layers)
        if left:
            errors.left_out["start to end", "slope of relu undecided"] += left


def _oracle(case: Case) -> tuple[dict[str, list[Array]], dict[str, Array]]:
    """All states of every layer by name (T, B, D * n), and the final ones, by the reference in
    float64. Those that no output shows are those of its scans, of which `_ends` sees the last.
    """
    config, first = case.config, case.config.cell.states[0]
    own: dict[str, list[Array]] = {name: [] for name in config.cell.states}
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
        below = case.x if layers == 1 else own[first][-1]
        scanned = [_scanned(case, layers - 1, side, below) for side in range(config.directions)]
        for name, arrays in own.items():
            every = np.concatenate([one[name] for one in scanned], axis=2)
            arrays.append(found["output"] if name == first else every)
    return own, {name: array for name, array in found.items() if name != "output"}


def _scanned(case: Case, layer: int, side: int, below: Array) -> dict[str, Array]:
    """All states of one direction of one layer."""
    config, row = case.config, layer * case.config.directions + side
    return scan(
        config.cell,
        Exact(),
        parameters_of(config.cell, case.weights, layer, side == 1, config.bias),
        np.where(case.valid[:, :, None], below.astype(np.float64), 0.0),
        {name: case.start(name, row).astype(np.float64) for name in config.cell.states},
        case.valid,
        side == 1,
    )[0]


def _states(
    case: Case,
    equation: ball_arithmetic.Equation,
    own: Mapping[str, Sequence[Array]],
    errors: OracleErrors,
) -> None:
    """Every state from the oracle's own ones before the step, within what float64 may do."""
    op = Ranges(FP64, oracle=True)
    for step in ball_arithmetic.walk(equation, op, case.x, case.initial, case.lengths, own):
        for name, value in step.after.items():
            n, found = equation.units[name], op.close(value)
            actual = own[name][step.layer][step.t, step.row, step.side * n : (step.side + 1) * n]
            for unit, reason in enumerate(found.open):
                if reason:
                    errors.left_out["states", reason] += 1
                    continue
                ends = found.low[unit], found.high[unit]
                number = arb(float(actual[unit]))
                where = f"{name}, {_place(step)}, {case.config.id}"
                errors.take("states", _ratio(number, found.exact[unit], *ends), where)


def _place(step: ball_arithmetic.Step) -> str:
    return f"layer {step.layer}.{step.side}, step {step.t}, row {step.row}"


def _intervals(
    case: Case,
    equation: ball_arithmetic.Equation,
    own_h: Sequence[Array],
    finals: Mapping[str, Array],
    errors: OracleErrors,
) -> None:
    """The computed intervals of h after every step, and of other states after the last one."""
    evidence, op = evidence_of(case, own_h, finals), Ranges(case.fmt)
    given = case.x, case.initial, case.lengths
    for step in ball_arithmetic.walk(equation, op, *given, {"h": own_h}):
        steps = direction_steps(evidence, step.layer, step.side == 1)
        judged: dict[str, tuple[States, int]] = {steps.state: (steps, step.t)}
        if step.last:
            judged |= {final.state: (final, 0) for final in steps.finals}
        for name, (of, t) in judged.items():
            _interval(case, op.close(step.after[name]), of, (t, step.row), errors, _place(step))


def _interval(
    case: Case,
    exact: Range,
    judged: States,
    place: tuple[int, int],
    errors: OracleErrors,
    where: str,
) -> None:
    """The ends of one computed interval, unit by unit, against those in balls."""
    computed = judged.interval
    for unit, reason in enumerate(exact.open):
        if reason == NOT_FINITE:
            errors.left_out["intervals", reason] += 1
            continue
        if not judged.defined[(*place, unit)]:
            errors.left_out["intervals", f"sums may overflow {case.config.dtype}"] += 1
            continue
        for end, limit, sign in (
            (exact.low[unit], float(computed.low[(*place, unit)]), -1),
            (exact.high[unit], float(computed.high[(*place, unit)]), 1),
        ):
            ratio = _ratio(end, exact.exact[unit], arb(limit), arb(limit))
            at = f"{judged.part}, {where}, {case.config.id}"
            if _refused(end, limit, sign, case.config.dtype):
                errors.take("intervals", max(ratio, np.nextafter(1.0, 2.0)), at)
            else:
                errors.take("intervals", min(ratio, 1.0), at)


def _ends(
    case: Case,
    own: Mapping[str, Sequence[Array]],
    finals: Mapping[str, Array],
    errors: OracleErrors,
) -> None:
    """What no step asks about, exactly: a final state is the last valid one, or the initial one;
    the padding is 0.
    """
    config, sides = case.config, case.config.directions
    for layer, output in enumerate(own["h"]):
        if output[~case.valid].any():
            errors.outside.append(f"padding: layer {layer} is not 0 there, {config.id}")
    for name, arrays in own.items():
        for index, row in np.ndindex(finals[f"{name}_n"].shape[:2]):
            layer, side = divmod(index, sides)
            last = case.last_step[row]
            states = np.split(arrays[layer], sides, axis=2)[side]
            start = case.start(name, index)[row]
            expected = start if last < 0 else states[0 if side else last, row]
            if not np.array_equal(finals[f"{name}_n"][index, row], expected, equal_nan=True):
                where = f"layer {layer}.{side}, row {row}, {config.id}"
                errors.outside.append(f"{name}_n: {where}")


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
    case: Case,
    equation: ball_arithmetic.Equation,
    own: Mapping[str, Sequence[Array]],
    errors: OracleErrors,
) -> None:
    """Against balls at the oracle's own states; the distance from start to end beside it."""
    config = case.config
    outputs = ("output", *(f"{name}_n" for name in config.cell.states))
    of = {name: np.zeros(shape_of(config, name)) for name in outputs}
    of |= cotangents(case)
    finals = {name: of[f"{name}_n"] for name in config.cell.states}
    found = gradients(
        config.cell,
        case.x,
        case.initial,
        case.weights,
        of["output"],
        finals,
        num_layers=config.num_layers,
        bias=config.bias,
        bidirectional=config.bidirectional,
        lengths=case.lengths,
    )
    bounded = backpropagate(
        _tapes(case, own),
        of["output"].astype(np.float64),
        {name: array.astype(np.float64) for name, array in finals.items()},
        bias=config.bias,
        valid=case.valid,
        fmt=FP64,
    ).by_name
    given = (equation, case.x, case.initial, case.lengths, of)
    here, true = ball_gradients.gradients(*given, own), ball_gradients.gradients(*given)
    for name, gradient in found.items():
        if not np.array_equal(gradient, bounded[name].value, equal_nan=True):
            errors.outside.append(f"gradients: {name} has no bound, {config.id}")
            continue
        where = f"{name}[{{}}], {config.id}"
        _gradient(gradient, here[name], bounded[name].bound / 2, errors, where)
        _distances("gradients", gradient, true[name], errors)


def _gradient(
    gradient: Array, exact: Array, share: Float64Array, errors: OracleErrors, where: str
) -> None:
    """Element by element, within its share of the bound."""
    for index in np.ndindex(gradient.shape):
        if np.isnan(gradient[index]) and not exact[index].is_finite():
            errors.left_out["gradients", "operands not finite"] += 1
            continue
        if not np.isfinite(share[index]):
            errors.left_out["gradients", "no bound: sums may overflow float64"] += 1
            continue
        width = arb(float(share[index]))
        ratio = _ratio(
            arb(float(gradient[index])), exact[index], exact[index] - width, exact[index] + width
        )
        errors.take("gradients", ratio, where.format(", ".join(map(str, index))))


def _tapes(case: Case, own: Mapping[str, Sequence[Array]]) -> list[list[Tape]]:
    """The oracle's forward pass, recorded; the derivative at a state, where Elman's cell has it,
    with what float64 does to it.
    """
    config, sides = case.config, case.config.directions
    tapes: list[list[Tape]] = []
    below = np.where(case.valid[:, :, None], case.x.astype(np.float64), 0.0)
    for layer in range(config.num_layers):
        tapes.append([])
        for side in range(sides):
            states = {n: np.split(a[layer], sides, axis=2)[side] for n, a in own.items()}
            before = {
                name: previous_states(
                    array,
                    case.start(name, layer * sides + side).astype(np.float64),
                    case.valid,
                    side == 1,
                )
                for name, array in states.items()
            }
            parameters = parameters_of(config.cell, case.weights, layer, side == 1, config.bias)
            tape = record(config.cell, parameters, below, before, FP64, Slopes())
            for node in tape.nodes:
                if node.activation and node is tape.after["h"]:
                    node.factors = (_slope(config.nonlinearity, states["h"]),)
            tapes[-1].append(tape)
        below = own["h"][layer]
    return tapes


def _slope(nonlinearity: str, states: Array) -> Bounded:
    """act' at the oracle's own states."""
    if nonlinearity == "tanh":
        # Two roundings, each at most u; twice that, as all bounds for fp64 are.
        return Bounded(1 - states * states, np.full(states.shape, 2.01 * 2.0**-53 * 2))
    slope = np.where(np.isnan(states), np.nan, states > 0)
    return Bounded(slope, np.zeros(states.shape))


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
