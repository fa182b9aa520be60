"""What stands in the padding of x reaches other values: established by a call with finite numbers.

An implementation that multiplies padding by 0 is right with any finite numbers there; NaN and
infinities times 0 are NaN. What fails for no other cause, and holds with finite numbers in the
padding of the same case, has this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.verdicts import Verdict

__all__ = ["by_padding"]


def by_padding(
    evidence: Evidence, judge: Callable[[Evidence], Iterable[Comparison]]
) -> Iterator[Comparison]:
    """What `judge` finds, with this cause where it is established."""
    finite = evidence.unspoiled
    if finite is None:
        yield from judge(evidence)
        return
    found = [*judge(evidence)]
    wrong: set[str] = set()
    if any(one.cause is Cause.UNEXPLAINED for one in found):
        wrong = {one.part for one in judge(finite) if one.verdict is Verdict.FAIL}
    for one in found:
        explained = one.cause is Cause.UNEXPLAINED and one.part not in wrong
        yield replace(one, cause=Cause.PADDING) if explained else one
