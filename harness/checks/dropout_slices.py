"""No two steps, rows, units, calls or layers are dropped alike, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator

from harness.causes import Cause
from harness.checks.registry import check
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.applies import DROPPING
from harness.judging.displacement import most_striking_displacement
from harness.judging.dropout_calls import chance, dropout_calls
from harness.judging.dropout_counts import KeptElements, judge_count, kept_elements
from harness.judging.dropout_slices import (
    Slices,
    any_two,
    any_two_masks,
    layer_masks,
    own_rates,
)
from harness.probes import Probe

__all__ = ["dropout_slices"]

MOST = 300_000
"""Elements of calls in sequence: more calls are left out."""


@check(
    requirement="dropout-independent",
    difference="two parts of what is dropped are the same, or opposite",
    applies=DROPPING,
    probes=(Probe.SMALLEST_DEVIATION,),
    consequence="dropped otherwise than documented",
)
def dropout_slices(evidence: Evidence) -> Iterator[Comparison]:
    """Of all pairs of steps, of rows, of units and of layers the least probable; and whether the
    calls, one after another, are a sequence that repeats itself."""
    found, calls, config = kept_elements(evidence), dropout_calls(evidence), evidence.config
    if found is None or calls is None:
        return
    for axis, name in ((1, "steps"), (2, "rows"), (3, "units")):
        two = any_two(found, axis, name)
        if two is not None:
            yield _judged(found, f"any two {name}", two)
    yield _in_sequence(found)
    if config.num_layers > 2:
        state = config.cell.states[0]
        masks = layer_masks(calls, state, config.num_layers, chance(evidence))
        yield _judged(found, "layers' own dropouts", own_rates(masks))
        yield _judged(found, "any two layers' masks", any_two_masks(masks))


def _judged(found: KeptElements, part: str, two: Slices) -> Comparison:
    expected = two.size * two.chance
    message = f"{two.what}: {two.same} of {two.size} elements, expected {expected:.0f}"
    cause = Cause.SHARED if found.shared else Cause.DEPENDENT
    return judge_count(part, two.same, two.size, two.chance, message, two.choices, cause)


def _in_sequence(found: KeptElements) -> Comparison:
    """All calls as one sequence, in the order of their memory, against itself displaced."""
    some = found.calls[: max(2, MOST // found.calls[0].size)]
    most = most_striking_displacement(some.reshape(-1, *some.shape[2:]), found.alike, ("steps",))
    what = f"calls as one sequence, {most.distance:,} places apart"
    two = Slices(what, most.same, most.pairs, found.alike, most.choices)
    return _judged(found, "calls in sequence", two)
