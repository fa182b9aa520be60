"""Results joined with a baseline: which failures were expected, and which expectations failed.

Results say what was measured. Whether that was expected is joined here, when a report is made: by
the entries that are about the versions, platform and processor in the header of the results.
Where a pinned config no longer shows an entry, or shows it smaller or larger than `ratio` says,
the entry is stale, and that is as loud as a new failure.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from harness.backends.reference import unversioned
from harness.baseline import BASELINE, KnownDifference, load_baseline
from harness.config import Config
from harness.results import Result, as_float
from harness.verdicts import CONCLUDED, FAILED, ReportState, State, Verdict

__all__ = [
    "Change",
    "Expectations",
    "Judged",
    "Stale",
    "expectations_of",
    "holds_on",
    "missing",
    "peak",
    "stale_entries",
]


class Judged(Result, frozen=True):
    """A result beside what was expected of it.

    `known` is the id of the known difference that a failure is, if one. `may_show` is that of the
    intermittent one that a pass would show in another run.
    """

    known: str | None = None
    may_show: str | None = None

    def __post_init__(self) -> None:
        """Nothing to check: it is made of a result."""

    @property
    def unexpected(self) -> bool:
        """Whether this line alone makes a run fail."""
        return self.verdict in FAILED and self.known is None

    @property
    def state(self) -> State:
        """The verdict, or that it is an expected failure."""
        return self.verdict if self.known is None else ReportState.EXPECTED_FAILURE


class Expectations:
    """The known differences that apply to a run.

    `elsewhere` are backends and entries (ids) that are about other versions than this one runs.
    `wraps` has backends and the frameworks that they wrap: what is known of those is expected of
    them, but need not show, for they may offer less. `files` says in which file an entry stands.
    """

    def __init__(
        self,
        entries: Iterable[KnownDifference] = (),
        elsewhere: Iterable[tuple[str, str]] = (),
        wraps: Mapping[str, str] | None = None,
        files: Mapping[str, Path] | None = None,
    ) -> None:
        self.entries, self.elsewhere = tuple(entries), frozenset(elsewhere)
        self.wraps, self.files = dict(wraps or {}), dict(files or {})

    def of(self, entries: Iterable[KnownDifference]) -> Expectations:
        """The same of other entries."""
        return Expectations(entries, self.elsewhere, self.wraps, self.files)

    @property
    def by_id(self) -> dict[str, KnownDifference]:
        return {entry.id: entry for entry in self.entries}

    def covers(self, entry: KnownDifference, backend: str) -> bool:
        """Whether an entry is about the versions that a backend runs."""
        return (backend, entry.id) not in self.elsewhere

    def join(self, results: Iterable[Result]) -> list[Judged]:
        """The results, each with the entry that explains it; whatever they were joined with before.

        Named are the first entries that do.
        """
        return [self._judged(result) for result in results]

    def _judged(self, result: Result) -> Judged:
        fields = {name: getattr(result, name) for name in Result.__struct_fields__}
        found = self._expected(result)
        failed = result.verdict in FAILED
        return Judged(**fields, known=found if failed else None, may_show=None if failed else found)

    def _expected(self, result: Result) -> str | None:
        """The entry that a failure shows, or that a pass would show in another run."""
        if result.verdict not in CONCLUDED:
            return None
        config = Config.parse(result.config_id)
        framework = self.wraps.get(result.backend)
        named = [result]
        if framework is not None:
            named.append(msgspec.structs.replace(result, backend=framework))
        for one, entry in itertools.product(named, self.entries):
            shows = entry.explains(one, config) or entry.hides(one, config)
            if shows and self.covers(entry, result.backend):
                return entry.id
        return None


def expectations_of(header: Mapping[str, Any], baseline: Path = BASELINE) -> Expectations:
    """The entries of a baseline that are about the run with this header.

    Raises:
        BaselineError: as `load_baseline`.
    """
    versions = {"": header["versions"]} | {
        one["name"]: header["versions"] | one["versions"] for one in header["backends"].values()
    }
    found: list[KnownDifference] = []
    elsewhere: list[tuple[str, str]] = []
    read = load_baseline(baseline)
    for entry in read.entries:
        there = [name for name, of in versions.items() if _in_range(entry, of)]
        if there and holds_on(entry, header):
            found.append(entry)
            elsewhere += [(name, entry.id) for name in versions if name not in there]
    wraps = {one["name"]: one.get("wraps", "") for one in header["backends"].values()}
    wraps |= {name: of for name, of in read.extends.items() if name in wraps}
    wraps = {name: of for name, of in wraps.items() if of}
    return Expectations(found, elsewhere, wraps, read.files)


def _in_range(entry: KnownDifference, versions: Mapping[str, str]) -> bool:
    """Whether all packages of an entry that are recorded, one at least, are in its ranges.

    What another package does is of no concern in a run without it.
    """
    recorded = {name: spec for name, spec in entry.versions.items() if name in versions}
    return bool(recorded) and all(
        _contains(spec, versions[name]) for name, spec in recorded.items()
    )


def _contains(specifier: str, version: str) -> bool:
    """Whether a version is in a range; a text that is none is in no range."""
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def holds_on(entry: KnownDifference, header: Mapping[str, Any]) -> bool:
    """Whether an entry is about the platform and processor that a header records."""
    machine, flags = header.get("machine", ""), header.get("cpu_flags", ())
    return set(flags).issuperset(entry.cpu_flags) and (
        not entry.platforms or any(fnmatch(machine, one) for one in entry.platforms)
    )


class Change(str, Enum):
    """How an entry no longer fits; new differences are results, not entries."""

    VANISHED = "vanished"
    SHRUNK = "shrank"
    GROWN = "grew"


@dataclass(frozen=True)
class Stale:
    """An entry that results of pinned configs contradict, and what to do."""

    change: Change
    entry: str
    message: str


def stale_entries(known: Expectations, results: Iterable[Judged]) -> list[Stale]:
    """Each way in which results of pinned configs contradict an entry."""
    every = list(results)
    found = []
    for entry in known.entries:
        results = [line for line in every if known.covers(entry, line.backend)]
        file = known.files.get(entry.id, BASELINE)
        given = "" if file == BASELINE else f" --baseline {shlex.quote(str(file))}"
        update = f"review what `rnn-parity baseline update{given}` makes of it"
        name = BASELINE.name if file == BASELINE else str(file)
        for backend, config_id in missing(entry, results):
            message = (
                f"known difference {entry.id!r} vanished: {config_id} no longer shows it with "
                f"{backend}. If it was repaired, narrow `versions` or `when` of the entry, or "
                f"delete it, in {name}; or {update}"
            )
            found.append(Stale(Change.VANISHED, entry.id, message))
        largest = peak(entry, results)
        if entry.ratio is None or largest is None:
            continue
        low, high = entry.ratio
        if not low <= largest <= high:
            change = Change.SHRUNK if largest < low else Change.GROWN
            message = (
                f"known difference {entry.id!r} {change.value}: the largest ratio of its pinned "
                f"configs is {largest:.4g}, expected {low:g} to {high:g}. If that is right now, "
                f"set `ratio` of the entry in {name}; or {update}"
            )
            found.append(Stale(change, entry.id, message))
    return found


def missing(entry: KnownDifference, results: Sequence[Judged]) -> list[tuple[str, str]]:
    """Backends and pinned configs that were run and did not show the difference.

    None of a backend of which nothing was asked by the entry's checks that could show it: some
    compare two backends, and a run of one alone says nothing of them.
    """
    if entry.intermittent:
        return []
    asked = {r.backend for r in results if r.check in entry.checks and entry.excuses(r)}
    showing = {(r.backend, r.config_id) for r in results if r.known == entry.id}
    pinned = {
        (result.backend, result.config_id)
        for result in results
        if unversioned(result.backend) in entry.backends
        and result.config_id in entry.shown_by
        and result.backend in asked
    } or _pinned(entry, results)
    return sorted(pinned - showing)


def peak(entry: KnownDifference, results: Sequence[Judged]) -> float | None:
    """The largest finite ratio that the configs of `shown_by` show.

    None where there is none, and where the entry's first backend was not asked all of them.
    """
    first = entry.backends[0]
    asked = {result.config_id for result in results if unversioned(result.backend) == first}
    if not asked.issuperset(entry.shown_by):
        return None
    ratios = [
        as_float(result.ratio)
        for result in results
        if result.known == entry.id
        and unversioned(result.backend) in entry.backends  # no wrapper of one
        and result.verdict is Verdict.FAIL
        and result.ratio is not None
        and result.config_id in entry.shown_by
    ]
    return max(filter(math.isfinite, ratios), default=None)


def _pinned(entry: KnownDifference, results: Sequence[Judged]) -> set[tuple[str, str]]:
    """Without `shown_by`: every pinned config that it is about and that came to a verdict."""
    if entry.shown_by:
        return set()
    return {
        (result.backend, result.config_id)
        for result in results
        if result.origin == "corpus"
        and result.verdict in CONCLUDED
        and entry.about(result, Config.parse(result.config_id))
    }
