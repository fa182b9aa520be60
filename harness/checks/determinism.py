"""The same input twice, on the same layer: the same output, and the same gradients, bit for bit.

Of values, one more call serves three checks: it changes padding and neighbours as well, and rows
that kept their content must not move. If one did, each of the three is asked by a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NUMBERS, aspect
from harness.judging.gradients import by_flushing
from harness.judging.second_call import same_rows
from harness.observe import Change
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import Array

__all__ = ["determinism"]


@check(
    requirement="function",
    difference="the same input gives other bits the second time",
    applies=NUMBERS | aspect("gradient"),
    needs=(Need.FORWARD,),
    probes=(Probe.CARRY,),
    second_call=SecondCall.SAME,
)
def determinism(evidence: Evidence) -> Iterator[Comparison]:
    repeats = evidence.observation.repeats
    for repeat in repeats:
        alone = not (repeat.padding or repeat.neighbours)
        if alone or len(repeats) == 1:
            yield same_rows(evidence, repeat, "the same input gave other bits", Probe.CARRY)
    changed, derivatives = evidence.observation.changed, evidence.observation.derivatives
    if changed is None or derivatives is None:
        return
    compared = sum(array.size for array in derivatives.found.values())
    if not changed:
        yield Comparison("gradients again", Verdict.PASS, compared, ratio=0.0)
        return
    message = f"other bits: {', '.join(map(str, changed))}"
    cause = Cause.FLUSH if _by_flushing(evidence, changed, derivatives.again) else Cause.UNEXPLAINED
    yield Comparison("gradients again", Verdict.FAIL, compared, message, cause)


def _by_flushing(
    evidence: Evidence, changed: Sequence[Change], again: Mapping[str, Array] | None
) -> bool:
    """Whether every change is one that flushing, measured of this implementation, may make."""
    own = evidence.own_activation()
    if own is None or not own.flushes:
        return False
    larger = [change for change in changed if not change.subnormal]
    if not larger:
        return True
    if not all(change.of_gradients for change in larger):
        return False
    return again is not None and by_flushing(evidence, again)
