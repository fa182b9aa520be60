"""From failing results to findings: one for each backend, check and cause; and the matrix."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.checks import CHECKS
from harness.config import Config
from harness.requirements import REQUIREMENTS
from harness.results import Result, as_float
from reference import FORMATS

__all__ = ["Cell", "Finding", "Group", "find", "group", "matrix"]

_CHECKS = {check.name: check for check in CHECKS}

CAUSES = {
    "activation": "differs because of its activation",
    "flush": "differs because it flushes subnormal numbers to zero",
    "unexplained": "differs, and no cause is established",
    "error": "could not be judged: it raised, or its weights did not arrive",
}


@dataclass(frozen=True)
class Finding:
    """All failing results with one backend, check and cause."""

    backend: str
    check: str
    requirement: str
    cause: str
    known: tuple[str, ...]
    unexpected: int
    configs: int
    judged: int
    worst: Result
    smallest: Result
    depends: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.backend, self.check, self.cause)

    @property
    def difference(self) -> str:
        """What failing this check means, in half a sentence."""
        return _CHECKS[self.check].difference

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
    """Findings of one backend with one cause: one difference, as several checks see it."""

    backend: str
    cause: str
    findings: tuple[Finding, ...]

    @property
    def unexpected(self) -> bool:
        return any(finding.unexpected for finding in self.findings)

    @property
    def known(self) -> tuple[str, ...]:
        return tuple(sorted({entry for finding in self.findings for entry in finding.known}))

    @property
    def title(self) -> str:
        return f"{self.backend} {CAUSES.get(self.cause, self.cause)}"


def group(findings: Iterable[Finding]) -> list[Group]:
    """Findings by backend and cause, in the order in which they first come."""
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.backend, finding.cause].append(finding)
    return [Group(*key, tuple(members)) for key, members in groups.items()]


def find(results: Sequence[Result]) -> list[Finding]:
    """The findings of a run, unexpected ones first, then by how many configs show them."""
    failing: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    judged: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in results:
        if result.verdict in ("pass", "fail", "error"):
            judged[result.backend, result.check].add(result.config_id)
        if result.verdict in ("fail", "error"):
            cause = result.cause or result.verdict
            failing[result.backend, result.check, cause].append(result)
    findings = [
        _finding(key, lines, judged[key[0], key[1]]) for key, lines in sorted(failing.items())
    ]
    return sorted(findings, key=lambda f: (not f.unexpected, -f.configs))


def _finding(key: tuple[str, str, str], lines: list[Result], judged: set[str]) -> Finding:
    backend, check, cause = key
    shown = {line.config_id for line in lines}
    return Finding(
        backend=backend,
        check=check,
        requirement=lines[0].requirement,
        cause=cause,
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
    """The verdict of one requirement for one backend, and on how many configs it rests."""

    verdict: str
    counts: dict[str, int]
    configs: int


def matrix(results: Iterable[Result]) -> dict[str, dict[str, Cell]]:
    """requirement -> backend -> cell; a requirement without any result is `untested`.

    The worst verdict wins: an unexpected failure or error, then a known difference, then a
    pass, and only where nothing was concluded `inconclusive`. A requirement without a result is
    `unsupported` if the backend documents that it does not do some configs, else `untested`.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    configs: dict[tuple[str, str], set[str]] = defaultdict(set)
    backends: dict[str, None] = {}
    for result in results:
        backends.setdefault(result.backend)
        verdict = "known" if result.known else result.verdict
        counts[result.requirement, result.backend][verdict] += 1
        if verdict in ("pass", "fail", "known", "error"):
            configs[result.requirement, result.backend].add(result.config_id)
    order = ("error", "fail", "known", "pass", "inconclusive", "unsupported")
    refusing = {backend for (_, backend), count in counts.items() if count["unsupported"]}
    refusing -= {
        backend for (_, backend), count in counts.items() if count["fail"] or count["error"]
    }
    return {
        key: {
            backend: Cell(
                next(
                    (v for v in order if counts[key, backend][v]),
                    "unsupported" if backend in refusing else "untested",
                ),
                dict(counts[key, backend]),
                len(configs[key, backend]),
            )
            for backend in backends
        }
        for key in REQUIREMENTS
    }
