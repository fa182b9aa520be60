"""The weights arrive: loaded by name, read back, equal bit for bit; and the layer answers.

A backend that raises, or whose weights are not those that were loaded, gets the verdict
`error` here and is judged no further: nothing it returned could be compared with anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.comparison import Comparison
from harness.evidence import Evidence

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    observation = evidence.observation
    if observation.trouble is not None and not observation.malformed:
        yield Comparison("call", "error", 0, observation.trouble)
    elif observation.transferred:
        yield Comparison("weights", "pass", observation.transferred)
