"""The same bits from many identical calls, from other threads and by other numbers of them too.

Of calls at once nothing is promised to the bit: their answers may differ from those of the same
calls one after another by rounding. Many calls must not make the process grow by their answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from harness.at_once import cases_at_once
from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import aspect
from harness.judging.excuses import flushed_extra
from harness.judging.last_step import may_err, may_err_at_exact_states
from harness.observe import Growth, Outputs, RepeatedCalls, Series
from harness.oracle import Oracle
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["repeated_calls"]


@check(
    requirement="repeated-calls",
    also=("concurrency", "growth"),
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
        if calls.at_once is not None:
            yield replace(_at_once(evidence, calls.at_once), requirement="concurrency")
        if calls.growth is not None:
            yield replace(_growth(calls.growth), requirement="growth")


def _at_once(evidence: Evidence, series: Series) -> Comparison:
    if series.calls == 0:
        message = "does not state that calls may be made at once (concurrent = True)"
        return Comparison(series.title, Verdict.UNSUPPORTED, 0, message)
    size = series.calls * sum(array.size for array in evidence.outputs.values())
    if series.other is None or series.serial is None or series.which is None:
        return Comparison(series.title, Verdict.PASS, size, ratio=0.0)
    case = cases_at_once(evidence.case)[series.which]
    tolerance = may_err_at_exact_states(Oracle(case))
    twice = {n: _meaningful(2 * tolerance[n], array) for n, array in series.serial.items()}
    if _within(series.other, series.serial, twice):
        message = f"{series.differing} of {series.calls} calls give other bits, by rounding"
        return Comparison(series.title, Verdict.PASS, size, message, ratio=0.0)
    message = f"{series.differing} of {series.calls} calls {series.title} give other answers"
    results = [
        compare_bits(
            series.title, series.other[name], array, case.fmt, locate(case.config, name), message
        )
        for name, array in series.serial.items()
    ]
    failing = next((one for one in results if one.verdict == Verdict.FAIL), results[-1])
    return replace(failing, cause=Cause.UNEXPLAINED)


def _growth(growth: Growth) -> Comparison:
    """Half of an output for each call is far beyond what allocators keep."""
    title, allowed = "memory after many calls", growth.calls * growth.size / 2
    ratio = max(0.0, growth.grown / allowed)
    if ratio <= 1:
        return Comparison(title, Verdict.PASS, growth.calls, ratio=ratio)
    each = growth.grown // growth.calls
    message = f"the process grows by {each:,} bytes with each call; an output has {growth.size:,}"
    return Comparison(title, Verdict.FAIL, growth.calls, message, Cause.KEPT, ratio=ratio)


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
    tolerance = may_err(evidence)
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
