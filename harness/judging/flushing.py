"""Whether an implementation takes subnormal numbers for 0, in its activations or in an answer.

What fails is then judged again with that forgiven. The evidence is a number that can be nothing
else: 0 where a subnormal number is due, in a sweep of an activation, or in the states at hand (a
product that is flushed shows in no activation), or 0 in one of two calls with the same numbers.
Seen in an answer alone it explains only what no other cause does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np

from harness.evidence import Evidence
from harness.judging.steps import DirectionSteps, States, direction_steps
from reference import Interval
from reference.arrays import Array, BoolArray

__all__ = ["flushes", "with_flushing"]

Explanation = TypeVar("Explanation")


def flushes(evidence: Evidence) -> bool:
    """Made once for each piece of evidence."""
    if flushes not in evidence.made:
        seen = (_in_activations, _in_states, _in_one_of_two)
        evidence.made[flushes] = any(where(evidence) for where in seen)
    found: bool = evidence.made[flushes]
    return found


def with_flushing(
    evidence: Evidence, others: Iterable[Explanation], flushed: Callable[[], Explanation]
) -> Iterator[Explanation]:
    """Flushing before other explanations where it was measured, after them where it was seen."""
    measured = _in_activations(evidence)
    if measured:
        yield flushed()
    yield from others
    if not measured and flushes(evidence):
        yield flushed()


def _in_activations(evidence: Evidence) -> bool:
    own = evidence.own_activations()
    return own is not None and own.flushes


def _in_states(evidence: Evidence) -> bool:
    """Some subnormal state is 0, and none that flushing leaves alone; of relu 0 says nothing."""
    if "relu" in evidence.config.cell.activations:
        return False
    tiny = evidence.case.fmt.smallest_normal
    seen = False
    for steps, states in _every(evidence):
        zero = states.defined & (states.actual == 0)
        due = states.interval
        subnormal = np.maximum(np.abs(due.low), np.abs(due.high)) < tiny
        flushed = zero & subnormal & _not_zero(due)
        if flushed.any():
            seen = True
            if (zero & _not_zero(states.within(steps.read(flushed=True)))).any():
                return False
    return seen


def _not_zero(due: Interval) -> BoolArray:
    found: BoolArray = (due.low > 0) | (due.high < 0)
    return found


def _in_one_of_two(evidence: Evidence) -> bool:
    """A second call gives 0 for a subnormal number of the first, or the other way round."""
    for rerun in evidence.observation.reruns:
        for name, first in evidence.outputs.items():
            kept = rerun.kept & evidence.case.rows_with(name)
            one, two = first[:, kept], rerun.outputs[name][:, kept]
            if (_zero_of(one, two, evidence) | _zero_of(two, one, evidence)).any():
                return True
    return False


def _zero_of(one: Array, other: Array, evidence: Evidence) -> BoolArray:
    tiny = evidence.case.fmt.smallest_normal
    found: BoolArray = (one == 0) & (other != 0) & (np.abs(other) < tiny)
    return found


def _every(evidence: Evidence) -> Iterator[tuple[DirectionSteps, States]]:
    """States of all layers, as far as they were observed, and the steps that they are of."""
    if evidence.observation.outputs is None:
        return
    config = evidence.config
    for layer in range(min(config.num_layers, len(evidence.observation.hidden) + 1)):
        for direction in range(config.directions):
            steps = direction_steps(evidence, layer, direction == 1)
            yield steps, steps
            for final in steps.finals:
                yield steps, final
