"""One batch row never changes another.

The neighbours of a row are replaced, in the same places; its bits must stay, and the rows that got
other numbers must not. (That a row's place does not matter follows from `step_residual`.)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.case import Case, changed
from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NUMBERS, ROWS
from harness.judging.power import differs
from harness.judging.second_call import is_other, same_rows
from harness.observe import Rerun
from harness.probes import Probe
from harness.verdicts import Verdict

__all__ = ["rows_independent"]


def _has_other_neighbours(case: Case) -> bool:
    return case.config.batch > 1 and is_other(case)


@check(
    requirement="batch",
    difference="one batch row changes another",
    applies=NUMBERS & ROWS,
    needs=(Need.OUTPUTS,),
    probes=(Probe.NEIGHBOURS,),
    second_call=SecondCall.NEIGHBOURS,
    admits=_has_other_neighbours,
)
def rows_independent(evidence: Evidence) -> Iterator[Comparison]:
    for rerun in evidence.observation.reruns:
        if rerun.neighbours and not rerun.kept.all():
            message = "other numbers in other batch rows gave other bits"
            yield same_rows(evidence, rerun, message, Probe.NEIGHBOURS)
            yield from _replaced(evidence, rerun)


def _replaced(evidence: Evidence, rerun: Rerun) -> Iterator[Comparison]:
    """The rows that got other numbers: where the oracle moves by four tolerances, so must they,
    unless the first answer was nearer to the second one's numbers: it was wrong then.

    A layer that gives the answer of an earlier call of these shapes keeps all rows, and would
    pass wherever only the others are looked at.
    """
    oracle = evidence.oracle
    case, kept = changed(evidence.case, padding=rerun.padding, neighbours=True)
    other = oracle.evaluate(case)
    moves, still = 0, 0
    for name, exact in oracle.exact.items():
        first = evidence.outputs[name]
        with np.errstate(all="ignore"):
            far = (np.abs(other[name] - exact) > 4 * oracle.tolerance[name]) & ~kept[:, None]
            # Nor where it is NaN, which comes of the padding, and not of a row.
            far &= np.abs(first - exact) < np.abs(first - other[name])
        same = ~differs(rerun.outputs[name], first)
        moves, still = moves + int(far.sum()), still + int((far & same).sum())
    if moves and still == moves:
        message = "other numbers in x and the initial states give the answer of the call before"
        yield Comparison(
            "replaced rows", Verdict.FAIL, moves, message, Cause.UNEXPLAINED, failing=still
        )
    elif moves:
        yield Comparison("replaced rows", Verdict.PASS, moves, ratio=0.0)
