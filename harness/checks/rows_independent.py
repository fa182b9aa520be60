"""One batch row never changes another, and a row's place in the batch does not matter.

Two parts. `second call`: the neighbours of a row are replaced, in the same places; its bits
must stay. `twins`: two rows of one call with equal content. Their bits may differ (matrix
products round the rows at the edge of a tile in another order), but no step may differ by
more than the equation passes on from the twins' own difference before, plus what each may
err: |W_ih||dx| + |W_hh||dh'| + 2 E + 2 c ulp (both activations are 1-Lipschitz).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.case import Case, perturb
from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison, Worst, compare
from harness.evidence import Evidence
from harness.judging.applies import NUMBERS, ROWS
from harness.judging.power import differs, share, stated
from harness.judging.second_call import is_other, same_rows
from harness.judging.steps import DirectionSteps, direction_steps
from harness.observe import Repeat
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Format
from reference.arrays import Float64Array
from reference.rounding import TANH_ULPS

__all__ = ["rows_independent"]


def _has_other_neighbours(case: Case) -> bool:
    return case.config.batch > 1 and is_other(case)


@check(
    requirement="batch",
    difference="one batch row changes another, or a row's place matters",
    applies=NUMBERS & ROWS,
    needs=(Need.FORWARD,),
    probes=(Probe.NEIGHBOURS, Probe.ROW),
    second_call=SecondCall.NEIGHBOURS,
    admits=_has_other_neighbours,
)
def rows_independent(evidence: Evidence) -> Iterator[Comparison]:
    for repeat in evidence.observation.repeats:
        if repeat.neighbours and not repeat.kept.all():
            message = "other numbers in other batch rows gave other bits"
            yield same_rows(evidence, repeat, message, Probe.NEIGHBOURS)
            yield from _replaced(evidence, repeat)
    if evidence.case.twins is not None:
        for direction in range(evidence.config.directions):
            yield _twins(evidence, direction == 1)


def _replaced(evidence: Evidence, repeat: Repeat) -> Iterator[Comparison]:
    """The rows that got other numbers: where the oracle moves by four tolerances, so must they.

    A layer that hands out the answer of an earlier call of these shapes keeps all rows, and would
    pass wherever only the others are looked at.
    """
    case, oracle = evidence.case, evidence.oracle
    x, h_0, kept = perturb(case, padding=repeat.padding, neighbours=True)
    other = oracle.evaluate(replace(case, x=x, h_0=h_0))
    moves, still = 0, 0
    for part in ("output", "h_n"):
        exact, tolerance = getattr(oracle.exact, part), getattr(oracle.tolerance, part)
        with np.errstate(all="ignore"):
            far = (np.abs(getattr(other, part) - exact) > 4 * tolerance) & ~kept[:, None]
        same = ~differs(getattr(repeat.forward, part), getattr(evidence.forward, part))
        moves, still = moves + int(far.sum()), still + int((far & same).sum())
    if moves and still == moves:
        message = "other numbers in x and h_0 give the answer of the call before"
        yield Comparison(
            "replaced rows", Verdict.FAIL, moves, message, Cause.UNEXPLAINED, failing=still
        )
    elif moves:
        yield Comparison("replaced rows", Verdict.PASS, moves, ratio=0.0)


def _twins(evidence: Evidence, reverse: bool) -> Comparison:
    """Twin rows of the last layer, one direction."""
    assert evidence.case.twins is not None
    one, two = evidence.case.twins
    config, fmt, layer = evidence.config, evidence.case.fmt, evidence.config.num_layers - 1
    steps = direction_steps(evidence, layer, reverse)
    actual, twin = steps.actual[:, one], steps.actual[:, two].astype(np.float64)
    ulps = TANH_ULPS if config.nonlinearity == "tanh" else 0.0
    with np.errstate(all="ignore"):
        passed_on = np.abs(steps.a[:, one] - steps.a[:, two])
        allowed = passed_on + steps.error[:, one] + steps.error[:, two]
        allowed += ulps * (_ulp(steps, one, fmt) + _ulp(steps, two, fmt))
        ratio = np.abs(actual - twin) / allowed
        ratio = np.where(actual == twin, 0.0, ratio)
    defined = steps.defined[:, one] & steps.defined[:, two]
    side = "reverse" if reverse else "forward"
    result = compare(
        f"twins {side}",
        actual,
        twin,
        ratio,
        evidence.case.fmt,
        lambda index: Worst("output", layer, side, index[0], one, index[1]),
        defined=defined,
    )
    # The twin's place taken by the row before it, which is another one.
    with np.errstate(all="ignore"):
        mixed = ~(np.abs(steps.actual[:, two - 1].astype(np.float64) - twin) <= allowed)
    power = {Probe.ROW: share(mixed, defined)}
    if result.verdict != Verdict.FAIL:
        return stated(result, power)
    own = evidence.own_activation()
    flush = evidence.case.fmt.smallest_normal * (
        2 * steps.terms + 2 + steps.factors[:, one] + steps.factors[:, two]
    )
    bad = defined & ~(ratio <= 1)
    with np.errstate(all="ignore"):
        within = bool((np.abs(actual - twin) <= allowed + 2 * flush)[bad].all())
    flushed = within and own is not None and own.flushes
    message = f"rows {one} and {two} have equal content and differ more than rounding allows"
    result = replace(result, message=message, cause=Cause.FLUSH if flushed else Cause.UNEXPLAINED)
    return stated(result, power)


def _ulp(steps: DirectionSteps, row: int, fmt: Format) -> Float64Array:
    """The largest ulp that the exact state of a row may have: its activation errs by such."""
    interval = steps.interval
    largest = np.maximum(np.abs(interval.low[:, row]), np.abs(interval.high[:, row]))
    return fmt.ulp(np.minimum(largest, 1.0 - fmt.unit_roundoff))
