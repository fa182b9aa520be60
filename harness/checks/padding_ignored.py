"""What stands in the padding of x (NaN, infinities, anything) never changes a valid output."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.case import Case
from harness.causes import Cause
from harness.checks.registry import Need, SecondCall, check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import PADDING, VALUES
from harness.judging.second_call import is_other, same_rows
from harness.probes import Probe

__all__ = ["padding_ignored"]


def _has_other_padding(case: Case) -> bool:
    return not bool(case.valid.all()) and is_other(case)


@check(
    requirement="lengths",
    difference="what stands in the padding changes valid outputs",
    applies=VALUES & PADDING,
    needs=(Need.OUTPUTS, Need.SECOND_CALL),
    probes=(Probe.PADDING,),
    second_call=SecondCall.PADDING,
    admits=_has_other_padding,
)
def padding_ignored(evidence: Evidence) -> Iterator[Comparison]:
    if evidence.case.valid.all():
        return
    for rerun in evidence.observation.reruns:
        if rerun.padding:
            message = "other numbers in the padding of x gave other bits"
            result = same_rows(evidence, rerun, message, Probe.PADDING)
            shown = result.cause is Cause.UNEXPLAINED  # of the same numbers alone it is not
            yield replace(result, cause=Cause.PADDING) if shown else result
