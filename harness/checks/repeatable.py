"""The same input twice, on the same layer: the same output, and the same gradients, bit for bit.

Of values, one more call serves three checks: it changes padding and neighbours as well, and rows
that kept their content must not move. If one did, each of the three is asked by a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.checks.gradient import by_flushing
from harness.checks.repeats import same_rows
from harness.comparison import FAIL, PASS, Comparison
from harness.evidence import Evidence
from harness.observe.gradients import AGAIN
from harness.observe.records import BY_SUBNORMALS
from reference.arrays import Array

__all__ = ["check"]


def check(evidence: Evidence) -> Iterator[Comparison]:
    repeats = evidence.observation.repeats
    for repeat in repeats:
        alone = not (repeat.padding or repeat.neighbours)
        if alone or len(repeats) == 1:
            yield same_rows(evidence, repeat, "the same input gave other bits", "carry")
    changed, derivatives = evidence.observation.changed, evidence.observation.derivatives
    if changed is None or derivatives is None:
        return
    compared = sum(array.size for array in derivatives.found.values())
    if not changed:
        yield Comparison("gradients again", PASS, compared, ratio=0.0)
        return
    message = f"other bits: {', '.join(changed)}"
    cause = "flush" if _by_flushing(evidence, changed, derivatives.again) else "unexplained"
    yield Comparison("gradients again", FAIL, compared, message, cause)


def _by_flushing(
    evidence: Evidence, changed: Sequence[str], again: Mapping[str, Array] | None
) -> bool:
    """Whether every change is one that flushing, measured of this implementation, may make."""
    own = evidence.own_activation()
    if own is None or not own.flushes:
        return False
    larger = {what for what in changed if not what.endswith(BY_SUBNORMALS)}
    if not larger:
        return True
    return larger == {AGAIN} and again is not None and by_flushing(evidence, again)
