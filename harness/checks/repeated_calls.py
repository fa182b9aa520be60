"""The same bits from many identical calls, from other threads and by other numbers of them too.

Of calls at once nothing is promised to the bit: their answers may differ from those of the same
calls one after another by rounding. Many calls must not make the process grow by their answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.at_once import cases_at_once
from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate
from harness.judging.applies import aspect
from harness.judging.excuses import flushed_extra
from harness.judging.last_step import may_err_at_exact_states
from harness.judging.two_answers import by_rounding, by_rounding_of, within
from harness.observe import Growth, Outputs, RepeatedCalls, Series
from harness.oracle import Oracle
from harness.verdicts import Verdict

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
    if by_rounding_of(tolerance, series.serial, series.other):
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
    if extra is not None and within(extra, first, other):
        return Cause.FLUSH
    return Cause.ROUNDING if by_rounding(evidence, first, other) else Cause.UNEXPLAINED
