"""From failing results to findings, to differences; and the matrix of requirements."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.aspects import CALLS
from harness.backends.reference import variant_in
from harness.causes import Cause
from harness.checks import check_named
from harness.config import Config
from harness.expectations import Judged
from harness.requirements import REQUIREMENTS
from harness.results import Result, as_float
from harness.verdicts import FAILED, JUDGED, ReportState, State, Verdict, worst
from reference import FORMATS

__all__ = [
    *("Cell", "Finding", "Group", "Key"),
    *("find", "group", "judged_as", "key_of", "matrix", "members"),
]

Key = tuple[str, str, Cause, str]


def key_of(result: Result) -> Key:
    """What makes failing results one finding: backend, check, cause, and the call if one."""
    aspect = Config.parse(result.config_id).aspect
    return (
        result.backend,
        result.check,
        result.cause or (Cause.ERROR if result.verdict is Verdict.ERROR else Cause.UNEXPLAINED),
        aspect if aspect in CALLS else "",
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
    def difference(self) -> str:
        """What failing this check means, in half a sentence; of a call, which one it is."""
        call = self.key[3]
        said = f"{CALLS[call].says}: " if call else ""
        check = check_named(self.check)  # a results file may be of another version
        return said + (f"fails {self.check}" if check is None else check.difference)

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
        """For a difference that nobody stated yet."""
        return f"{' and '.join(self.backends)} {self.cause.about.sentence}"


def group(findings: Iterable[Finding]) -> list[Group]:
    """Findings by known difference, the others by backend and cause; the gravest first."""
    groups: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.known and not finding.unexpected:
            groups[finding.known].append(finding)
        else:
            groups["", finding.backend, finding.cause, finding.requirement].append(finding)
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
    shown = {line.config_id for line in lines}
    return Finding(
        key=key,
        requirement=lines[0].requirement,
        known=tuple(sorted({line.known for line in lines if line.known})),
        unexpected=sum(line.unexpected for line in lines),
        configs=len(shown),
        judged=len(judged),
        worst=max(lines, key=_finite_first),
        smallest=min(lines, key=lambda line: Config.parse(line.config_id).size),
        depends=_only_with(shown, judged),
    )


def _finite_first(result: Result) -> tuple[int, float]:
    """Sort key: the largest finite ratio; an infinite one says less about size."""
    ratio = as_float(result.ratio)
    return (1, ratio) if ratio < float("inf") else (0, 0.0)


def _only_with(shown: set[str], judged: set[str]) -> tuple[str, ...]:
    """Option values that all showing configs share while some judged config differs."""
    said = []
    configs, others = [Config.parse(i) for i in shown], [Config.parse(i) for i in judged]
    for field in dataclasses.fields(Config):
        if field.name in ("seed", "input_size", "hidden_size", "batch", "steps"):
            continue
        values = {getattr(config, field.name) for config in configs}
        if len(values) == 1 and len({getattr(config, field.name) for config in others}) > 1:
            said.append(f"{field.name} = {values.pop()}")
    return tuple(said)


@dataclass(frozen=True)
class Cell:
    """The verdict of one requirement for one backend, and on how many configs it rests.

    `elsewhere` counts failures whose established cause speaks about another requirement;
    `known` are the known differences that make the verdict.
    """

    verdict: State
    counts: Mapping[State, int]
    configs: int
    elsewhere: int
    known: tuple[str, ...]


def matrix(results: Iterable[Judged]) -> dict[str, dict[str, Cell]]:
    """requirement -> backend -> cell; a requirement without any result is `untested`.

    The worst verdict wins: an unexpected failure or error, then a known difference, then a
    pass, and only where nothing was concluded `inconclusive` or `unsupported`. What is about
    other backends only is `not applicable`.
    """
    counts: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    elsewhere: Counter[tuple[str, str]] = Counter()
    configs: dict[tuple[str, str], set[str]] = defaultdict(set)
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    backends: dict[str, None] = {}
    for result in results:
        backends.setdefault(result.backend)
        config = Config.parse(result.config_id)
        for requirement in REQUIREMENTS.values():
            if not requirement.holds(result, config):
                continue
            at, state = (requirement.key, result.backend), result.state
            if state in _BAD and not requirement.counts(result):
                elsewhere[at] += 1
                continue
            counts[at][state] += 1
            if state in _BAD or state is Verdict.PASS:
                configs[at].add(result.config_id)
            if result.known:
                known[at].add(result.known)
    return {
        key: {
            backend: Cell(
                _state(key, backend, counts[key, backend]),
                dict(counts[key, backend]),
                len(configs[key, backend]),
                elsewhere[key, backend],
                tuple(sorted(known[key, backend])),
            )
            for backend in backends
        }
        for key in REQUIREMENTS
    }


_BAD = frozenset((*FAILED, ReportState.EXPECTED_FAILURE))


def _state(key: str, backend: str, counts: Mapping[State, int]) -> State:
    if REQUIREMENTS[key].of_variants and not variant_in(backend):
        return ReportState.NOT_APPLICABLE
    return worst(counts) if counts else ReportState.UNTESTED
