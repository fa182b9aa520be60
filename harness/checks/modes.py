"""One framework's two execution modes against each other, as two implementations are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checks.forward_error import end_to_end
from harness.checks.reach import reach_of
from harness.checks.trajectory import excuses
from harness.comparison import FAIL, PASS, Comparison
from harness.evidence import Evidence
from harness.observe import Reply

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    """Values: to twice the tolerance. Calls: refused in both, or in neither."""
    other = evidence.eager
    if other is None:
        return
    mine, theirs = evidence.observation.facts, other.facts
    if isinstance(mine, Reply) and isinstance(theirs, Reply):
        part = f"outcome against {other.backend}"
        if (mine.error is None, mine.ended) == (theirs.error is None, theirs.ended):
            yield Comparison(part, PASS, 1, ratio=0.0)
        else:
            words = [f"refuses ({r.error})" if r.error else "accepts" for r in (mine, theirs)]
            message = f"{evidence.observation.backend} {words[0]}; {other.backend} {words[1]}"
            yield Comparison(part, FAIL, 1, message, "differs")
        return
    if other.forward is None or evidence.observation.forward is None:
        return
    reach = reach_of(evidence)
    for part in ("output", "h_n"):
        yield from end_to_end(
            evidence,
            reach,
            part,
            f"{part} against {other.backend}",
            getattr(other.forward, part).astype(np.float64),
            excuses,
            share=2,
        )
