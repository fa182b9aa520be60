"""A prefix is faithful: what shows the hidden layers is the stack's own.

Hidden layers are seen by running the same stack cut off after each (`harness.observe`). That
says something about the whole stack only if its h_n of those layers is theirs, bit for bit.
Where the bits differ but the distance is within twice the calibrated tolerance of h_n (two
correct evaluations may round differently) the verdict is `inconclusive`: the stack's hidden
states were then not seen. A NaN in one of the two, where the oracle is NaN however it is moved, is
no rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, compare, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import LAYERS, STATES
from harness.judging.excuses import flushed_extra
from harness.judging.last_step import may_err
from harness.judging.power import differs, share, stated
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["prefix"]


@check(
    requirement="num-layers",
    difference="a stack's hidden layers differ from the same layers as a shorter stack",
    applies=STATES & LAYERS,
    needs=(Need.OUTPUTS,),
    probes=(Probe.LAYER,),
)
def prefix(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison a prefix and final state: all its rows, so hidden layers of prefixes too."""
    directions = evidence.config.directions
    for layers, prefix in enumerate(evidence.observation.hidden, start=1):
        part = f"first {layers} layer{'s' * (layers > 1)}"
        for name, array in prefix.items():
            if name == "output":
                continue
            result = _compare(evidence, part, name, array)
            # The stack has one layer more at least: what if its states were given instead?
            above = evidence.outputs[name][directions : (layers + 1) * directions]
            yield stated(result, {Probe.LAYER: share(differs(above, array))})


def _compare(evidence: Evidence, part: str, name: str, prefix: Array) -> Comparison:
    layers, fmt = slice(0, len(prefix)), evidence.case.fmt
    rows = evidence.case.rows_with(name)
    stack, place = evidence.outputs[name][layers], locate(evidence.config, name)
    message = f"{name} of the whole stack differs from {name} of its first layers alone"
    alike = np.where(rows[:, None], stack, prefix)
    result = compare_bits(part, alike, prefix, fmt, place, message)
    if result.verdict != Verdict.FAIL:
        return result
    tolerance = 2 * may_err(evidence)[name][layers]
    expected = prefix.astype(np.float64)
    with np.errstate(all="ignore"):
        distance = np.abs(stack.astype(np.float64) - expected)
        ratio = distance / tolerance
    nan = evidence.oracle.surely_nan[name][layers].astype(bool)
    one_sided = nan & (np.isnan(stack) != np.isnan(prefix))
    ratio = np.where(nan, np.where(one_sided, np.inf, 0.0), ratio)
    defined = (np.isfinite(tolerance) | nan) & rows[:, None]
    judged = compare(part, stack, expected, ratio, fmt, place, defined=defined)
    if judged.verdict != Verdict.FAIL:
        return replace(judged, verdict=Verdict.INCONCLUSIVE, message=message)
    extra = flushed_extra(evidence)
    flushed = extra is not None and bool((distance <= tolerance + extra[name])[defined].all())
    cause = Cause.FLUSH if flushed else Cause.UNEXPLAINED
    return replace(judged, cause=cause, message=message)
