"""Two arrays come back, in the shapes and the dtype that the documentation gives."""

from __future__ import annotations

from collections.abc import Iterator

from harness.comparison import FAIL, PASS, Comparison
from harness.evidence import Evidence
from harness.observe import Dropping

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    observation = evidence.observation
    if observation.malformed:
        yield Comparison("output and h_n", FAIL, 0, observation.trouble or "", "unexplained")
    elif isinstance(observation.facts, Dropping):
        forward = observation.facts.evaluated
        yield Comparison("output and h_n", PASS, forward.output.size + forward.h_n.size)
    elif observation.forward is not None:
        forward = observation.forward
        yield Comparison("output and h_n", PASS, forward.output.size + forward.h_n.size)
