"""Parameters come in torch's order."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.parameters import initial_weights
from harness.verdicts import Verdict

__all__ = ["initial_order"]


@check(
    requirement="initial-order",
    difference="parameters come in another order",
    applies=aspect("initial"),
)
def initial_order(evidence: Evidence) -> Iterator[Comparison]:
    """torch's order: layer by layer, so that optimisers and flat vectors line up."""
    initial = initial_weights(evidence)
    if initial is None:
        return
    found, expected = list(initial.layers[0]), list(evidence.config.parameter_shapes())
    if sorted(found) != sorted(expected):
        return
    if found == expected:
        yield Comparison("order", Verdict.PASS, len(found), ratio=0.0)
        return
    first = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
    message = f"parameter {first} is {found[first]}, torch's is {expected[first]}"
    yield Comparison("order", Verdict.FAIL, len(found), message, Cause.ORDER)
