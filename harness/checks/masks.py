"""Which elements dropout drops: as many as p says, and each by itself.

All that is needed is seen from outside (`harness.observe.dropping`): what came through a stack of
identities in many calls. Where a test fails, two causes can be established. A call *repeats*
itself: some places of a tensor are dropped as others are. Layers *share* what they drop, within a
call or some calls apart: then more comes through than through masks of their own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from harness.causes import Cause
from harness.checks.registry import check
from harness.checks.repetition import (
    MOST_PARTS,
    displacements,
    in_memory,
    most_striking,
    pairs_along,
)
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.applies import DROPPING
from harness.judging.power import stated
from harness.observe import Dropping
from harness.observe.dropping import CALLS
from harness.probes import Probe
from harness.significance import SIGNIFICANCE, binomial, smallest_deviation
from harness.verdicts import Verdict
from reference.arrays import BoolArray

__all__ = ["independent", "rate"]

Masks = Sequence[BoolArray]
"""Which elements came through, for each call: (T, B, D * H)."""
Pairs = Callable[[BoolArray], tuple[BoolArray, BoolArray]]
Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Calls:
    """What came through in each call; `each` is what one dropout keeps, of so many `times`."""

    masks: Masks
    each: float
    times: int

    @property
    def kept(self) -> float:
        """Probability that an element comes through all of them."""
        return self.each**self.times

    @property
    def alike(self) -> float:
        """Probability that two elements that have nothing to do with each other fare alike."""
        return _alike(self.kept, self.kept)

    @property
    def alike_if_shared(self) -> Range:
        """The same in calls in which layers share, altogether or in parts; smallest and largest."""
        ends = (self.kept, self.each)
        found = [_alike(one, two) for one in ends for two in ends]
        return min(found), max(found)

    @functools.cached_property
    def shares(self) -> Callable[[int], bool]:
        """Whether as many come through a call as if layers dropped the same elements."""
        return functools.cache(lambda number: self._sharing(number) is True)

    def any_shares(self, numbers: Iterable[int]) -> bool:
        """Whether layers that share, in some of these calls, say how many come through.

        One call alone may have too few elements to tell; then all of them together may fit what
        comes through layers that share, and not what comes through others.
        """
        chosen = list(numbers)
        found = [self._sharing(number) for number in chosen]
        if None in found or True in found:
            return None not in found
        own, *shared = self._fitting(chosen)
        return not own and any(shared)

    @functools.cached_property
    def _sharing(self) -> Callable[[int], bool | None]:
        """None where neither sharing nor its absence says how many come through."""
        return functools.cache(self._whether_sharing)

    def _whether_sharing(self, number: int) -> bool | None:
        fitting = self._fitting([number])
        if any(fitting):
            return not fitting[0]
        shared = self.times > 1 and _in_parts(self.masks[number], self._chances)
        return True if shared else None

    @property
    def _chances(self) -> list[float]:
        """What comes through all dropouts, and through fewer of them."""
        return [self.each**count for count in range(self.times, 0, -1)]

    def _fitting(self, numbers: Sequence[int]) -> list[bool]:
        """Which of these chances say how many come through some calls together."""
        kept = sum(int(self.masks[number].sum()) for number in numbers)
        size = sum(self.masks[number].size for number in numbers)
        return [binomial(kept, size, one).ratio <= 1 for one in self._chances]

    def repeats(self, number: int) -> bool:
        """Whether a call repeats itself, with as many elements as should come through."""
        return bool(self._distance(number)) and self.rate_is_right([number])

    @functools.cached_property
    def _distance(self) -> Callable[[int], int]:
        """How far on a call drops what it dropped before, computed where it is asked; or 0."""
        return functools.cache(self._repeated)

    def _repeated(self, number: int) -> int:
        alike = self.own_alike(number)
        if self.shares(number):
            alike = max(alike, self.alike_if_shared[1])
        mask = self.masks[number]
        distances = (
            found.distance
            for found in displacements(mask, alike, more=True)
            if found.repeats(alike) and found.between_threads(mask.size)
        )
        return max(distances, default=0)

    def own_alike(self, number: int) -> float:
        """`alike`, of elements that come through as often as those of this call do.

        Whether that is often enough is asked elsewhere (`rate`). One that is off makes elements
        fare alike too, and one that is off by chance adds to what a repetition does, or hides it.
        """
        rate = float(self.masks[number].mean())
        return _alike(rate, rate)

    def rate_is_right(self, numbers: Sequence[int]) -> bool:
        """As many come through calls that repeat themselves as should, or as sharing lets. What
        comes again counts once.
        """
        own = [number for number in numbers if not self.shares(number)]
        copies = [math.ceil(self.masks[number].size / self._distance(number)) for number in own]
        each = list(zip(own, copies, strict=True))
        kept = sum(int(self.masks[number].sum()) // count for number, count in each)
        size = sum(self.masks[number].size // count for number, count in each)
        return not own or binomial(kept, size, self.kept).ratio <= 1

    def chances_if_common(self) -> list[float]:
        """How often two calls' elements fare alike if some of their layers' masks are the same.

        Of one different masks behind each other in the one call and two in the other, `common` may
        be the same; not all of them, for then the calls are the same.
        """
        counts = range(1, self.times + 1)
        return [
            self._alike_if(one, two, common)
            for one in counts
            for two in counts
            for common in range(min(one, two) + 1)
            if (one, two, common) != (self.times, self.times, 0) and not one == two == common
        ]

    def _alike_if(self, one: int, two: int, common: int) -> float:
        both, first, second = (self.each**n for n in (common, one - common, two - common))
        return 1 - both + both * (first * second + (1 - first) * (1 - second))


def _calls(evidence: Evidence) -> _Calls | None:
    facts, config = evidence.observation.details, evidence.config
    if not isinstance(facts, Dropping) or config.num_layers == 1 or config.dropout == 0:
        return None
    masks = [call.output != 0 for call in (*facts.trained, *facts.later)]
    return _Calls(masks, 1 - config.dropout / 100, config.num_layers - 1)


def _alike(one: float, two: float) -> float:
    return one * two + (1 - one) * (1 - two)


def _in_parts(mask: BoolArray, chances: Sequence[float]) -> bool:
    """Whether each of some equal parts of a call has a chance of its own, of those given.

    Threads fill a part of the memory each, with random numbers of their own: layers may share in
    one part and not in another. That must be likelier than any one other chance for the whole,
    by more than the choice among parts and chances gives (one natural logarithm for each).
    """
    states = np.array(chances)[:, None]
    for flat in in_memory(mask).values():
        one = float(flat.mean())
        logs = one * math.log(one) + (1 - one) * math.log1p(-one) if 0 < one < 1 else 0.0
        for parts in range(2, MOST_PARTS + 1):
            split = np.array_split(flat, parts)
            kept, sizes = np.array([[part.sum(), part.size] for part in split]).T
            likely = kept * np.log(states) + (sizes - kept) * np.log1p(-states)
            choice = likely.argmax(axis=0)
            chosen = parts * math.log(len(chances)) + math.log(2 * MOST_PARTS)
            if likely.max(axis=0).sum() - chosen <= flat.size * logs:
                continue
            counts = zip(kept.tolist(), sizes.tolist(), choice.tolist(), strict=True)
            if all(binomial(k, n, chances[c]).ratio <= 1 for k, n, c in counts):
                return True
    return False


def _tested(
    part: str,
    successes: int,
    trials: int,
    chance: float,
    shared: Sequence[Range],
    message: str,
    choices: int = 1,
) -> Comparison:
    """A binomial test; `shared` are the chances if layers drop the same elements.

    What was counted is the most striking of so many `choices`.
    """
    test = binomial(successes, trials, chance, choices)
    ratio = test.ratio
    if not ratio <= 1:
        rare = f"{test.p_value:.1e}" if test.p_value else "below 1e-300"
        said = f"{message}: probability {rare} by chance"
        for low, high in shared:
            nearest = min(max(successes / trials, low), high)
            if nearest != chance and binomial(successes, trials, nearest, choices).ratio <= 1:
                expected = " to ".join(f"{trials * one:.0f}" for one in dict.fromkeys((low, high)))
                said += f"; {expected} if layers drop the same elements"
                return Comparison(part, Verdict.FAIL, trials, said, Cause.SHARED, ratio=ratio)
        return Comparison(part, Verdict.FAIL, trials, said, Cause.UNEXPLAINED, ratio=ratio)
    if not test.powerful:
        said = f"{trials} elements are too few to notice anything at {SIGNIFICANCE:g}"
        return Comparison(part, Verdict.INCONCLUSIVE, trials, said, ratio=ratio)
    result = Comparison(part, Verdict.PASS, trials, f"p = {test.p_value:.2g}", ratio=ratio)
    return stated(result, {Probe.SMALLEST_DEVIATION: smallest_deviation(trials, chance, choices)})


@check(
    name="dropout_rate",
    requirement="dropout-rate",
    difference="not as many elements are dropped as p says",
    applies=DROPPING,
    probes=(Probe.SMALLEST_DEVIATION,),
    consequence="dropped otherwise than documented",
)
def rate(evidence: Evidence) -> Iterator[Comparison]:
    """How many are kept: exact binomial test."""
    calls = _calls(evidence)
    if calls is None:
        return

    def tested(numbers: Sequence[int], which: str) -> Comparison:
        masks = [calls.masks[number] for number in numbers]
        kept, trials = sum(int(m.sum()) for m in masks), sum(m.size for m in masks)
        message = f"{kept} of {trials} kept, expected {trials * calls.kept:.0f}"
        ends = (calls.kept if calls.any_shares(numbers) else calls.each, calls.each)
        return _tested(f"kept elements{which}", kept, trials, calls.kept, [ends], message)

    count = len(calls.masks)
    for first, end, which in ((0, min(CALLS, count), ""), (CALLS, count, ", later calls")):
        if first < end:
            yield _explained(calls, partial(tested, which=which), range(first, end))


@check(
    name="dropout_independent",
    requirement="dropout-independent",
    difference="elements are not dropped independently of each other",
    applies=DROPPING,
    probes=(Probe.SMALLEST_DEVIATION,),
    consequence="dropped otherwise than documented",
)
def independent(evidence: Evidence) -> Iterator[Comparison]:
    """How often two elements that have nothing to do with each other fare alike, in pairs.

    A call's mask is also laid over itself, displaced by any number of places in the order of its
    memory; where it fits best, or worst, is counted exactly, and the choice is allowed for.
    """
    calls = _calls(evidence)
    if calls is None:
        return
    yield _repeating(calls)

    def tested(
        name: str, a: BoolArray, b: BoolArray, shared: Sequence[Range], choices: int = 1
    ) -> Comparison:
        same = int((a == b).sum())
        expected = b.size * calls.alike
        message = f"{same} of {b.size} pairs of {name} fare alike, expected {expected:.0f}"
        return _tested(f"pairs of {name}", same, b.size, calls.alike, shared, message, choices)

    common = [(one, one) for one in calls.chances_if_common()]

    def most_alike(numbers: Sequence[int]) -> Comparison:
        masks = [calls.masks[number] for number in numbers]
        count, *places = _striking(masks, calls.alike)
        first, second = (numbers[place] for place in places)
        shared = [*common, calls.alike_if_shared] if calls.any_shares((first, second)) else common
        one, two = calls.masks[first], calls.masks[second]
        result = tested("calls", one, two, shared, count)
        chances = [calls.alike, *calls.chances_if_common()]
        if result.cause == Cause.UNEXPLAINED and calls.times > 1 and _in_parts(one == two, chances):
            return replace(result, cause=Cause.SHARED)
        return result

    yield _explained(calls, most_alike, range(len(calls.masks)))
    for name, pairs in _places(evidence.config, calls.masks[0].shape).items():

        def apart(numbers: Sequence[int], name: str = name, pairs: Pairs = pairs) -> Comparison:
            shared = [calls.alike_if_shared] if calls.any_shares(numbers) else []
            return tested(name, *pairs(np.stack([calls.masks[n] for n in numbers])), shared)

        yield _explained(calls, apart, range(min(CALLS, len(calls.masks))))


def _explained(
    calls: _Calls, tested: Callable[[Sequence[int]], Comparison], numbers: Sequence[int]
) -> Comparison:
    """A test of some calls, and the cause of its failure.

    That some repeat themselves explains it if the test passes with calls that do not, and as many
    elements as should come through those that do.
    """
    result = tested(numbers)
    if result.cause != Cause.UNEXPLAINED:
        return result
    repeating = [number for number in numbers if calls.repeats(number)]
    if not repeating or not calls.rate_is_right(repeating):
        return result
    clean = [number for number in range(len(calls.masks)) if not calls.repeats(number)]
    if len(clean) >= CALLS:
        without = tested(clean[: len(numbers)])
        if without.verdict == Verdict.PASS or without.cause is Cause.SHARED:
            return replace(result, cause=Cause.REPEATS)
    return result


def _striking(masks: Masks, alike: float) -> tuple[int, int, int]:
    """Number of pairs of calls, and the two that fare alike most unexpectedly often or seldom."""
    signs = np.where(np.stack(masks), 1.0, -1.0).reshape(len(masks), -1)
    rows, columns = np.triu_indices(len(masks), 1)
    same = ((signs @ signs.T)[rows, columns] / signs.shape[1] + 1) / 2
    chosen = int(np.argmax(np.abs(same - alike)))
    return len(rows), int(rows[chosen]), int(columns[chosen])


def _repeating(calls: _Calls) -> Comparison:
    """The call that is most like itself, displaced."""
    every = [most_striking(mask, calls.own_alike(n)) for n, mask in enumerate(calls.masks)]
    number = max(range(len(every)), key=lambda n: every[n].deviation(calls.own_alike(n)))
    found, alike = every[number], calls.own_alike(number)
    apart = f"{found.distance:,} places apart (of {calls.masks[0].size:,}, {found.order} first)"
    message = (
        f"call {number + 1}: {found.same} of {found.pairs} pairs of elements {apart} fare alike, "
        f"expected {found.pairs * alike:.0f}"
    )
    choices = found.choices * len(every)
    shared = [calls.alike_if_shared] if calls.shares(number) else []
    part = "a call and itself"
    result = _tested(part, found.same, found.pairs, alike, shared, message, choices)
    if (
        result.verdict != Verdict.FAIL
        or result.cause != Cause.UNEXPLAINED
        or not calls.repeats(number)
    ):
        return result
    repeating = sum(map(calls.repeats, range(len(every))))
    said = f"{result.message}; {repeating} of {len(every)} calls repeat themselves"
    return replace(result, message=said, cause=Cause.REPEATS)


def _places(config: Config, shape: tuple[int, ...]) -> dict[str, Pairs]:
    """What makes pairs of elements of some calls' masks, each of `shape` (T, B, D * H), by name."""
    found: dict[str, Pairs] = {}
    for axis, name in ((1, "steps"), (2, "rows"), (3, "units")):
        for distance, start in _distances(shape[axis - 1]):
            found[f"{name}, {distance} apart from {start}"] = partial(
                pairs_along, axis=axis, distance=distance, start=start
            )
    if config.bidirectional:
        hidden = config.hidden_size
        found["directions"] = lambda both: (both[..., :hidden], both[..., hidden:])
    return found


def _distances(length: int) -> list[tuple[int, int]]:
    """Neighbours, from even and from odd places; next but one; the other half."""
    wanted = ((1, 0), (1, 1), (2, 0), (length // 2, 0))
    return [(d, s) for d, s in dict.fromkeys(wanted) if d >= 1 and s + 2 * d <= length]
