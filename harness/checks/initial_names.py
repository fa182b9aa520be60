"""Parameters have torch's names, shapes and dtypes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.parameters import initial_weights
from harness.verdicts import Verdict

__all__ = ["initial_names"]


@check(
    requirement="initial-names",
    difference="parameters have other names, shapes or dtypes",
    applies=aspect("initial"),
)
def initial_names(evidence: Evidence) -> Iterator[Comparison]:
    """torch's names, each with torch's shape and the dtype asked for."""
    initial = initial_weights(evidence)
    if initial is None:
        return
    expected = evidence.config.parameter_shapes()
    dtype = evidence.case.x.dtype
    for layer in initial.layers:
        found = {name: array.shape for name, array in layer.items()}
        others = sorted({str(a.dtype) for a in layer.values() if a.dtype != dtype})
        if found != expected or others:
            message = f"has {found}, expected {expected}" if found != expected else ""
            message += f"dtype {', '.join(others)}, expected {dtype}" if others else ""
            yield Comparison(
                "names and shapes", Verdict.FAIL, len(found), message, Cause.UNEXPLAINED
            )
            return
    yield Comparison(
        "names and shapes", Verdict.PASS, len(expected) * len(initial.layers), ratio=0.0
    )
