"""The thread: a call leaves its floating-point environment alone, and gives the same in any.

`float_environment` asks whether subnormal results or operands are taken as 0, or rounding is
another, in the calling thread before or behind a call: everything else that runs there would
compute something else from then on. `steady` asks for the same bits from many identical calls,
also from other threads and with other numbers of threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.trajectory import flushed_extra
from harness.comparison import FAIL, PASS, Comparison, compare_bits
from harness.evidence import Evidence, locate_output, locate_states
from harness.observe import Forward, Series, Steady
from reference.arrays import Array

__all__ = ["environment", "steady"]

PROBES = 3


def environment(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison: what was wrong before, and behind."""
    observation = evidence.observation
    if observation.ended is not None:
        return
    before, behind = observation.disturbed
    if not (before or behind):
        yield Comparison("calling thread", PASS, 2 * PROBES, ratio=0.0)
        return
    said = [
        f"{when} the call {' and '.join(what)}"
        for when, what in (("before", before), ("behind", behind))
        if what
    ]
    yield Comparison("calling thread", FAIL, 2 * PROBES, "; ".join(said), "environment")


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
        return Comparison(series.title, PASS, size, ratio=0.0)
    message = f"{series.differing} of {series.calls} identical calls {series.title} give other bits"
    output = compare_bits(
        series.title,
        series.other.output,
        first.output,
        fmt,
        locate_output(evidence.config),
        message,
    )
    if output.verdict != FAIL:
        output = compare_bits(
            series.title, series.other.h_n, first.h_n, fmt, locate_states(evidence.config), message
        )
    return replace(output, cause=_cause(evidence, series.other))


def _cause(evidence: Evidence, other: Forward) -> str:
    """`rounding` where the two lie no further apart than sums in two orders may."""
    first, tolerance, extra = evidence.forward, evidence.oracle.tolerance, flushed_extra(evidence)
    if extra is not None and _both_within(other, first, extra):
        return "flush"
    twice = Forward(_said(2 * tolerance.output, first.output), _said(2 * tolerance.h_n, first.h_n))
    return "rounding" if _both_within(other, first, twice) else "unexplained"


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
