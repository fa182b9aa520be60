"""|h| <= 1 for tanh, in every valid output and every h_n, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate_output
from harness.judging.applies import NUMBERS, TANH
from harness.judging.power import share, stated
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.rounding import TANH_ULPS

__all__ = ["bounded"]


@check(
    requirement="nonlinearity",
    difference="outputs of tanh exceed 1",
    applies=NUMBERS & TANH,
    needs=(Need.FORWARD,),
    probes=(Probe.SATURATED,),
)
def bounded(evidence: Evidence) -> Iterator[Comparison]:
    """Outputs only: h_n is an output of a valid step (`last_state`) or an h_0 of any size."""
    output = evidence.forward.output
    expected = np.clip(output.astype(np.float64), -1, 1)
    defined = np.broadcast_to(evidence.case.valid[:, :, None], output.shape) & np.isfinite(output)
    result = compare(
        "output",
        output,
        expected,
        np.abs(output.astype(np.float64)),
        evidence.case.fmt,
        locate_output(evidence.config),
        defined=defined,
    )
    if result.verdict == Verdict.FAIL:
        own = evidence.own_activation()
        explained = own is not None and float(np.nanmax(np.abs(output))) <= own.largest
        result = replace(
            result,
            message=f"{result.failing} of {result.compared} outputs of tanh exceed 1",
            cause=Cause.ACTIVATION if explained else Cause.UNEXPLAINED,
        )
    # Below, a state beyond 1 is further off than a tanh may be, and the residual sees it.
    saturated = np.abs(expected) >= 1 - TANH_ULPS * evidence.case.fmt.ulp(1.0)
    yield stated(result, {Probe.SATURATED: share(saturated, defined)})
