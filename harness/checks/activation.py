"""The activation alone, over its whole range, through the layer itself.

One unit, W_ih = 1, W_hh = 0, no bias, one step: the layer is its activation, and any error is
the activation's. Parts: ranges of |x| from subnormal to beyond 5, against tanh within 5 ulp and
relu exactly; `odd` and `bounded` (tanh); `monotone`, where values that may each err c ulp may fall
by 2 c ulp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import Need, check
from harness.comparison import Comparison, Worst, compare
from harness.evidence import Evidence
from harness.judging.applies import SWEEP, VALUES
from harness.judging.power import share, stated
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import TANH_ULPS, Rounded, allowance
from reference.arrays import BoolArray, Float64Array

__all__ = ["activation"]

RANGES = (1.0, 2.0, 3.0, 4.0, 5.0, np.inf)
"""Upper ends of the ranges of |x| that are judged apart: an error is known where it was seen."""


def _is_its_activation(case: Case) -> bool:
    """One unit, one step, weights 1 and 0: the layer is its activation; points in order."""
    sizes = (case.config.num_layers, case.config.hidden_size, *case.x.shape[::2])
    weights = {name: array.ravel().tolist() for name, array in case.weights.items()}
    points = case.x.ravel()
    return (
        sizes == (1, 1, 1, 1)
        and weights == {"weight_ih_l0": [1.0], "weight_hh_l0": [0.0]}
        and not case.initial
        and bool((points[1:] >= points[:-1]).all())
        and not case.config.bidirectional
    )


@check(
    requirement="activation",
    difference="the activation alone errs more than 5 ulp, or breaks a law of it",
    applies=VALUES & SWEEP,
    needs=(Need.OUTPUTS,),
    probes=(Probe.ERROR, Probe.DIP, Probe.SATURATED),
    admits=_is_its_activation,
)
def activation(evidence: Evidence) -> Iterator[Comparison]:
    for result in _parts(evidence):
        if result.verdict != Verdict.FAIL:
            yield result
            continue
        # An error below the smallest normal number, on subnormals, is that of flushing them.
        flushed = result.part == "subnormal" and (
            (result.max_abs or 0.0) <= evidence.case.fmt.smallest_normal
        )
        yield replace(result, cause=Cause.FLUSH if flushed else Cause.ACTIVATION)


def _parts(evidence: Evidence) -> Iterator[Comparison]:
    config, fmt = evidence.config, evidence.case.fmt
    x = evidence.case.x.ravel().astype(np.float64)
    actual = evidence.outputs["output"].ravel()
    y = actual.astype(np.float64)

    def locate(index: tuple[int, ...]) -> Worst:
        return Worst("output", 0, "forward", 0, index[0], 0)

    def judged(
        part: str, expected: Float64Array, ratio: Float64Array, where: BoolArray | None = None
    ) -> Comparison:
        result = compare(part, actual, expected, ratio, fmt, locate, defined=where)
        if result.verdict != Verdict.FAIL or result.worst is None or result.worst.batch is None:
            return result
        at = float(x[result.worst.batch])
        message = f"{result.failing} of {result.compared} points; worst at x = {at!r}"
        return replace(result, message=message)

    (name,) = config.cell.activations
    op = Rounded(fmt)
    interval = op.activation(name, op.given(evidence.case.x.ravel()))
    allowed = allowance(name, interval.expected, fmt)
    off = interval.expected + np.maximum(2 * allowed, fmt.ulp(interval.expected))
    resolved = (off > interval.high) | np.isinf(off)
    ratio = interval.ratio(y)
    subnormal = (np.abs(x) < fmt.smallest_normal) & (x != 0)
    result = judged("subnormal", interval.expected, ratio, subnormal)
    yield stated(result, {Probe.ERROR: share(resolved, subnormal)})
    low = 0.0
    for high in RANGES:
        inside = ~subnormal & (np.abs(x) >= low) & (np.abs(x) < high)
        inside |= np.isinf(x) & (high == np.inf)
        part = f"{low:g} to {high:g}" if high < np.inf else f"beyond {low:g}"
        result = judged(part, interval.expected, ratio, inside)
        yield stated(result, {Probe.ERROR: share(resolved, inside)})
        low = high
    before = np.maximum.accumulate(np.where(np.isnan(y), -np.inf, y))
    with np.errstate(all="ignore"):
        falls = np.where(y < before, (before - y) / (2 * allowance(name, before, fmt)), 0.0)
    # A fall is measured from the point before: what is steep between two points hides it.
    climbed = np.diff(interval.expected, prepend=-np.inf)
    dip = climbed < np.maximum(allowed, fmt.ulp(interval.expected))
    # Some subnormals may be flushed and others not: that is judged above, and is no law broken.
    shaped = np.isfinite(y) & ~subnormal
    result = judged("monotone", np.maximum(y, before), falls, shaped)
    yield stated(result, {Probe.DIP: share(dip, shaped)})
    if name == "tanh":
        mirrored = -y[::-1]
        if np.array_equal(x, -x[::-1]):  # points that somebody chose need not be
            yield judged("odd", mirrored, _all_or_nothing(y == mirrored), ~subnormal)
        result = judged("bounded", np.clip(y, -1, 1), np.abs(y))
        yield stated(result, {Probe.SATURATED: share(np.abs(y) >= 1 - TANH_ULPS * fmt.ulp(1.0))})


def _all_or_nothing(holds: BoolArray) -> Float64Array:
    return np.where(holds, 0.0, np.inf)
