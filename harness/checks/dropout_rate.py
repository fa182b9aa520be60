"""How many elements dropout keeps: as many as p says, by an exact binomial test."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.dropout_counts import judge_count, kept_elements
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.observe.dropping import CALLS

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    """The first calls together, and all later ones."""
    found = kept_elements(evidence)
    if found is None:
        return
    for part, calls in (
        ("kept elements", found.calls[:CALLS]),
        ("kept elements, later calls", found.calls[CALLS:]),
    ):
        if calls.size:
            count, expected = int(calls.sum()), calls.size * found.probability
            message = f"{count} of {calls.size} kept, expected {expected:.0f}"
            yield judge_count(part, count, calls.size, found.probability, message)
