"""The same bits from many identical calls, from other threads and by other numbers of them too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import aspect
from harness.judging.excuses import flushed_extra
from harness.observe import Outputs, RepeatedCalls, Series
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["repeated_calls"]


@check(
    requirement="repeated-calls",
    difference="the same call gives other bits now and then",
    applies=aspect("repeated"),
    needs=(Need.OUTPUTS,),
    second_call=SecondCall.SAME,
)
def repeated_calls(evidence: Evidence) -> Iterator[Comparison]:
    """A comparison for each series of calls."""
    calls = evidence.observation.details
    if isinstance(calls, RepeatedCalls):
        for series in calls.series:
            yield _judge(evidence, series)


def _judge(evidence: Evidence, series: Series) -> Comparison:
    first, fmt = evidence.outputs, evidence.case.fmt
    if series.other is None:
        size = series.calls * sum(array.size for array in first.values())
        return Comparison(series.title, Verdict.PASS, size, ratio=0.0)
    message = f"{series.differing} of {series.calls} identical calls {series.title} give other bits"
    results = [
        compare_bits(
            series.title, series.other[name], array, fmt, locate(evidence.config, name), message
        )
        for name, array in first.items()
    ]
    failing = next((one for one in results if one.verdict == Verdict.FAIL), results[-1])
    return replace(failing, cause=_cause(evidence, series.other))


def _cause(evidence: Evidence, other: Outputs) -> Cause:
    """`rounding` where the two lie no further apart than sums in two orders may."""
    first, extra = evidence.outputs, flushed_extra(evidence)
    if extra is not None and _within(other, first, extra):
        return Cause.FLUSH
    tolerance = evidence.oracle.tolerance
    twice = {name: _meaningful(2 * tolerance[name], array) for name, array in first.items()}
    return Cause.ROUNDING if _within(other, first, twice) else Cause.UNEXPLAINED


def _meaningful(tolerance: Array, values: Array) -> Array:
    """A tolerance where it says anything: finite, and below the row's largest value; else 0."""
    with np.errstate(all="ignore"):
        magnitudes = np.abs(values.astype(np.float64))
        largest = np.max(
            magnitudes, axis=(0, 2), keepdims=True, where=np.isfinite(magnitudes), initial=0
        )
        found: Array = np.where(np.isfinite(tolerance) & (tolerance < largest), tolerance, 0.0)
    return found


def _within(one: Outputs, other: Outputs, allowed: Mapping[str, Array]) -> bool:
    with np.errstate(all="ignore"):
        for name, array in one.items():
            distance = np.abs(array.astype(np.float64) - other[name].astype(np.float64))
            same = (array == other[name]) | (np.isnan(array) & np.isnan(other[name]))
            if not (same | (distance <= allowed[name])).all():
                return False
    return True
