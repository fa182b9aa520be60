"""Parameters, equal or not to the last bit, and what was observed of fresh ones."""

from __future__ import annotations

from collections.abc import Mapping

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.observe import FreshWeights
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["all_identical", "fresh_facts", "identical", "travelled"]


def fresh_facts(evidence: Evidence) -> FreshWeights | None:
    facts = evidence.observation.facts
    return facts if isinstance(facts, FreshWeights) else None


def travelled(part: str, before: Mapping[str, Array], after: Mapping[str, Array]) -> Comparison:
    size = sum(array.size for array in before.values())
    changed = sorted(set(before) ^ set(after)) or [
        name for name in before if not identical(before[name], after[name])
    ]
    if changed:
        message = f"{', '.join(changed)} changed on the way"
        return Comparison(part, Verdict.FAIL, size, message, Cause.UNEXPLAINED, ratio=float("inf"))
    return Comparison(part, Verdict.PASS, size, ratio=0.0)


def identical(one: Array, two: Array) -> bool:
    """Here NaN payloads count: a file is no operation."""
    return one.shape == two.shape and one.dtype == two.dtype and one.tobytes() == two.tobytes()


def all_identical(one: Mapping[str, Array], two: Mapping[str, Array]) -> bool:
    return all(identical(one[name], two[name]) for name in one)
