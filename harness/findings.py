"""From failing results to findings, and from findings to differences."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.aspects import aspect_of
from harness.causes import Cause
from harness.checks import check_named
from harness.config import Config
from harness.expectations import Judged
from harness.results import Place, Result, as_float
from harness.verdicts import FAILED, JUDGED, Verdict
from reference import FORMATS

__all__ = [
    *("Finding", "Group", "Key"),
    *("find", "group", "judged_as", "key_of", "members"),
]

Key = tuple[str, str, Cause, str]


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
    """All failing results with one backend, check, cause and, for calls, kind of call."""

    key: Key
    requirement: str
    known: tuple[str, ...]
    unexpected: int
    configs: int
    judged: int
    worst: Judged
    smallest: Judged
    depends: tuple[str, ...]

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


@dataclass(frozen=True)
class Group:
    """One difference, as several checks, calls and modes see it.

    `topic` is the id of the known difference, or "" where there is none.
    """

    topic: str
    backends: tuple[str, ...]
    cause: Cause
    findings: tuple[Finding, ...]

    @property
    def unexpected(self) -> bool:
        return any(finding.unexpected for finding in self.findings)

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(sorted({entry for finding in self.findings for entry in finding.known}))

    @property
    def configs(self) -> int:
        return max(finding.configs for finding in self.findings)

    @property
    def smallest(self) -> Judged:
        results = [finding.smallest for finding in self.findings]
        return min(results, key=lambda line: Config.parse(line.config_id).size)

    @property
    def title(self) -> str:
        """For a difference that no baseline names."""
        return f"{' and '.join(self.backends)} {self.cause.about.sentence}"


_OPEN = frozenset(
    (Cause.ERROR, Cause.UNEXPLAINED, Cause.WRONG, Cause.ACCEPTED, Cause.REFUSED, Cause.DIFFERS)
)
"""Causes that say what is seen, and not why: two of them may be two differences."""


def group(findings: Iterable[Finding]) -> list[Group]:
    """Findings by known difference, the others by backend and cause; the gravest first."""
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.known and not finding.unexpected:
            groups[finding.known].append(finding)
        else:
            # An established cause is one difference, whichever requirements it breaks.
            about = finding.requirement if finding.cause in _OPEN else ""
            groups["", finding.backend, finding.cause, about].append(finding)
    found = [
        Group(
            "" if key[0] == "" else ", ".join(key),
            tuple(dict.fromkeys(finding.backend for finding in members)),
            members[0].cause,
            tuple(members),
        )
        for key, members in groups.items()
    ]
    return sorted(found, key=lambda one: (not one.unexpected, one.cause.severity))


def find(results: Sequence[Judged]) -> list[Finding]:
    """The findings of a run, unexpected ones first, then by how many configs show them."""
    judged: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for result in results:
        if result.verdict in JUDGED:
            judged[judged_as(key_of(result))].add(result.config_id)
    findings = [
        _finding(key, lines, judged[judged_as(key)])
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


def _finding(key: Key, lines: list[Judged], judged: set[str]) -> Finding:
    showing = {line.config_id for line in lines}
    return Finding(
        key=key,
        requirement=lines[0].requirement,
        known=tuple(sorted({line.known for line in lines if line.known})),
        unexpected=sum(line.unexpected for line in lines),
        configs=len(showing),
        judged=len(judged),
        worst=max(lines, key=_finite_first),
        smallest=min(lines, key=lambda line: Config.parse(line.config_id).size),
        depends=_only_with(showing, judged),
    )


def _finite_first(result: Result) -> tuple[int, float]:
    """Sort key: the largest finite ratio; an infinite one says less about size."""
    ratio = as_float(result.ratio)
    return (1, ratio) if ratio < float("inf") else (0, 0.0)


def _only_with(showing: set[str], judged: set[str]) -> tuple[str, ...]:
    """Option values that all showing configs share while some judged config differs."""
    common = []
    configs, others = [Config.parse(i) for i in showing], [Config.parse(i) for i in judged]
    for name in ("aspect", *configs[0].choices):
        values = {getattr(config, name, None) for config in configs}
        if len(values) == 1 and len({getattr(config, name, None) for config in others}) > 1:
            common.append(f"{name} = {values.pop()}")
    return tuple(common)


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
