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
from harness.probes import Probe
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
        found = _spoiled(found, [*judge(evidence.unspoiled)])
    if _any_of(found, NEITHER) and (other := on_its_grid(evidence)) is not None:
        finer = judge(other) if applies(other.config) else ()
        found = _forgiven(found, NEITHER, Cause.PRECISION, finer)
    return found


def _any_of(found: Iterable[Comparison], causes: Collection[Cause]) -> bool:
    return any(one.cause in causes for one in found)


def _spoiled(found: list[Comparison], again: list[Comparison]) -> list[Comparison]:
    """NaN in an empty row may be what the memory held. It is that of the padding where other rows
    have it too, or where the row is right without it by more than chance: memory is often 0.
    """
    found = _forgiven(found, (Cause.UNEXPLAINED,), Cause.PADDING, again)
    right = {one.part: one for one in again if one.verdict is not Verdict.FAIL}
    everywhere = _any_of(found, (Cause.PADDING,))

    def of_the_padding(one: Comparison) -> bool:
        if one.cause is not Cause.UNWRITTEN or one.part not in right or _is_finite(one):
            return False
        return everywhere or right[one.part].power.get(Probe.ZERO, 0) > 0

    return [replace(one, cause=Cause.PADDING) if of_the_padding(one) else one for one in found]


def _is_finite(one: Comparison) -> bool:
    place = one.worst
    return place is not None and place.actual is not None and math.isfinite(place.actual)


def _forgiven(
    found: Iterable[Comparison],
    causes: Collection[Cause],
    cause: Cause,
    again: Iterable[Comparison],
) -> list[Comparison]:
    failing = [one for one in again if one.verdict is Verdict.FAIL]
    wrong = {one.part for one in failing if one.cause is not Cause.EMPTY}  # that is a convention
    return [
        replace(one, cause=cause) if one.cause in causes and one.part not in wrong else one
        for one in found
    ]
