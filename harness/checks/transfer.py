"""The weights arrive: loaded by name, read back, equal bit for bit; and the layer answers.

A backend that raises, or whose weights are not those that were loaded, gets the verdict
`error` here and is judged no further: nothing it returned could be compared with anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import NO_CALL
from harness.verdicts import Verdict

__all__ = ["transfer"]


@check(
    requirement="weights",
    difference="weights do not arrive, or the call raises",
    applies=NO_CALL,
    first=True,
)
def transfer(evidence: Evidence) -> Iterator[Comparison]:
    observation = evidence.observation
    if observation.trouble is not None and not observation.malformed:
        yield Comparison("call", Verdict.ERROR, 0, observation.trouble)
    elif observation.transferred:
        yield Comparison("weights", Verdict.PASS, observation.transferred)
