"""Outputs come back by name, in the shapes and the dtype that the documentation gives."""

from __future__ import annotations

from collections.abc import Iterator

from harness.aspects import VALUES
from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.observe import DropoutCalls
from harness.verdicts import Verdict

__all__ = ["shape_dtype"]


@check(
    requirement="outputs",
    difference="outputs have other shapes, types or dtypes than documented",
    applies=aspect(VALUES, "gradient", "training", "repeated"),
)
def shape_dtype(evidence: Evidence) -> Iterator[Comparison]:
    observation, part = evidence.observation, "outputs"
    details = observation.details
    outputs = details.evaluated if isinstance(details, DropoutCalls) else observation.outputs
    if observation.malformed:
        message = observation.trouble or ""
        yield Comparison(part, Verdict.FAIL, 0, message, Cause.UNEXPLAINED)
    elif outputs is not None:
        yield Comparison(part, Verdict.PASS, sum(array.size for array in outputs.values()))
