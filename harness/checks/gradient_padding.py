"""What stands in the padding of x reaches no gradient, and the padding of x gets none.

The gradients with the case's padding (NaN, infinities, large and ordinary numbers) are those
with zeros there, bit for bit; where they are not finite, so are they with the numbers alone; and
the gradient of x is 0 in the padding. Padding with lengths is no input: neither equation nor
packing has a term for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.bits import beyond_flushing, differing_bits
from harness.checks.gradient import parameter_place
from harness.checks.power import share, stated
from harness.comparison import FAIL, Comparison, compare, compare_bits
from harness.evidence import Evidence
from reference.arrays import Array

__all__ = ["check"]

PADDING = "padding"


def check(evidence: Evidence) -> Iterator[Comparison]:
    derivatives, case = evidence.observation.derivatives, evidence.case
    if derivatives is None or case.valid.all():
        return
    padding = np.broadcast_to(~case.valid[:, :, None], case.x.shape)
    power = {"padding": share(case.x != 0, padding)}
    for name, clean in derivatives.clean.items():
        yield stated(_compared(evidence, name, derivatives.found[name], clean), power)
        if derivatives.finite is not None:
            numbers = _compared(evidence, name, derivatives.finite[name], clean)
            cause = "unexplained" if numbers.cause == PADDING else numbers.cause
            part = f"{name}, finite padding"
            yield stated(replace(numbers, part=part, cause=cause), power)
    of_x = derivatives.clean["x"]
    ratio = np.where(of_x == 0, 0.0, np.inf)
    of_padding = compare(
        "x in the padding",
        of_x,
        np.zeros(of_x.shape),
        ratio,
        case.fmt,
        parameter_place(evidence, "x"),
        defined=padding,
    )
    if of_padding.verdict == FAIL:
        message = f"{of_padding.failing} elements of padding have a gradient"
        of_padding = replace(of_padding, message=message, cause="unexplained")
    yield of_padding


def _compared(evidence: Evidence, name: str, found: Array, clean: Array) -> Comparison:
    """A gradient with something in the padding, and with zeros there."""
    fmt, own = evidence.case.fmt, evidence.own_activation()
    # Adding 0 makes -0.0 and 0.0 one: the sign of a zero is no trace of the padding.
    zero = clean.dtype.type(0)
    found, clean = found + zero, clean + zero
    result = compare_bits(name, found, clean, fmt, parameter_place(evidence, name), "")
    if result.verdict != FAIL:
        return result
    flushes = own is not None and own.flushes
    beyond = beyond_flushing(found, clean, fmt)
    spread = (~np.isfinite(found) & np.isfinite(clean)) | ~differing_bits(found, clean)
    message = f"{result.failing} elements depend on the padding of x, " + (
        "all of them not finite" if spread.all() else "and some of them are finite"
    )
    cause = PADDING if (spread | (flushes & ~beyond)).all() else "unexplained"
    if flushes and not beyond.any():
        cause = "flush"
    return replace(result, message=message, cause=cause)
