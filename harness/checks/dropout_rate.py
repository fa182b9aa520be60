"""How many elements dropout keeps: as many as p says, by an exact binomial test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import DROPPING
from harness.judging.dropout_counts import KeptElements, judge_count, kept_elements
from harness.observe.dropout import CALLS
from harness.probes import Probe
from reference.arrays import BoolArray

__all__ = ["dropout_rate"]


@check(
    requirement="dropout-rate",
    difference="not as many elements are dropped as p says",
    applies=DROPPING,
    probes=(Probe.SMALLEST_DEVIATION,),
    consequence="dropped otherwise than documented",
)
def dropout_rate(evidence: Evidence) -> Iterator[Comparison]:
    """The first calls together, and all later ones, which may also depend on earlier ones."""
    found = kept_elements(evidence)
    if found is None:
        return
    for part, calls, other in (
        ("kept elements", found.seen[:CALLS], Cause.UNEXPLAINED),
        ("kept elements, later calls", found.seen[CALLS:], Cause.DEPENDENT),
    ):
        if calls.size:
            count, chance = int(calls.sum()), found.documented
            message = f"{count} of {calls.size} kept, expected {calls.size * chance:.0f}"
            cause = Cause.SHARED if found.shared else other
            yield judge_count(
                part, count, calls.size, chance, message, cause=cause, slack=found.slack
            )
    if found.valid is not None:
        yield _any_row(found, found.valid)


def _any_row(found: KeptElements, valid: BoolArray) -> Comparison:
    """Of padded rows the one that is least by chance, in all calls: no row's padding may count."""
    results, rows = [], valid.shape[1]
    cause = Cause.SHARED if found.shared else Cause.DEPENDENT
    for row in np.flatnonzero(valid.any(axis=0)):
        kept = found.calls[:, valid[:, row], row]
        count, chance = int(kept.sum()), found.documented
        message = f"{count} of {kept.size} kept in row {row}, expected {kept.size * chance:.0f}"
        results.append(
            judge_count(
                "kept elements, any row",
                count,
                kept.size,
                chance,
                message,
                rows,
                cause,
                found.slack,
            )
        )
    return max(results, key=lambda result: result.ratio or 0.0)
