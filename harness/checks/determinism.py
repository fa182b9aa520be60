"""The same input twice, on the same layer: the same output, and the same gradients, bit for bit.

Of values, one more call serves three checks: it changes padding and neighbours as well, and rows
that kept their content must not move. If one did, each of the three is asked by a call of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.axes import output_names
from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NUMBERS, aspect
from harness.judging.excuses import by_own_activations
from harness.judging.flushing import flushes
from harness.judging.gradients import by_activations, by_flushing
from harness.judging.second_call import same_rows
from harness.judging.unusable import where_gradients_are_none
from harness.observe import Change, Derivatives
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import BoolArray

__all__ = ["determinism"]


@check(
    requirement="function",
    difference="the same input gives other bits the second time",
    applies=NUMBERS | aspect("gradient"),
    needs=(Need.OUTPUTS,),
    probes=(Probe.CARRY,),
    second_call=SecondCall.SAME,
)
def determinism(evidence: Evidence) -> Iterator[Comparison]:
    reruns = evidence.observation.reruns
    for rerun in reruns:
        alone = not (rerun.padding or rerun.neighbours)
        if alone or len(reruns) == 1:
            yield same_rows(evidence, rerun, "the same input gave other bits", Probe.CARRY)
    changed, derivatives = evidence.observation.changed, evidence.observation.derivatives
    if changed is None or derivatives is None:
        return
    compared = sum(array.size for array in derivatives.found.values())
    if not changed:
        yield Comparison("gradients of a second call", Verdict.PASS, compared, ratio=0.0)
        return
    message = f"other bits: {', '.join(map(str, changed))}"
    cause = Cause.UNEXPLAINED
    if _by_flushing(evidence, changed, derivatives):
        cause = Cause.FLUSH
    elif _by_rounding(evidence, changed, derivatives):
        cause = Cause.ROUNDING
    result = Comparison("gradients of a second call", Verdict.FAIL, compared, message, cause)
    yield where_gradients_are_none(evidence, result)


def _by_rounding(evidence: Evidence, changed: Sequence[Change], derivatives: Derivatives) -> bool:
    """Whether both answers are what errors measured of the own activations may make of them."""
    own, second = evidence.own_activations(), derivatives.second
    outputs = [
        (derivatives.padded or derivatives.outputs, derivatives.repeated),
        (evidence.observation.outputs, derivatives.after),
    ]
    pairs = [(one, other) for one, other in outputs if one is not None and other is not None]
    kept = {True: (second, derivatives.repeated), False: (derivatives.after,)}
    seen = all(any(one is not None for one in kept[c.of_gradients]) for c in changed)
    if own is None or not own.errs or not seen:
        return False
    if not all(by_own_activations(evidence, *pair, _with_steps(evidence)) for pair in pairs):
        return False
    at = evidence.under_autograd or evidence
    return second is None or by_activations(at, second, derivatives.found)


def _with_steps(evidence: Evidence) -> Mapping[str, BoolArray]:
    """By name of output the rows that stand for steps."""
    return {name: evidence.case.rows_with(name) for name in output_names(evidence.config)}


def _by_flushing(evidence: Evidence, changed: Sequence[Change], derivatives: Derivatives) -> bool:
    """Whether every change is one that flushing, measured of this implementation, may make."""
    if not flushes(evidence):
        return False
    larger = [change for change in changed if not change.subnormal]
    if not larger:
        return True
    if not all(change.of_gradients for change in larger):
        return False
    second = derivatives.second
    return second is not None and by_flushing(evidence, second, derivatives.found)
