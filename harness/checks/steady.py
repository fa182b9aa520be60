"""The same bits from many identical calls, from other threads and by other numbers of them too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison, compare_bits
from harness.evidence import Evidence, locate_output, locate_states
from harness.judging.applies import aspect
from harness.judging.excuses import flushed_extra
from harness.observe import Forward, Series, Steady
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["steady"]


@check(
    requirement="steady",
    difference="the same call gives other bits now and then",
    applies=aspect("steady"),
    needs=(Need.FORWARD,),
    second_call=SecondCall.SAME,
)
def steady(evidence: Evidence) -> Iterator[Comparison]:
    """A comparison for each series of calls."""
    facts = evidence.observation.facts
    if not isinstance(facts, Steady) or evidence.observation.forward is None:
        return
    for series in facts.series:
        yield _judge(evidence, series)


def _judge(evidence: Evidence, series: Series) -> Comparison:
    first, fmt = evidence.forward, evidence.case.fmt
    if series.other is None:
        size = series.calls * (first.output.size + first.h_n.size)
        return Comparison(series.title, Verdict.PASS, size, ratio=0.0)
    message = f"{series.differing} of {series.calls} identical calls {series.title} give other bits"
    output = compare_bits(
        series.title,
        series.other.output,
        first.output,
        fmt,
        locate_output(evidence.config),
        message,
    )
    if output.verdict != Verdict.FAIL:
        output = compare_bits(
            series.title, series.other.h_n, first.h_n, fmt, locate_states(evidence.config), message
        )
    return replace(output, cause=_cause(evidence, series.other))


def _cause(evidence: Evidence, other: Forward) -> Cause:
    """`rounding` where the two lie no further apart than sums in two orders may."""
    first, tolerance, extra = evidence.forward, evidence.oracle.tolerance, flushed_extra(evidence)
    if extra is not None and _both_within(other, first, extra):
        return Cause.FLUSH
    twice = Forward(_said(2 * tolerance.output, first.output), _said(2 * tolerance.h_n, first.h_n))
    return Cause.ROUNDING if _both_within(other, first, twice) else Cause.UNEXPLAINED


def _said(tolerance: Array, values: Array) -> Array:
    """A tolerance where it says anything: finite, and below the row's largest value; else 0."""
    with np.errstate(all="ignore"):
        magnitudes = np.abs(values.astype(np.float64))
        largest = np.max(
            magnitudes, axis=(0, 2), keepdims=True, where=np.isfinite(magnitudes), initial=0
        )
        said: Array = np.where(np.isfinite(tolerance) & (tolerance < largest), tolerance, 0.0)
    return said


def _both_within(one: Forward, other: Forward, allowed: Forward) -> bool:
    return _within(one.output, other.output, allowed.output) and _within(
        one.h_n, other.h_n, allowed.h_n
    )


def _within(one: Array, other: Array, allowed: Array) -> bool:
    with np.errstate(all="ignore"):
        distance = np.abs(one.astype(np.float64) - other.astype(np.float64))
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        return bool((same | (distance <= allowed)).all())
