"""Whether dropout drops each element by itself: exact tests of how often pairs fare alike.

Pairs are made of neighbouring steps, rows and units, of directions, of calls, of calls of two
layers, and of a call and itself, displaced by any number of places in the order of its memory (but
for padded calls, whose order is not known). Where it is the most
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
    seen = found.seen.reshape(len(found.calls), -1)
    one, two, count = _most_striking_calls(seen, None, found.alike)
    yield _pairs(found, "calls", "", seen[one], seen[two], count)
    if calls.beside:
        others = np.stack([call["output"] != 0 for call in calls.beside])
        others = others if found.valid is None else others[:, found.valid]
        others = others.reshape(len(others), -1)
        one, two, count = _most_striking_calls(seen, others, found.alike)
        yield _pairs(found, "calls of two layers", "", seen[one], others[two], count)
    if found.valid is None:
        yield from _places(evidence, found)
    yield from judged_slices(evidence, found, calls)


def _places(evidence: Evidence, found: KeptElements) -> Iterator[Comparison]:
    """Calls and themselves displaced; neighbours along each axis; directions."""
    yield _calls_with_themselves(found)
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


def _most_striking_calls(
    calls: BoolArray, others: BoolArray | None, alike: float
) -> tuple[int, int, int]:
    """Of any two calls, or of one and an other, those that fare alike most unexpectedly often or
    seldom, and of how many pairs."""
    one, two = (np.where(kept, 1.0, -1.0) for kept in (calls, calls if others is None else others))
    same = ((one @ two.T) / calls.shape[1] + 1) / 2
    rows, columns = np.triu_indices(len(calls), 1) if others is None else np.indices(same.shape)
    rows, columns = rows.ravel(), columns.ravel()
    chosen = int(np.abs(same[rows, columns] - alike).argmax())
    return int(rows[chosen]), int(columns[chosen]), len(rows)


def _distances(length: int) -> list[tuple[int, int]]:
    """Neighbours, from even and from odd places; next but one; the other half."""
    wanted = ((1, 0), (1, 1), (2, 0), (length // 2, 0))
    return [(d, s) for d, s in dict.fromkeys(wanted) if d >= 1 and s + 2 * d <= length]
