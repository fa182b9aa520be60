"""The output is exactly zero wherever a step lies beyond its row's length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare
from harness.evidence import Evidence, locate
from harness.judging.applies import PADDING, STATES
from harness.judging.power import share, stated
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["padding_zero"]


@check(
    requirement="lengths",
    difference="outputs in the padding are not zero",
    applies=STATES & PADDING,
    needs=(Need.OUTPUTS,),
    probes=(Probe.HELD,),
)
def padding_zero(evidence: Evidence) -> Iterator[Comparison]:
    output = evidence.outputs["output"]
    padding = np.broadcast_to(~evidence.case.valid[:, :, None], output.shape)
    if not padding.any():
        return
    result = compare(
        "output",
        output,
        np.zeros(output.shape),
        np.where(output == 0, 0.0, np.inf),
        evidence.case.fmt,
        locate(evidence.config, "output"),
        defined=padding,
    )
    if result.verdict == Verdict.FAIL:
        message = f"{result.failing} of {result.compared} padded outputs are not zero"
        result = replace(result, message=message, cause=Cause.UNEXPLAINED)
    yield stated(result, {Probe.HELD: share(_held(evidence) != 0, padding)})


def _held(evidence: Evidence) -> Array:
    """What would stand in the padding if the last state were carried through it, (T, B, D * H)."""
    config = evidence.config
    last = evidence.outputs[f"{config.cell.states[0]}_n"][-config.directions :]
    return np.broadcast_to(np.concatenate(list(last), axis=1), evidence.outputs["output"].shape)
