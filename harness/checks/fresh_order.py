"""Parameters come in torch's order."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import aspect
from harness.judging.weights import fresh_facts
from harness.verdicts import Verdict

__all__ = ["fresh_order"]


@check(
    requirement="initial-order",
    difference="parameters come in another order",
    applies=aspect("fresh"),
)
def fresh_order(evidence: Evidence) -> Iterator[Comparison]:
    """torch's order: layer by layer, so that optimisers and flat vectors line up."""
    facts = fresh_facts(evidence)
    if facts is None:
        return
    found, expected = list(facts.layers[0]), list(evidence.config.options.parameter_shapes())
    if sorted(found) != sorted(expected):
        return
    if found == expected:
        yield Comparison("order", Verdict.PASS, len(found), ratio=0.0)
        return
    first = next(i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)
    message = f"parameter {first} is {found[first]}, torch's is {expected[first]}"
    yield Comparison("order", Verdict.FAIL, len(found), message, Cause.ORDER)
