"""What stands in the padding of x reaches no gradient, and the padding of x gets none.

The gradients with the case's padding (NaN, infinities, large and ordinary numbers) are those
with zeros there, bit for bit; and the gradient of x is 0 in the padding. Padding with lengths
is no input: neither equation nor packing has a term for it.
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

__all__ = ["check"]

PADDING = "padding"


def check(evidence: Evidence) -> Iterator[Comparison]:
    derivatives, case = evidence.observation.derivatives, evidence.case
    if derivatives is None or case.valid.all():
        return
    zero = case.x.dtype.type(0)
    padding = np.broadcast_to(~case.valid[:, :, None], case.x.shape)
    power = {"padding": share(case.x != 0, padding)}
    own = evidence.own_activation()
    flushes = own is not None and own.flushes
    for name, clean in derivatives.clean.items():
        # Adding 0 makes -0.0 and 0.0 one: the sign of a zero is no trace of the padding.
        found, clean = derivatives.found[name] + zero, clean + zero
        result = compare_bits(name, found, clean, case.fmt, parameter_place(evidence, name), "")
        if result.verdict == FAIL:
            beyond = beyond_flushing(found, clean, case.fmt)
            spread = (~np.isfinite(found) & np.isfinite(clean)) | ~differing_bits(found, clean)
            message = f"{result.failing} elements depend on the padding of x, " + (
                "all of them not finite" if spread.all() else "and some of them are finite"
            )
            cause = PADDING if (spread | (flushes & ~beyond)).all() else "unexplained"
            if flushes and not beyond.any():
                cause = "flush"
            result = replace(result, message=message, cause=cause)
        yield stated(result, power)
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
