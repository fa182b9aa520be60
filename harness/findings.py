"""From failing results to findings, and from findings to differences."""

from __future__ import annotations

import functools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.aspects import aspect_of
from harness.causes import Cause
from harness.checks import check_named
from harness.config import Config
from harness.dependence import Rule, dependence, places, rules
from harness.expectations import Judged
from harness.results import Place, Result, as_float
from harness.verdicts import FAILED, JUDGED, Verdict
from reference import FORMATS

__all__ = [
    *("SHORTENED", "TESTED"),
    *("Finding", "Key"),
    *("find", "judged_as", "key_of", "members"),
]

Key = tuple[str, str, Cause, str]

TESTED = "tested"
"""The origin of results of configs that were chosen to test what a finding depends on."""


SHORTENED = "shortened"
"""The origin of results of the shortest life that shows a finding."""


def key_of(result: Result) -> Key:
    """What makes failing results one finding: backend, check, cause, and the call if one."""
    config = Config.parse(result.config_id)
    return (
        result.backend,
        result.check,
        result.cause or (Cause.ERROR if result.verdict is Verdict.ERROR else Cause.UNEXPLAINED),
        config.aspect if config.is_call else "",
    )


@dataclass(frozen=True)
class Finding:
    """All failing results with one backend, check, cause and, for calls, kind of call.

    `showing` and `passing` are ids of configs; those that fail for another cause are neither.
    `alone` says whether the smallest config showed it in a new worker, if that was asked.
    `tested` counts those of both that were chosen to test what it depends on.
    """

    key: Key
    requirement: str
    known: tuple[str, ...]
    unexpected: int
    configs: int
    judged: int
    worst: Judged
    smallest: Judged
    showing: frozenset[str]
    passing: frozenset[str]
    tested: int
    places: tuple[str, ...]
    alone: bool | None = None

    @functools.cached_property
    def rule(self) -> Rule | None:
        """The simplest condition that separates those that show it; None where there is none."""
        return next(iter(rules(*self.sides)), None)

    @property
    def sides(self) -> tuple[list[Config], list[Config]]:
        """Configs that show it, and that do not, in the order of their size."""
        parsed = ([Config.parse(one) for one in side] for side in (self.showing, self.passing))
        showing, passing = (sorted(side, key=lambda c: (c.size, c.id)) for side in parsed)
        return showing, passing

    @functools.cached_property
    def depends(self) -> str:
        """What it depends on, how that is known; '' where there is nothing to say."""
        if self.rule is None:
            needed = [
                f"{s.option} = {' or '.join(s.needed)} (in none of {s.elsewhere:,} with another)"
                for s in dependence(self.showing, self.showing | self.passing)
                if s.needed and self.configs > 1
            ]
            return "; ".join(needed)
        if self.tested:
            known = f"tested on {self.tested} config{'s' * (self.tested > 1)} chosen for it"
        elif self.configs == 1:
            return ""  # one config says nothing
        else:
            known = "seen only, not tested"
        return f"{self.rule.text} (in none of {len(self.passing):,} without; {known})"

    @property
    def identity(self) -> tuple[Key, str | None]:
        """What all results of it share: the key, and the known difference, if it is one."""
        return self.key, self.known[0] if self.known else None

    @property
    def backend(self) -> str:
        return self.key[0]

    @property
    def check(self) -> str:
        return self.key[1]

    @property
    def cause(self) -> Cause:
        return self.key[2]

    @property
    def slug(self) -> str:
        """A name for links and files, unique in a run."""
        parts = (*self.key, "unexpected" if self.unexpected else "-".join(self.known))
        return re.sub(r"[^a-z0-9]+", "-", " ".join(filter(None, parts)).lower()).strip("-")

    @property
    def numeric(self) -> bool:
        """Whether numbers differ, rather than what is accepted, drawn, named or raised."""
        place = self.worst.worst
        return place is not None and place.actual is not None and place.expected is not None

    @property
    def telling(self) -> Judged:
        """The result whose message says most: the worst; of lives, the shortest."""
        return self.smallest if Config.parse(self.smallest.config_id).life else self.worst

    @property
    def difference(self) -> str:
        """What failing this check means, in half a sentence; of a call, which one it is."""
        call = aspect_of(Config.parse(self.worst.config_id)).says if self.key[3] else ""
        check = check_named(self.check)  # a results file may be of another version
        difference = f"fails {self.check}" if check is None else check.difference
        return f"{call}: {difference}" if call else difference

    @property
    def consequence(self) -> str:
        """What it means for a user; from the cause or the check where they say it, else from the
        worst number.
        """
        check = check_named(self.check)
        known = self.cause.about.consequence or (check.consequence if check else None)
        if known is not None:
            return known
        place = self.worst.worst
        if place is None or place.actual is None or place.expected is None:
            return "wrong answer"
        return _consequence_of(place)

    @property
    def off_by(self) -> tuple[float, float] | None:
        """|actual - expected| where the ratio is largest: absolute, and in ulp of expected."""
        place = self.worst.worst
        if place is None or place.actual is None or place.expected is None:
            return None
        expected = as_float(place.expected)
        error = abs(as_float(place.actual) - expected)
        fmt = FORMATS[Config.parse(self.worst.config_id).dtype]
        return error, error / float(fmt.ulp(expected))


def find(results: Sequence[Judged]) -> list[Finding]:
    """The findings of a run, unexpected ones first, then by how many configs show them."""
    sides: dict[tuple[str, str, str], _Sides] = defaultdict(_Sides)
    for result in results:
        if result.verdict in JUDGED:
            sides[judged_as(key_of(result))].add(result)
    findings = [
        _finding(key, lines, sides[judged_as(key)])
        for (key, _), lines in sorted(members(results).items(), key=lambda item: str(item[0]))
    ]
    return sorted(findings, key=lambda f: (not f.unexpected, -f.configs))


def members(results: Iterable[Judged]) -> dict[tuple[Key, str | None], list[Judged]]:
    """The failing results of every finding, by its `identity`."""
    failing: dict[tuple[Key, str | None], list[Judged]] = defaultdict(list)
    for result in results:
        if result.verdict in FAILED:
            failing[key_of(result), result.known].append(result)
    return failing


def judged_as(key: Key) -> tuple[str, str, str]:
    """Backend, check and call: results that share them could have shown the finding."""
    return key[0], key[1], key[3]


@dataclass
class _Sides:
    """Ids of configs: judged, passing somewhere, failing, passing and chosen as tests."""

    judged: set[str] = field(default_factory=set)
    passing: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)

    def add(self, result: Result) -> None:
        self.judged.add(result.config_id)
        if result.verdict is Verdict.PASS:
            self.passing.add(result.config_id)
            if result.origin == TESTED:
                self.tested.add(result.config_id)
        elif result.verdict in FAILED:
            self.failing.add(result.config_id)


def _finding(key: Key, lines: list[Judged], sides: _Sides) -> Finding:
    showing = {line.config_id for line in lines}
    judged, failing = sides.judged, sides.failing
    tested = {line.config_id for line in lines if line.origin == TESTED} | (sides.tested - failing)
    return Finding(
        key=key,
        requirement=lines[0].requirement,
        known=tuple(sorted({line.known for line in lines if line.known})),
        unexpected=sum(line.unexpected for line in lines),
        configs=len(showing),
        judged=len(judged),
        worst=max(lines, key=_finite_first),
        smallest=min(lines, key=lambda line: Config.parse(line.config_id).size),
        showing=frozenset(showing),
        passing=frozenset(sides.passing - failing),
        tested=len(tested),
        places=tuple(places(lines)),
    )


def _finite_first(result: Result) -> tuple[int, float]:
    """Sort key: the largest finite ratio; an infinite one says less about size."""
    ratio = as_float(result.ratio)
    return (1, ratio) if ratio < float("inf") else (0, 0.0)


def _consequence_of(place: Place) -> str:
    actual, expected = as_float(place.actual), as_float(place.expected)
    if math.isnan(actual) != math.isnan(expected):
        return "NaN where a number is right" if math.isnan(actual) else "a number in place of NaN"
    if math.isinf(actual) != math.isinf(expected):
        return "infinite where a number is right" if math.isinf(actual) else "finite, not infinite"
    if actual == 0 and expected != 0:
        return "0 where another number is right"
    if actual * expected < 0:
        return "wrong sign"
    return "wrong value"
