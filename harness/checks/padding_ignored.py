"""What stands in the padding of x (NaN, infinities, anything) never changes a valid output."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.repeats import same_rows
from harness.comparison import Comparison
from harness.evidence import Evidence

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    if evidence.case.valid.all():
        return
    for repeat in evidence.observation.repeats:
        if repeat.padding:
            message = "other numbers in the padding of x gave other bits"
            yield same_rows(evidence, repeat, message, "padding")
