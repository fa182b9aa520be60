"""What a finding depends on, as far as a run can tell: options, sizes, and places in the output.

A *rule* is a condition on configs ("batch >= 32", "hidden_size divisible by 8", "bias is True")
that separates those that show a finding from those that were judged and do not, without exception.
The simplest one is stated, with how many configs were chosen and judged to test it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.aspects import LIFE
from harness.config import SIZES, Config
from harness.results import Place, Result, as_float

__all__ = [
    "ALWAYS",
    "OptionShare",
    "Rule",
    "condition",
    "dependence",
    "places",
    "rules",
    "shares_of",
]

CHANCE = 0.01
"""A dependence that would come about by chance as often as this is not reported."""

NUMBERS = (*SIZES, "num_layers", "scale", "dropout")
"""Fields with an order; all other choices are words."""

DIVISORS = (2, 4, 8, 16, 32)

MOST = 12
"""Rules that are looked at together, the simplest."""


@dataclass(frozen=True)
class Rule:
    """A condition on a config, in words; `cost` says how much there is to believe in it."""

    text: str
    cost: float
    holds: Callable[[Config], bool]

    def and_(self, other: Rule) -> Rule:
        return Rule(
            f"{self.text} and {other.text}",
            self.cost + other.cost + 1,
            lambda config: self.holds(config) and other.holds(config),
        )

    def separates(self, showing: Sequence[Config], passing: Sequence[Config]) -> bool:
        return all(map(self.holds, showing)) and not any(map(self.holds, passing))


ALWAYS = Rule("every config", 0, lambda config: True)


@dataclass(frozen=True)
class OptionShare:
    """Of the configs judged with each value of an option, how many show a finding.

    `values` are (value, showing, judged), the option's values in order.
    """

    option: str
    values: Sequence[tuple[str, int, int]]

    @property
    def needed(self) -> tuple[str, ...]:
        """The values it shows with, if that it never shows with the others is no chance."""
        showing = tuple(value for value, count, _ in self.values if count)
        return showing if self.chance < CHANCE else ()

    @property
    def chance(self) -> float:
        """How likely its absence elsewhere is, if it were as frequent there; 1 if not absent."""
        showing = sum(hits for _, hits, _ in self.values)
        judged = sum(total for _, hits, total in self.values if hits)
        return (1 - showing / judged) ** self.elsewhere if judged and self.elsewhere else 1.0

    @property
    def elsewhere(self) -> int:
        """Configs that were judged with a value that it never shows with."""
        return sum(judged for _, showing, judged in self.values if not showing)

    @property
    def indifferent(self) -> bool:
        """Whether it shows with every value that was judged, of at least two."""
        return len(self.values) > 1 and not self.elsewhere


def dependence(showing: Iterable[str], judged: Iterable[str]) -> list[OptionShare]:
    """By option, for the ids of configs that show a finding and of all that could have.

    An option of which only one value was judged says nothing, and is left out.
    """
    ids = set(showing)
    return shares_of([(Config.parse(one), one in ids) for one in {*judged, *ids}])


def shares_of(configs: Sequence[tuple[Config, bool]]) -> list[OptionShare]:
    """The same of configs, with whether they show it."""
    shares = []
    for option in dict.fromkeys(name for config, _ in configs for name in config.choices):
        with_it = [(c.choices[option], hit) for c, hit in configs if option in c.choices]
        total = Counter(value for value, _ in with_it)
        hits = Counter(value for value, hit in with_it if hit)
        if len(total) > 1:
            values = [(_word(value), hits[value], total[value]) for value in sorted(total)]
            shares.append(OptionShare(option, values))
    return shares


def condition(showing: Sequence[Config], passing: Sequence[Config]) -> Rule:
    """The simplest rule; else the options that are needed beyond chance; else `ALWAYS`."""
    if not passing:
        return ALWAYS
    found = rules(showing, passing)
    if found:
        return found[0]
    every = [*((c, True) for c in showing), *((c, False) for c in passing)]
    needed = [_needed(share, showing) for share in shares_of(every) if share.needed]
    if _share_of_state(every).needed == ("yes",):
        needed.append(Rule("a state before the step", 1, _has_state))
    return functools.reduce(Rule.and_, needed) if needed else ALWAYS


def _has_state(config: Config) -> bool:
    """Whether a step starts from another state than zeros that nobody gave."""
    return config.states or config.steps > 1


def _share_of_state(configs: Sequence[tuple[Config, bool]]) -> OptionShare:
    of = [
        [hit for config, hit in configs if _has_state(config) is state] for state in (False, True)
    ]
    values = [(word, sum(hits), len(hits)) for word, hits in zip(("no", "yes"), of, strict=True)]
    return OptionShare("a state before the step", values)


def _needed(share: OptionShare, showing: Sequence[Config]) -> Rule:
    """Layers without the option are meant, too, if some of them show it."""
    rule, name = _one_of(share.option, share.needed), share.option
    without = any(name not in config.choices for config in showing)

    def holds(config: Config) -> bool:
        return rule.holds(config) if name in config.choices else without

    return replace(rule, holds=holds)


def rules(showing: Sequence[Config], passing: Sequence[Config]) -> list[Rule]:
    """The simplest rules that separate the two without exception; none where one is empty.

    Of one condition each; only where there is no such rule, of two.
    """
    if not showing or not passing:
        return []
    necessary = [rule for rule in _candidates(showing, passing) if all(map(rule.holds, showing))]
    single = [rule for rule in necessary if not any(map(rule.holds, passing))]
    if single:
        return sorted(single, key=lambda rule: rule.cost)[:MOST]
    missed = [frozenset(n for n, c in enumerate(passing) if rule.holds(c)) for rule in necessary]
    pairs = (
        one.and_(other)
        for (one, a), (other, b) in itertools.combinations(zip(necessary, missed, strict=True), 2)
        if not a & b
    )
    return sorted(pairs, key=lambda rule: rule.cost)[:MOST]


def _candidates(showing: Sequence[Config], passing: Sequence[Config]) -> Iterator[Rule]:
    first = showing[0]
    words = [name for name in first.choices if name not in NUMBERS]
    for name in ("aspect", *words):
        values = sorted({_word(getattr(config, name, None)) for config in showing})
        others = {_word(getattr(config, name, None)) for config in passing} - {*values}
        if others:
            yield _one_of(name, values)
    for name in NUMBERS:
        yield from _of_number(
            name, [getattr(c, name) for c in showing], {getattr(c, name) for c in passing}
        )
    for one, other in itertools.combinations(SIZES, 2):
        yield _same(one, other)


def _one_of(name: str, values: Sequence[str]) -> Rule:
    wanted = frozenset(values)
    cost = len(values) + (0.5 if name in ("data", "aspect") else 0)
    return Rule(
        f"{name} = {' or '.join(values)}",
        cost,
        lambda config: _word(getattr(config, name, None)) in wanted,
    )


def _of_number(name: str, showing: Sequence[int], passing: set[int]) -> Iterator[Rule]:
    low, high = min(showing), max(showing)
    if low == high:
        yield Rule(f"{name} = {low}", 1 if low == 1 else 2, lambda c: getattr(c, name) == low)
    below = max((n for n in passing if n < low), default=None)
    if below is not None:
        for n in _between(below + 1, low):
            yield _at_least(name, n)
    above = min((n for n in passing if n > high), default=None)
    if above is not None:
        for n in _between(high, above - 1):
            yield _at_most(name, n)
    if name in SIZES:
        yield Rule(f"{name} odd", 1.5, lambda c: getattr(c, name) % 2 == 1)
        for n in DIVISORS:
            yield _divisible(name, n)


def _at_least(name: str, n: int) -> Rule:
    return Rule(f"{name} >= {n}", _roundness(n), lambda c: getattr(c, name) >= n)


def _at_most(name: str, n: int) -> Rule:
    return Rule(f"{name} <= {n}", _roundness(n + 1), lambda c: getattr(c, name) <= n)


def _divisible(name: str, n: int) -> Rule:
    text = f"{name} even" if n == 2 else f"{name} divisible by {n}"
    return Rule(text, 1.5 + DIVISORS.index(n) / 10, lambda c: getattr(c, name) % n == 0)


def _same(one: str, other: str) -> Rule:
    return Rule(f"{one} = {other}", 2, lambda c: getattr(c, one) == getattr(c, other))


def _between(low: int, high: int) -> list[int]:
    """Where a threshold may lie: the ends, the middle, and powers of two, and those after them."""
    powers = [n for power in range(12) for n in (2**power, 2**power + 1) if low <= n <= high]
    return sorted({low, (low + high) // 2, high, *powers})


def _roundness(n: int) -> float:
    """A threshold that people choose is easier to believe in."""
    return 1.0 if n & (n - 1) == 0 else 1.2 if (n - 1) & (n - 2) == 0 else 1.4


def places(failing: Iterable[Result]) -> list[str]:
    """Where in the output it is always worst: 'at step 0', 'in the last unit'.

    Said only where so many would hardly have come together there by chance. Where a result has no
    worst element of several, the first one is recorded: such say nothing.
    """
    located = [
        (Config.parse(one.config_id), one.worst)
        for one in failing
        if one.worst is not None and (one.failing == 1 or math.isfinite(as_float(one.ratio)))
    ]
    known = [(config, at) for config, at in located if config.aspect != LIFE]
    return [text for text, at, count in _PLACES if _only(known, at, count)]


_At = Callable[[Config, Place], "bool | None"]
_Count = Callable[[Config, Place], float]


def _only(located: Sequence[tuple[Config, Place]], at: _At, count: _Count) -> bool:
    seen = [(at(*one), count(*one)) for one in located]
    here = [(there, many) for there, many in seen if there is not None and many > 1]
    return all(there for there, _ in here) and 1 / math.prod(many for _, many in here) < CHANCE


def _index(name: str, wanted: Callable[[Config], int]) -> _At:
    def at(config: Config, place: Place) -> bool | None:
        found: int | None = getattr(place, name)
        return None if found is None else found == wanted(config)

    return at


_STEPS: _Count = lambda config, place: config.steps  # noqa: E731
_ROWS: _Count = lambda config, place: config.batch  # noqa: E731
_UNITS: _Count = lambda config, place: config.hidden_size  # noqa: E731
_LAYERS: _Count = lambda config, place: config.num_layers  # noqa: E731
_SIDES: _Count = lambda config, place: config.directions  # noqa: E731

_PLACES: Sequence[tuple[str, _At, _Count]] = (
    ("at step 0", _index("step", lambda c: 0), _STEPS),
    ("at the last step", _index("step", lambda c: c.steps - 1), _STEPS),
    ("in the first row", _index("batch", lambda c: 0), _ROWS),
    ("in the last row", _index("batch", lambda c: c.batch - 1), _ROWS),
    ("in the first unit", _index("unit", lambda c: 0), _UNITS),
    ("in the last unit", _index("unit", lambda c: c.hidden_size - 1), _UNITS),
    ("in the first layer", _index("layer", lambda c: 0), _LAYERS),
    ("in the last layer", _index("layer", lambda c: c.num_layers - 1), _LAYERS),
    (
        "in the reverse direction",
        lambda c, p: None if p.direction is None else p.direction == "reverse",
        _SIDES,
    ),
    (
        "in the forward direction",
        lambda c, p: None if p.direction is None else p.direction == "forward",
        _SIDES,
    ),
    (
        "in units that are multiples of 4",
        lambda c, p: None if p.unit is None or c.hidden_size < 5 else p.unit % 4 == 0,
        lambda c, p: min(4, c.hidden_size),
    ),
    (
        "in units that are multiples of 8",
        lambda c, p: None if p.unit is None or c.hidden_size < 9 else p.unit % 8 == 0,
        lambda c, p: min(8, c.hidden_size),
    ),
)


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
