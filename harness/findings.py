"""From failing results to findings, to differences; and the matrix of requirements."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.aspects import CALLS
from harness.backends.reference import variant_in
from harness.checks import CHECKS
from harness.config import Config
from harness.requirements import REQUIREMENTS
from harness.results import Result, as_float
from reference import FORMATS

__all__ = [
    *("Cell", "Finding", "Group", "Key"),
    *("find", "group", "judged_as", "key_of", "matrix", "members"),
]

_CHECKS = {check.name: check for check in CHECKS}

CAUSES = {
    "error": "could not be judged: it raised, or its weights did not arrive",
    "unexplained": "differs, and no cause is established",
    "crashed": "crashes the process",
    "hung": "gives no answer in time",
    "nan": "turns NaN into a number",
    "padding": "lets the padding of x reach gradients",
    "dependent": "does not drop elements independently, or not at the rate p",
    "wrong": "answers a call wrongly",
    "accepted": "answers a call that means nothing",
    "activation": "differs because of its activation",
    "flush": "differs because it flushes subnormal numbers to zero",
    "rounding": "rounds otherwise",
    "mode": "builds layers in another mode",
    "order": "has its parameters in another order",
    "numpy": "draws from NumPy's global generator",
    "refused": "refuses a documented call",
    "disagrees": "answers otherwise than the other",
    "differs": "refuses what the other accepts, or the other way round",
}
"""What a cause means of a backend, the gravest first."""

Key = tuple[str, str, str, str]


def key_of(result: Result) -> Key:
    """What makes failing results one finding: backend, check, cause, and the call if one."""
    aspect = Config.parse(result.config_id).aspect
    return (
        result.backend,
        result.check,
        result.cause if result.cause in CAUSES else _uncaused(result),
        aspect if aspect in CALLS else "",
    )


def _uncaused(result: Result) -> str:
    return "error" if result.verdict == "error" else "unexplained"


@dataclass(frozen=True)
class Finding:
    """All failing results with one backend, check, cause and, for calls, kind of call."""

    key: Key
    requirement: str
    known: tuple[str, ...]
    unexpected: int
    configs: int
    judged: int
    worst: Result
    smallest: Result
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
    def cause(self) -> str:
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
        check = _CHECKS.get(self.check)  # a results file may be of another version
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
    cause: str
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
    def smallest(self) -> Result:
        results = [finding.smallest for finding in self.findings]
        return min(results, key=lambda line: Config.parse(line.config_id).size)

    @property
    def title(self) -> str:
        """For a difference that nobody stated yet."""
        return f"{' and '.join(self.backends)} {CAUSES.get(self.cause, self.cause)}"


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
    worst_first = list(CAUSES)
    return sorted(found, key=lambda one: (not one.unexpected, worst_first.index(one.cause)))


def find(results: Sequence[Result]) -> list[Finding]:
    """The findings of a run, unexpected ones first, then by how many configs show them."""
    judged: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for result in results:
        if result.verdict in ("pass", "fail", "error"):
            judged[judged_as(key_of(result))].add(result.config_id)
    findings = [
        _finding(key, lines, judged[judged_as(key)])
        for (key, _), lines in sorted(members(results).items(), key=lambda item: str(item[0]))
    ]
    return sorted(findings, key=lambda f: (not f.unexpected, -f.configs))


def members(results: Iterable[Result]) -> dict[tuple[Key, str | None], list[Result]]:
    """The failing results of every finding, by its `identity`."""
    failing: dict[tuple[Key, str | None], list[Result]] = defaultdict(list)
    for result in results:
        if result.verdict in ("fail", "error"):
            failing[key_of(result), result.known].append(result)
    return failing


def judged_as(key: Key) -> tuple[str, str, str]:
    """Backend, check and call: results that share them could have shown the finding."""
    return key[0], key[1], key[3]


def _finding(key: Key, lines: list[Result], judged: set[str]) -> Finding:
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

    verdict: str
    counts: Mapping[str, int]
    configs: int
    elsewhere: int
    known: tuple[str, ...]


ORDER = ("error", "fail", "known", "pass", "inconclusive", "unsupported")


def matrix(results: Iterable[Result]) -> dict[str, dict[str, Cell]]:
    """requirement -> backend -> cell; a requirement without any result is `untested`.

    The worst verdict wins: an unexpected failure or error, then a known difference, then a
    pass, and only where nothing was concluded `inconclusive` or `unsupported`. What is about
    other backends only is `not applicable`.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    configs: dict[tuple[str, str], set[str]] = defaultdict(set)
    known: dict[tuple[str, str], set[str]] = defaultdict(set)
    backends: dict[str, None] = {}
    for result in results:
        backends.setdefault(result.backend)
        config = Config.parse(result.config_id)
        for requirement in REQUIREMENTS.values():
            if not requirement.holds(result, config):
                continue
            at = (requirement.key, result.backend)
            verdict: str = "known" if result.known else result.verdict
            if verdict in ("fail", "known", "error") and not requirement.counts(result):
                verdict = "elsewhere"
            counts[at][verdict] += 1
            if verdict in ("pass", "fail", "known", "error"):
                configs[at].add(result.config_id)
            if verdict == "known" and result.known:
                known[at].add(result.known)
    return {
        key: {
            backend: Cell(
                _verdict(key, backend, counts[key, backend]),
                dict(counts[key, backend]),
                len(configs[key, backend]),
                counts[key, backend]["elsewhere"],
                tuple(sorted(known[key, backend])),
            )
            for backend in backends
        }
        for key in REQUIREMENTS
    }


def _verdict(key: str, backend: str, counts: Mapping[str, int]) -> str:
    if REQUIREMENTS[key].of_variants and not variant_in(backend):
        return "not applicable"
    return next((verdict for verdict in ORDER if counts.get(verdict)), "untested")
