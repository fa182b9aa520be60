"""Any two parts of dropout masks: the two that fare alike most unexpectedly, exactly.

Masks are bits by call, layer, step, row and unit. Two slices across one of these axes have a bit in
common places that is kept in both or dropped in both with probability q^2 + (1 - q)^2 if masks are
independent (q: the probability of a bit to be kept), so what they agree in is binomial. Of all
pairs the least probable is judged, and how many there are is allowed for (Bonferroni), which
holds whatever the pairs have to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.causes import Cause
from harness.comparison import Comparison
from harness.evidence import Evidence
from harness.judging.displacement import most_striking_displacement
from harness.judging.dropout_calls import chance
from harness.judging.dropout_counts import KeptElements, judge_count
from harness.observe import DropoutCalls
from harness.observe.dropout import CALLS
from harness.significance import binomial
from reference.arrays import Array, BoolArray, IntArray

__all__ = [
    "LayerMasks",
    "Slices",
    "any_two",
    "any_two_masks",
    "any_two_padded",
    "judged_slices",
    "layer_masks",
    "own_rates",
]

MOST = 300_000
"""Elements of calls in sequence: more calls are left out."""


@dataclass(frozen=True)
class Slices:
    """The most unexpected of so many `choices`: what it is, and how often it agrees."""

    what: str
    same: int
    size: int
    chance: float
    choices: int

    @property
    def ratio(self) -> float:
        return binomial(self.same, self.size, self.chance, self.choices).ratio


def any_two(found: KeptElements, axis: int, name: str) -> Slices | None:
    """Of two steps (axis 1), rows (2) or units (3), in one call, in the first, and in all."""
    kept = np.moveaxis(found.calls, axis, 1)
    calls, count = kept.shape[:2]
    signs = np.where(kept.reshape(calls, count, -1), 1, -1).astype(np.float32)
    size = signs.shape[2]
    if count < 2:
        return None
    # Counts of signs are exact in float32 up to 2^24.
    each = np.stack([one @ one.T for one in signs]).astype(np.int64)
    groups = [(f"in call {c}", each[c - 1], size) for c in range(1, calls + 1)]
    groups.append((f"in calls 1 to {CALLS}", each[:CALLS].sum(axis=0), size * len(each[:CALLS])))
    groups.append((f"in all {calls} calls", each.sum(axis=0), size * calls))
    one, two = np.triu_indices(count, 1)
    # What is too small to show anything need not be allowed for.
    pairs = len(groups) * len(one)
    able = [g for g in groups if binomial(0, g[2], found.alike, pairs).powerful] or groups[-1:]
    choices = len(able) * len(one)
    results = []
    for where, excess, total in able:
        same = (excess[one, two] + total) // 2
        for place in {int(same.argmax()), int(same.argmin())}:
            what = f"{name} {one[place]} and {two[place]} {where}"
            results.append(Slices(what, int(same[place]), total, found.alike, choices))
    return max(results, key=lambda r: r.ratio)


def any_two_padded(found: KeptElements, valid: BoolArray, axis: int, name: str) -> Slices | None:
    """The same where there is padding: of two slices count the places at which neither has any."""
    kept = np.moveaxis(found.calls, axis, 1)
    there = np.broadcast_to(valid[:, :, None], found.calls.shape[1:])
    calls, count = kept.shape[:2]
    one, two = np.triu_indices(count, 1)
    if not len(one):
        return None
    mask = np.moveaxis(there, axis - 1, 0).reshape(count, -1).astype(np.float32)
    signs = np.where(kept.reshape(calls, count, -1), mask, -mask)
    size = (mask @ mask.T).astype(np.int64)[one, two]
    each = np.stack([own @ own.T for own in signs]).astype(np.int64)[:, one, two]
    groups = [(f"in call {number}", own, 1) for number, own in enumerate(each, start=1)]
    groups.append((f"in calls 1 to {CALLS}", each[:CALLS].sum(axis=0), len(each[:CALLS])))
    groups.append((f"in all {calls} calls", each.sum(axis=0), calls))
    # What is too small to show anything need not be allowed for.
    pairs = len(groups) * len(one)
    able = [_able(size * times, found.alike, pairs) for _, _, times in groups]
    choices, results = sum(int(some.sum()) for some in able), []
    for (where, excess, times), some in zip(groups, able, strict=True):
        if not some.any():
            continue
        total, places = size[some] * times, np.flatnonzero(some)
        same = (excess[some] + total) // 2
        for place in _least_probable(same, total, np.asarray(found.alike)):
            pair = places[place]
            what = f"{name} {one[pair]} and {two[pair]} {where}"
            counted = int(same[place]), int(total[place])
            results.append(Slices(what, *counted, found.alike, choices))
    return max(results, key=lambda r: r.ratio, default=None)


def _able(sizes: IntArray, alike: float, choices: int) -> BoolArray:
    """Whether so many elements could show anything."""
    powerful = {int(n): binomial(0, int(n), alike, choices).powerful for n in np.unique(sizes)}
    return np.array([powerful[int(n)] for n in sizes], bool)


@dataclass(frozen=True, eq=False)
class LayerMasks:
    """What is seen of the dropout after each layer but the last, in final states.

    `reached` (calls, L - 1, elements): whether an element got so far; `kept`: and further. They
    are those of the step at which a direction ends.
    """

    reached: BoolArray
    kept: BoolArray
    probability: float


def layer_masks(calls: DropoutCalls, state: str, layers: int, dropout: float) -> LayerMasks:
    answers: list[Array] = [call[f"{state}_n"] for call in (*calls.trained, *calls.later)]
    alive = np.stack([final.reshape(layers, -1) != 0 for final in answers])
    return LayerMasks(alive[:, :-1], alive[:, 1:] & alive[:, :-1], 1 - dropout)


def own_rates(masks: LayerMasks) -> Slices:
    """The dropout of one layer that keeps least as it should, of what reached it."""
    layers = masks.reached.shape[1]
    results = []
    for layer in range(layers):
        reached, kept = (int(array[:, layer].sum()) for array in (masks.reached, masks.kept))
        what = f"what reached layer {layer + 2} got further"
        results.append(Slices(what, kept, reached, masks.probability, layers))
    return max(results, key=lambda r: r.ratio)


def any_two_masks(masks: LayerMasks) -> Slices:
    """Of two masks of different calls, or of different layers in one call.

    What reached a layer was kept by all below, so that there two masks of one call agree where
    the later one keeps. Of different calls they have nothing to do with each other.
    """
    calls, layers = masks.reached.shape[:2]
    reached = masks.reached.reshape(calls * layers, -1).astype(np.float32)
    signs = np.where(masks.kept.reshape(calls * layers, -1), 1, -1) * reached
    both, excess = (reached @ reached.T).astype(np.int64), (signs @ signs.T).astype(np.int64)
    one, two = np.triu_indices(calls * layers, 1)
    q = masks.probability
    chance = np.where(one // layers == two // layers, q, q**2 + (1 - q) ** 2)
    size = both[one, two]
    same = (excess[one, two] + size) // 2
    results = []
    for place in _least_probable(same, size, chance):
        what = " and ".join(
            f"layer {mask % layers + 1} in call {mask // layers + 1}"
            for mask in (int(one[place]), int(two[place]))
        )
        results.append(
            Slices(what, int(same[place]), int(size[place]), float(chance[place]), len(one))
        )
    return max(results, key=lambda r: r.ratio)


def _least_probable(same: IntArray, size: IntArray, chance: Array) -> Iterator[int]:
    """The places with the smallest probabilities of so many, and of so few."""
    from scipy.stats import binom

    yield int(np.argmin(binom.sf(same - 1, size, chance)))
    yield int(np.argmin(binom.cdf(same, size, chance)))


def judged_slices(
    evidence: Evidence, found: KeptElements, calls: DropoutCalls
) -> Iterator[Comparison]:
    """Any two steps, rows, units and layers; and all calls as one sequence."""
    config, valid = evidence.config, found.valid
    for axis, name in ((1, "steps"), (2, "rows"), (3, "units")):
        if valid is None:
            two = any_two(found, axis, name)
        else:
            two = any_two_padded(found, valid, axis, name)
        if two is not None:
            yield _judged(found, f"any two {name}", two)
    if valid is None:
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
