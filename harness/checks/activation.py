"""The activation alone, over its whole range, through the layer itself.

One unit, W_ih = 1, W_hh = 0, no bias, one step: the layer is its activation, and any error is
the activation's. Parts: `normal` and `subnormal` results against tanh within 5 ulp and relu
exactly; `odd` (tanh), `monotone`, `bounded` (tanh).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.comparison import FAIL, Comparison, Worst, compare
from harness.evidence import Evidence
from reference import activation_interval
from reference.arrays import BoolArray, Float64Array

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    for result in _parts(evidence):
        if result.verdict != FAIL:
            yield result
            continue
        # An error below the smallest normal number, on subnormals, is that of flushing them.
        flushed = result.part == "subnormal" and (
            (result.max_abs or 0.0) <= evidence.case.fmt.smallest_normal
        )
        yield replace(result, cause="flush" if flushed else "activation")


def _parts(evidence: Evidence) -> Iterator[Comparison]:
    config, fmt = evidence.config, evidence.case.fmt
    x = evidence.case.x.ravel().astype(np.float64)
    actual = evidence.forward.output.ravel()
    y = actual.astype(np.float64)

    def locate(index: tuple[int, ...]) -> Worst:
        return Worst("output", 0, "forward", 0, index[0], 0)

    def judged(
        part: str, expected: Float64Array, ratio: Float64Array, where: BoolArray
    ) -> Comparison:
        result = compare(part, actual, expected, ratio, fmt, locate, defined=where)
        if result.verdict != FAIL or result.worst is None or result.worst.batch is None:
            return result
        at = float(x[result.worst.batch])
        message = f"{result.failing} of {result.compared} points; worst at x = {at!r}"
        return replace(result, message=message)

    interval = activation_interval(config.nonlinearity, x, np.zeros(x.shape), fmt)
    ratio = interval.ratio(y)
    subnormal = (np.abs(x) < fmt.smallest_normal) & (x != 0)
    yield judged("normal", interval.expected, ratio, ~subnormal)
    yield judged("subnormal", interval.expected, ratio, subnormal)
    rising = np.concatenate([[True], y[1:] >= y[:-1]])
    before = np.concatenate([y[:1], y[:-1]])
    yield judged("monotone", np.maximum(y, before), _all_or_nothing(rising), np.isfinite(y))
    if config.nonlinearity == "tanh":
        mirrored = -y[::-1]
        yield judged("odd", mirrored, _all_or_nothing(y == mirrored), np.ones(x.shape, bool))
        inside = np.abs(y) <= 1
        yield judged("bounded", np.clip(y, -1, 1), _all_or_nothing(inside), np.ones(x.shape, bool))


def _all_or_nothing(holds: BoolArray) -> Float64Array:
    return np.where(holds, 0.0, np.inf)
