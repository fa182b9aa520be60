"""What stands in the padding of x reaches no gradient, and the padding of x gets none.

The gradients with the case's padding (NaN, infinities, large and ordinary numbers) are those
with zeros there, bit for bit; where they are not finite, so are they with the numbers alone; and
the gradient of x is 0 in the padding. Padding with lengths is no input: neither equation nor
packing has a term for it. Where the valid steps of a row hold NaN, that may be what makes the
gradient of its padding NaN: a cause of its own.

Where an implementation flushes subnormal numbers in one of the two calls and not in the other, its
states are others, and a derivative of relu may be 0 in the one and 1 in the other: gradients are
then compared only where they are not finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import numpy as np

from harness.axes import output_names
from harness.bits import beyond_flushing, differing_bits
from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import NOTHING_DROPPED, PADDING, aspect
from harness.judging.excuses import by_own_activations
from harness.judging.flushing import flushes
from harness.judging.gradients import expected_gradients, gradient_place, gradient_ratio
from harness.judging.power import share, stated
from harness.observe import Derivatives
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array, BoolArray

__all__ = ["gradient_padding"]


def _has_padding(case: Case) -> bool:
    return not bool(case.valid.all())


@check(
    requirement="gradient-padding",
    difference="what stands in the padding reaches gradients",
    applies=aspect("gradient") & PADDING & NOTHING_DROPPED,
    needs=(Need.OUTPUTS, Need.GRADIENTS),
    probes=(Probe.PADDING,),
    admits=_has_padding,
)
def gradient_padding(evidence: Evidence) -> Iterator[Comparison]:
    derivatives, case = evidence.observation.derivatives, evidence.case
    if derivatives is None or case.valid.all():
        return
    padding = np.broadcast_to(~case.valid[:, :, None], case.x.shape)
    power = {Probe.PADDING: share(case.x != 0, padding)}
    rounded = _rounded_in_one(evidence, derivatives)
    moved = rounded or _flushed_in_one(evidence, derivatives)
    for name, clean in derivatives.clean.items():
        yield stated(_compared(evidence, name, derivatives.found[name], clean, moved), power)
        if derivatives.finite is not None:
            numbers = _compared(evidence, name, derivatives.finite[name], clean)
            cause = Cause.UNEXPLAINED if numbers.cause is Cause.PADDING else numbers.cause
            part = f"{name}, finite padding"
            yield stated(replace(numbers, part=part, cause=cause), power)
    if derivatives.padded is not None and derivatives.outputs is not None:
        for name, clean in derivatives.outputs.items():
            result = _compared(evidence, name, derivatives.padded[name], clean)
            other = rounded and result.cause is Cause.UNEXPLAINED
            yield stated(replace(result, cause=Cause.ROUNDING) if other else result, power)
    of_x = derivatives.clean["x"]
    ratio = np.where(of_x == 0, 0.0, np.inf)
    of_padding = compare(
        "x in the padding",
        of_x,
        np.zeros(of_x.shape),
        ratio,
        case.fmt,
        gradient_place(evidence, "x"),
        defined=padding,
    )
    if of_padding.verdict == Verdict.FAIL:
        message = f"{of_padding.failing} elements of padding have a gradient"
        spread = ~padding | (of_x == 0) | (np.isnan(of_x) & _rows_of_nan(case))
        cause = Cause.SPREAD if spread.all() else Cause.UNEXPLAINED
        of_padding = replace(of_padding, message=message, cause=cause)
    yield of_padding


def _rows_of_nan(case: Case) -> BoolArray:
    """(B, 1): rows with NaN in what counts of x."""
    found: BoolArray = (np.isnan(case.x) & case.valid[:, :, None]).any(axis=(0, 2))[:, None]
    return found


def _flushed_in_one(evidence: Evidence, derivatives: Derivatives) -> bool:
    """Whether the states of both calls differ, and by flushing alone."""
    fmt = evidence.case.fmt
    if derivatives.padded is None or derivatives.outputs is None or not flushes(evidence):
        return False
    pairs = [(derivatives.padded[name], clean) for name, clean in derivatives.outputs.items()]
    differ = any(bool(differing_bits(padded, clean).any()) for padded, clean in pairs)
    return differ and not any(bool(beyond_flushing(*pair, fmt).any()) for pair in pairs)


def _rounded_in_one(evidence: Evidence, derivatives: Derivatives) -> bool:
    """Whether the states of both calls differ, and by errors of the own activations alone."""
    if derivatives.padded is None or derivatives.outputs is None:
        return False
    padded = {name: derivatives.padded[name] for name in derivatives.outputs}
    differ = any(
        bool(differing_bits(padded[n], clean).any()) for n, clean in derivatives.outputs.items()
    )
    return differ and by_own_activations(evidence, derivatives.outputs, padded)


def _rounded_unseen(evidence: Evidence, name: str, found: Array, clean: Array) -> bool:
    """Whether both, where they are numbers, are what errors of the own activations alone may make
    of them: the states of these calls are not known, and may be others by those.
    """
    observation, own = evidence.observation, evidence.own_activations()
    seen = observation.derivatives is None or observation.derivatives.outputs is not None
    if seen or observation.outputs is None or own is None or not own.errs:
        return False
    legal = expected_gradients(evidence, own=True, activation_error=own.error_range)[name]
    numbers = np.isfinite(found) & np.isfinite(clean)
    return all(bool((gradient_ratio(a, legal) <= 1)[numbers].all()) for a in (found, clean))


def _flushed_in_backward(evidence: Evidence, name: str, found: Array, clean: Array) -> BoolArray:
    """Where both are gradients at the same states, one with subnormal numbers taken as 0."""
    at = evidence.under_autograd or evidence
    legal = [expected_gradients(at, flushed=flushed)[name] for flushed in (False, True)]
    first, second = (
        np.logical_or(*(gradient_ratio(array, one) <= 1 for one in legal))
        for array in (found, clean)
    )
    return cast(BoolArray, first & second)


def _compared(
    evidence: Evidence, name: str, found: Array, clean: Array, moved: bool = False
) -> Comparison:
    """A gradient with something in the padding, and with zeros there; `moved`: at other states."""
    fmt = evidence.case.fmt
    # Adding 0 makes -0.0 and 0.0 one: the sign of a zero is no trace of the padding.
    zero = clean.dtype.type(0)
    found, clean = found + zero, clean + zero
    output = name in output_names(evidence.config)
    place = locate(evidence.config, name) if output else gradient_place(evidence, name)
    result = compare_bits(name, found, clean, fmt, place, "")
    if result.verdict != Verdict.FAIL:
        return result
    moved = moved or (not output and _rounded_unseen(evidence, name, found, clean))
    flushed = flushes(evidence)
    beyond = beyond_flushing(found, clean, fmt)
    spread = (~np.isfinite(found) & np.isfinite(clean)) | ~differing_bits(found, clean)
    message = f"{result.failing} elements depend on the padding of x, " + (
        "all of them not finite" if spread.all() else "and some of them are finite"
    )
    if moved and not (spread & differing_bits(found, clean)).any():
        message = "the two calls have other states, by rounding or by flushing subnormal numbers"
        return Comparison(name, Verdict.INCONCLUSIVE, 0, message)
    excused = moved | (flushed & ~beyond)
    if flushed and not output and evidence.observation.outputs is not None:
        excused = excused | _flushed_in_backward(evidence, name, found, clean)
    cause = Cause.PADDING if (spread | excused).all() else Cause.UNEXPLAINED
    if flushed and (~beyond | (excused & ~spread)).all():
        cause = Cause.FLUSH
    return replace(result, message=message, cause=cause)
