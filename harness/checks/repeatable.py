"""The same input twice, on the same layer: the same output, bit for bit.

One more call serves three checks: it changes padding and neighbours as well, and rows that
kept their content must not move. If one did, each of the three is asked by a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.repeats import same_rows
from harness.comparison import Comparison
from harness.evidence import Evidence

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    repeats = evidence.observation.repeats
    for repeat in repeats:
        alone = not (repeat.padding or repeat.neighbours)
        if alone or len(repeats) == 1:
            yield same_rows(evidence, repeat, "the same input gave other bits")
