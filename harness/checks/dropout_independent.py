"""Whether dropout drops each element by itself: exact tests of how often pairs fare alike.

Pairs are made of neighbouring steps, rows and units, of directions, of calls, and of a call and
itself, displaced by any number of places in the order of its memory. Where it is the most
striking of several that is tested, the choice is allowed for. And of any two steps, rows, units
and layers those that fare alike most unexpectedly are judged (`harness.judging.dropout_slices`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import DROPPING
from harness.judging.displacement import apart, most_striking_displacement
from harness.judging.dropout_calls import dropout_calls
from harness.judging.dropout_counts import KeptElements, judge_count, kept_elements
from harness.judging.dropout_slices import judged_slices
from harness.observe.dropout import CALLS
from harness.probes import Probe
from harness.verdicts import Verdict
from reference.arrays import BoolArray

__all__ = ["dropout_independent"]


@check(
    requirement="dropout-independent",
    difference="elements are not dropped independently of each other",
    applies=DROPPING,
    probes=(Probe.SMALLEST_DEVIATION,),
    consequence="dropped otherwise than documented",
)
def dropout_independent(evidence: Evidence) -> Iterator[Comparison]:
    """One comparison for each kind of pairs."""
    found = kept_elements(evidence)
    calls = dropout_calls(evidence)
    if found is None or calls is None:
        return
    yield _calls_with_themselves(found)
    one, two, count = _most_striking_calls(found)
    yield _pairs(found, "calls", "", found.calls[one], found.calls[two], count)
    first = found.calls[:CALLS]
    for axis, name in ((1, "steps"), (2, "rows"), (3, "units")):
        distances = _distances(first.shape[axis])
        each = [
            _pairs(found, name, f", {d} apart from {s}", *apart(first, axis, d, s), len(distances))
            for d, s in distances
        ]
        if each:
            yield max(each, key=_least_by_chance)
    if evidence.config.bidirectional:
        yield _pairs(found, "directions", "", *np.split(first, 2, axis=3))
    yield from judged_slices(evidence, found, calls)


def _pairs(
    found: KeptElements, name: str, which: str, one: BoolArray, other: BoolArray, choices: int = 1
) -> Comparison:
    same, size, part = int((one == other).sum()), one.size, f"pairs of {name}"
    message = f"{same} of {size} {part}{which} fare alike, expected {size * found.alike:.0f}"
    return judge_count(part, same, size, found.alike, message, choices, slack=found.alike_slack)


def _least_by_chance(result: Comparison) -> float:
    return result.ratio or 0.0


def _calls_with_themselves(found: KeptElements) -> Comparison:
    """The call that is least by chance; `failing` counts all such calls."""
    count, results = len(found.calls), []
    for number, call in enumerate(found.calls, start=1):
        most = most_striking_displacement(call, found.alike)
        message = (
            f"call {number}: {most.same} of {most.pairs} pairs of elements {most.distance:,} "
            f"places apart (of {call.size:,}, {most.order} first) fare alike, expected "
            f"{most.pairs * found.alike:.0f}"
        )
        choices = most.choices * count
        part = "calls and themselves"
        results.append(
            judge_count(
                part,
                most.same,
                most.pairs,
                found.alike,
                message,
                choices,
                slack=found.alike_slack,
            )
        )
    failing = sum(result.verdict == Verdict.FAIL for result in results)
    worst = max(results, key=_least_by_chance)
    message = f"{worst.message}; {failing} of {count} calls" if failing else worst.message
    return replace(worst, compared=count, failing=failing, message=message)


def _most_striking_calls(found: KeptElements) -> tuple[int, int, int]:
    """The two calls that fare alike most unexpectedly often or seldom, and of how many pairs."""
    count = len(found.calls)
    signs = np.where(found.calls, 1.0, -1.0).reshape(count, -1)
    rows, columns = np.triu_indices(count, 1)
    same = ((signs @ signs.T)[rows, columns] / signs.shape[1] + 1) / 2
    chosen = int(np.abs(same - found.alike).argmax())
    return int(rows[chosen]), int(columns[chosen]), len(rows)


def _distances(length: int) -> list[tuple[int, int]]:
    """Neighbours, from even and from odd places; next but one; the other half."""
    wanted = ((1, 0), (1, 1), (2, 0), (length // 2, 0))
    return [(d, s) for d, s in dict.fromkeys(wanted) if d >= 1 and s + 2 * d <= length]
