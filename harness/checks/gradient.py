"""Gradients against backpropagation through time, from the implementation's own states.

The forward pass was seen (`step_residual` judges it): that of the very call that gave the
gradients, where its outputs came with them. So no error of it is charged to the gradient. What
remains is linear: the bound of `reference.gradient` is derived, element by element. The derivative
of tanh is taken at the exact pre-activation of each step, and uncertain by what a correct state may
be off, never beyond [-1, 1]; that of relu is 1 where the own state is positive, and open where
rounding decides that. With small integers and relu every order of evaluation gives the same bits,
and equality is asked.

If an element fails, it is judged again with exactly one cause forgiven: subnormal numbers taken
as 0, if that was measured of the implementation; the derivative 1 - h^2 of its own states; or, of
small integers, another slope of relu at exactly 0, where torch documents 0 and others have others,
if that explains everything that fails.
An element whose bound excludes 0 has a proven sign; the other sign is a failure of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.flushing import with_flushing
from harness.judging.gradient_power import differences
from harness.judging.gradients import (
    expected_gradients,
    gradient_place,
    gradient_ratio,
    gradient_requirement,
    gradients_at,
    tapes_of,
)
from harness.judging.hidden_layers import same_states, unseen
from harness.judging.power import share, stated
from harness.judging.precision import larger_bounds, lower_precision
from harness.judging.unseen_call import RETURN_OUTPUTS, allowed, at_any_states
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Bounded
from reference.arrays import Array, BoolArray, Float64Array
from reference.reverse import Slopes

__all__ = ["gradient"]

Excuses = Mapping[Cause, Mapping[str, Bounded]]
"""Cause -> the gradients and bounds with that cause forgiven."""


@check(
    requirement="gradient-parameters",
    also=("gradient-x", "gradient-h-0", "gradient-signs"),
    difference="gradients that backpropagation through time cannot give",
    applies=aspect("gradient"),
    needs=(Need.OUTPUTS, Need.GRADIENTS),
    probes=(Probe.ZERO, Probe.SIGN, Probe.CARRY, Probe.ROW, Probe.STEP),
)
def gradient(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison for x, each initial state and each parameter; one for all proven signs."""
    derivatives = evidence.observation.derivatives
    if derivatives is None:
        return
    evidence = evidence.under_autograd or evidence
    seen = all(same_states(evidence, layer) for layer in range(evidence.config.num_layers))
    tapes = tapes_of(evidence)
    found = gradients_at(evidence, tapes)
    expected = _but_for_empty_rows(evidence, found.by_name)
    off = differences(evidence, tapes, found)
    excuses = _excuses(evidence, expected)
    exact: Mapping[str, BoolArray] = {}
    if evidence.config.data == "ints" and _whole(evidence):
        terms = gradients_at(evidence, tapes, absolute=True).by_name
        exact = {n: one.value < 2.0**evidence.case.fmt.precision for n, one in terms.items()}
        slopes = _open_at_zero(evidence, terms)
        if _explains(slopes, evidence, derivatives.clean, expected, exact):
            excuses = {**excuses, Cause.SLOPE: slopes}
    within = None if exact else _at_any_states(evidence, derivatives.clean, expected)
    for name, actual in derivatives.clean.items():
        forgiven = {cause: gradients[name] for cause, gradients in excuses.items()}
        one, strict = expected[name], exact.get(name)
        other = None if within is None else within[name]
        for result in _judge(evidence, name, actual, one, forgiven, strict, off[name], other):
            yield result if seen else unseen(result)
    if evidence.config.cotangents == "zero":
        return  # which have no sign
    result = _signs(evidence, derivatives.clean, expected, excuses, within)
    yield result if seen else unseen(result)


def _at_any_states(
    evidence: Evidence, found: Mapping[str, Array], expected: Mapping[str, Bounded]
) -> Mapping[str, Bounded] | None:
    """Only where something fails, since such bounds are wide, and dear."""
    if any(_held(evidence, n, a, expected[n], None)[1].any() for n, a in found.items()):
        return at_any_states(evidence)
    return None


def _but_for_empty_rows(
    evidence: Evidence, expected: Mapping[str, Bounded]
) -> Mapping[str, Bounded]:
    """Without a bound where an implementation gives no initial state as the final one of a layer's
    row without steps: then nothing depends on it (`last_state` judges that). Where the initial
    state is 0 itself, the others tell.
    """
    empty = evidence.case.last_step < 0
    found = dict(expected)
    for state, initial in evidence.case.initial.items():
        other = empty & (evidence.outputs[f"{state}_n"] != initial).any(axis=2)
        open_ = other | (empty & (initial == 0).all(axis=2) & other.any())
        one = found[f"{state}_0"]
        found[f"{state}_0"] = replace(one, bound=np.where(open_[:, :, None], np.inf, one.bound))
    return found


def _whole(evidence: Evidence) -> bool:
    """Whether all states are integers: `exact_lane` says so where they should be, and are not."""
    outputs = [one["output"] for one in (evidence.outputs, *evidence.observation.hidden)]
    return all(bool((output == np.rint(output)).all()) for output in outputs)


def _held(
    evidence: Evidence, name: str, actual: Array, gradient: Bounded, exact: BoolArray | None
) -> tuple[Float64Array, BoolArray, BoolArray]:
    """Each element's part of its bound; whether it fails; whether it is judged."""
    ratio = gradient_ratio(actual, gradient)
    if exact is not None:
        ratio = np.where(exact, np.where(actual == gradient.value, 0.0, np.inf), ratio)
    with np.errstate(over="ignore"):
        defined = gradient.magnitude < evidence.case.fmt.largest  # NaN and infinities are not
    surely = np.isnan(gradient.value) & _passes_nan_on(evidence)
    ratio = np.where(surely, np.where(np.isnan(actual), 0.0, np.inf), ratio)
    defined |= surely
    if name == "x":
        defined &= evidence.case.valid[:, :, None]
    return ratio, defined & ~(ratio <= 1), defined


def _passes_nan_on(evidence: Evidence) -> bool:
    """Whether a gradient that is NaN here is so in any evaluation: NaN times anything is NaN, and
    so are the slopes of tanh and sigmoid there. That of relu is a matter of convention, and what
    has no cotangent, or is infinite, may be left out of a sum: a loss of outputs or of final states
    reaches every step, one of a single step does not.
    """
    case, config = evidence.case, evidence.config
    x = case.x[case.valid]
    arrays = [x, *case.initial.values(), *case.weights.values()]
    return (
        "relu" not in config.cell.activations
        and config.cotangents not in ("zero", "sparse", "c_n")
        and not config.drops
        and bool(np.isnan(x).any())
        and not any(np.isinf(array).any() for array in arrays)
    )


def _judge(
    evidence: Evidence,
    name: str,
    actual: Array,
    gradient: Bounded,
    forgiven: Mapping[Cause, Bounded],
    exact: BoolArray | None,
    off: Mapping[Probe, Float64Array],
    within: Bounded | None = None,
) -> Iterator[Comparison]:
    ratio, bad, defined = _held(evidence, name, actual, gradient, exact)
    open_ = (
        np.zeros_like(bad) if within is None else bad & allowed(actual, within, evidence.case.fmt)
    )
    bad, defined = bad & ~open_, defined & ~open_
    left, causes = bad, []
    for cause, excused in forgiven.items():
        elements = left & (gradient_ratio(actual, excused) <= 1)
        causes.append((cause, elements))
        left = left & ~elements
    place = gradient_place(evidence, name)
    bound = gradient.bound if exact is None else np.where(exact, 0.0, gradient.bound)
    # Gradients of 0 are linear in nothing: every fault that a probe stands for gives 0 as well.
    none = evidence.config.cotangents == "zero"
    shares = {} if none else _power(gradient.value, bound, defined, off)
    for cause, elements in (*causes, (Cause.UNEXPLAINED, left)):
        if elements.any():
            others = defined & ~(bad & ~elements)
            result = compare(
                name, actual, gradient.value, ratio, evidence.case.fmt, place, defined=others
            )
            message = f"{result.failing} of {result.compared} elements beyond what rounding allows"
            result = replace(result, cause=cause, message=message)
            yield stated(replace(result, requirement=gradient_requirement(name)), shares)
    if not bad.any():
        result = compare(
            name, actual, gradient.value, ratio, evidence.case.fmt, place, defined=defined
        )
        if open_.any():
            result = replace(result, verdict=Verdict.INCONCLUSIVE, message=RETURN_OUTPUTS)
        yield stated(replace(result, requirement=gradient_requirement(name)), shares)


def _power(
    value: Float64Array, bound: Float64Array, defined: BoolArray, off: Mapping[Probe, Float64Array]
) -> dict[Probe, float]:
    """Share of elements at which 0, the other sign, or a fault of `off` would have been seen."""
    with np.errstate(invalid="ignore"):
        return {
            name: share(~(np.abs(change) <= bound), np.broadcast_to(defined, change.shape))
            for name, change in {Probe.SIGN: 2 * value, Probe.ZERO: value, **off}.items()
        }


def _excuses(evidence: Evidence, expected: Mapping[str, Bounded]) -> Excuses:
    """Only what was measured of the implementation's activation, alone, or seen in its answer."""

    def flushed() -> tuple[Cause, Mapping[str, Bounded]]:
        return Cause.FLUSH, expected_gradients(evidence, flushed=True)

    return dict(with_flushing(evidence, _others(evidence, expected), flushed))


def _others(
    evidence: Evidence, expected: Mapping[str, Bounded]
) -> Iterator[tuple[Cause, Mapping[str, Bounded]]]:
    own, lower = evidence.own_activations(), lower_precision(evidence)
    if lower is not None:
        larger = larger_bounds(evidence, lower)
        bounds = {name: replace(one, bound=larger * one.bound) for name, one in expected.items()}
        yield Cause.PRECISION, bounds
    elif own is not None and own.errs:
        error = own.error_range
        yield Cause.ACTIVATION, expected_gradients(evidence, own=True, activation_error=error)


def _open_at_zero(evidence: Evidence, terms: Mapping[str, Bounded]) -> Mapping[str, Bounded]:
    """With any slope of relu at exactly 0, where gradients depend on it; nothing else forgiven.

    Where they do, such slopes of 1/2 add to the magnitudes of all `terms`.
    """
    tapes = tapes_of(evidence, Slopes(open_at_zero=True))
    more, found = gradients_at(evidence, tapes, absolute=True).by_name, {}
    for name, gradient in gradients_at(evidence, tapes).by_name.items():
        depends = more[name].value > terms[name].value
        found[name] = Bounded(gradient.value, np.where(depends, gradient.bound, 0.0))
    return found


def _explains(
    slopes: Mapping[str, Bounded],
    evidence: Evidence,
    found: Mapping[str, Array],
    expected: Mapping[str, Bounded],
    exact: Mapping[str, BoolArray],
) -> bool:
    """Whether everything that fails is what other slopes give: then nothing else is wrong."""
    for name, actual in found.items():
        _, bad, _ = _held(evidence, name, actual, expected[name], exact[name])
        if not (gradient_ratio(actual, slopes[name]) <= 1)[bad].all():
            return False
    return True


def _signs(
    evidence: Evidence,
    found: Mapping[str, Array],
    expected: Mapping[str, Bounded],
    excuses: Excuses,
    within: Mapping[str, Bounded] | None = None,
) -> Comparison:
    """Every element whose bound excludes 0 has the sign of what is expected."""
    compared, wrong, first, total = 0, 0, None, 0
    explaining = dict(excuses)  # those that explain every flipped sign so far
    for name, actual in found.items():
        gradient = expected[name]
        with np.errstate(invalid="ignore"):
            proven = np.isfinite(gradient.bound) & (np.abs(gradient.value) > gradient.bound)
            opposite = proven & (actual.astype(np.float64) * np.sign(gradient.value) < 0)
        if within is not None:
            opposite &= ~allowed(actual, within[name], evidence.case.fmt)
        compared, total = compared + int(proven.sum()), total + actual.size
        if not opposite.any():
            continue
        wrong += int(opposite.sum())
        for cause, forgiven in excuses.items():
            if not (gradient_ratio(actual, forgiven[name]) <= 1)[opposite].all():
                explaining.pop(cause, None)
        if first is None:
            at = tuple(int(i) for i in np.argwhere(opposite)[0])
            first = replace(
                gradient_place(evidence, name)(at),
                actual=float(actual[at]),
                expected=float(gradient.value[at]),
                bound=float(gradient.bound[at]),
            )
    verdict = Verdict.FAIL if wrong else Verdict.PASS if compared else Verdict.INCONCLUSIVE
    return Comparison(
        "signs",
        verdict,
        compared,
        message=f"{wrong} of {compared} proven signs are flipped" if wrong else "",
        cause=next(reversed(explaining), Cause.UNEXPLAINED) if wrong else None,
        ratio=float("inf") if wrong else 0.0,
        worst=first,
        failing=wrong,
        power={Probe.SIGN: compared / total},
        requirement="gradient-signs",
    )
