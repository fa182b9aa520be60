"""|h| <= 1 for tanh, in every valid output and every h_n, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.comparison import FAIL, Comparison, compare
from harness.evidence import Evidence, locate_output

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    """Outputs only: h_n is an output of a valid step (`last_state`) or an h_0 of any size."""
    output = evidence.forward.output
    expected = np.clip(output.astype(np.float64), -1, 1)
    result = compare(
        "output",
        output,
        expected,
        np.abs(output.astype(np.float64)),
        evidence.case.fmt,
        locate_output(evidence.config),
        defined=np.broadcast_to(evidence.case.valid[:, :, None], output.shape)
        & np.isfinite(output),
    )
    if result.verdict == FAIL:
        own = evidence.own_activation()
        explained = own is not None and float(np.nanmax(np.abs(output))) <= own.largest
        result = replace(
            result,
            message=f"{result.failing} of {result.compared} outputs of tanh exceed 1",
            cause="activation" if explained else "unexplained",
        )
    yield result
