"""Parameters have torch's names, shapes and dtypes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.weights import fresh_facts
from harness.verdicts import Verdict

__all__ = ["fresh_names"]


@check(
    requirement="initial-names",
    difference="parameters have other names, shapes or dtypes",
    applies=aspect("fresh"),
)
def fresh_names(evidence: Evidence) -> Iterator[Comparison]:
    """torch's names, each with torch's shape and the dtype asked for."""
    facts = fresh_facts(evidence)
    if facts is None:
        return
    expected = evidence.config.options.parameter_shapes()
    dtype = evidence.case.x.dtype
    for layer in facts.layers:
        found = {name: array.shape for name, array in layer.items()}
        others = sorted({str(a.dtype) for a in layer.values() if a.dtype != dtype})
        if found != expected or others:
            message = f"has {found}, expected {expected}" if found != expected else ""
            message += f"dtype {', '.join(others)}, expected {dtype}" if others else ""
            yield Comparison(
                "names and shapes", Verdict.FAIL, len(found), message, Cause.UNEXPLAINED
            )
            return
    yield Comparison("names and shapes", Verdict.PASS, len(expected) * len(facts.layers), ratio=0.0)
