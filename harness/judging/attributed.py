"""Causes that no single check establishes: what fails is judged again with one of them forgiven.

What stands in the padding: an implementation that multiplies padding by 0 is right with any finite
numbers there; NaN and infinities times 0 are NaN. What fails, and holds with finite numbers in the
padding of the same case, has this cause. Weights in eight bits: see `quantised_weights`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from harness.causes import Cause
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.quantised_weights import on_its_grid
from harness.verdicts import Verdict

__all__ = ["attributed"]

Judge = Callable[[Evidence], Iterable[Comparison]]

SPOILED = (Cause.UNEXPLAINED, Cause.UNWRITTEN)
"""What NaN from the padding looks like; in an empty row there is nothing else."""

NEITHER = (Cause.UNEXPLAINED, Cause.ACTIVATION)
"""What else a layer with coarser weights is said to have: its activation errs as well."""


def attributed(
    evidence: Evidence, judge: Judge, applies: Callable[[Config], bool] = lambda config: True
) -> Sequence[Comparison]:
    """What `judge` finds, with the causes that are established so.

    Args:
        applies: to which configs. Of integers that are none any more nothing exact is asked.
    """
    found = [*judge(evidence)]
    if _any_of(found, SPOILED) and evidence.unspoiled is not None:
        again = judge(evidence.unspoiled)
        found = _forgiven([*found], SPOILED, Cause.PADDING, again, _spoils)
    if _any_of(found, NEITHER) and (other := on_its_grid(evidence)) is not None:
        again = judge(other) if applies(other.config) else ()
        found = _forgiven(found, NEITHER, Cause.PRECISION, again)
    return found


def _any_of(found: Iterable[Comparison], causes: Collection[Cause]) -> bool:
    return any(one.cause in causes for one in found)


def _forgiven(
    found: Iterable[Comparison],
    causes: Collection[Cause],
    cause: Cause,
    again: Iterable[Comparison],
    may: Callable[[Comparison], bool] = lambda one: True,
) -> list[Comparison]:
    failing = [one for one in again if one.verdict is Verdict.FAIL]
    wrong = {one.part for one in failing if one.cause is not Cause.EMPTY}  # that is a convention
    return [
        replace(one, cause=cause)
        if one.cause in causes and one.part not in wrong and may(one)
        else one
        for one in found
    ]


def _spoils(one: Comparison) -> bool:
    """Memory that was never written holds anything; what spoils it is not finite."""
    place = one.worst
    finite = place is not None and place.actual is not None and math.isfinite(place.actual)
    return one.cause is not Cause.UNWRITTEN or not finite
