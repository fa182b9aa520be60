"""What stands in the padding of x reaches no gradient, and the padding of x gets none.

The gradients with the case's padding (NaN, infinities, large and ordinary numbers) are those
with zeros there, bit for bit; and the gradient of x is 0 in the padding. Padding with lengths
is no input: neither equation nor packing has a term for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.gradient import parameter_place
from harness.comparison import FAIL, Comparison, compare, compare_bits
from harness.evidence import Evidence

__all__ = ["check"]

PADDING = "padding"


def check(evidence: Evidence) -> Iterator[Comparison]:
    derivatives, case = evidence.observation.derivatives, evidence.case
    if derivatives is None or case.valid.all():
        return
    for name, clean in derivatives.clean.items():
        found = derivatives.found[name]
        result = compare_bits(name, found, clean, case.fmt, parameter_place(evidence, name), "")
        if result.verdict == FAIL:
            unlike = int((~np.isfinite(found) & np.isfinite(clean)).sum())
            what = f"{unlike} of them not finite" if unlike else "all finite"
            message = f"{result.failing} elements depend on the padding of x, {what}"
            result = replace(result, message=message, cause=PADDING)
        yield result
    padding = np.broadcast_to(~case.valid[:, :, None], case.x.shape)
    of_x = derivatives.clean["x"]
    ratio = np.where(of_x == 0, 0.0, np.inf)
    zero = compare(
        "x in the padding",
        of_x,
        np.zeros(of_x.shape),
        ratio,
        case.fmt,
        parameter_place(evidence, "x"),
        defined=padding,
    )
    if zero.verdict == FAIL:
        message = f"{zero.failing} elements of padding have a gradient"
        zero = replace(zero, message=message, cause="unexplained")
    yield zero
