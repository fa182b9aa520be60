"""Two arrays come back, in the shapes and the dtype that the documentation gives."""

from __future__ import annotations

from collections.abc import Iterator

from harness.aspects import FORWARD
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.observe import Dropping
from harness.verdicts import Verdict

__all__ = ["shape_dtype"]


@check(
    requirement="outputs",
    difference="outputs have other shapes, types or dtypes than documented",
    applies=aspect(FORWARD, "gradient", "training", "steady"),
)
def shape_dtype(evidence: Evidence) -> Iterator[Comparison]:
    observation = evidence.observation
    if observation.malformed:
        yield Comparison(
            "output and h_n", Verdict.FAIL, 0, observation.trouble or "", Cause.UNEXPLAINED
        )
    elif isinstance(observation.facts, Dropping):
        forward = observation.facts.evaluated
        yield Comparison("output and h_n", Verdict.PASS, forward.output.size + forward.h_n.size)
    elif observation.forward is not None:
        forward = observation.forward
        yield Comparison("output and h_n", Verdict.PASS, forward.output.size + forward.h_n.size)
