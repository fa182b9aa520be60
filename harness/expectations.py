"""The baseline: known differences, each with its statement, cause and reason.

Results say what was measured. Whether that was expected is joined here, when a report is made: by
the entries that are about the versions, platform and processor in the header of the results.

An entry excuses a failing result of its backends (in the versions it names) by one of its
checks *for its cause*, up to its `max_ratio`; a failure for any other cause stays unexpected.
In the other direction, `shown_by` lists pinned configs that must show the difference; without it
every pinned config that the entry is about must. Where one no longer does, or shows it smaller or
larger than `ratio` says, the entry is out of date, and that is as loud as a new failure
(`harness.pinned`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from harness.backends.reference import unversioned
from harness.causes import Cause
from harness.checks import every_check
from harness.config import Config
from harness.results import LONGEST_FIELD, NAME, Result, as_float
from harness.text import shown, text_of
from harness.verdicts import CONCLUDED, FAILED, ReportState, State, Verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "BASELINE",
    "BaselineError",
    "Expectations",
    "Judged",
    "KnownDifference",
    "expectations_of",
    "holds_on",
    "read_baseline",
]

BASELINE = Path(__file__).with_name("known_differences.toml")


class BaselineError(ValueError):
    """A baseline file that cannot be used; names the entry and what was expected."""


class KnownDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry.

    `statement` says the difference in one sentence that a user can act on. `when` restricts it to
    configs with these field values (a list: one of them). `parts`, where given, restricts it to
    these parts of the checks' results, each up to the ratio given; `max_ratio` is the largest ratio
    elsewhere, and `max_share` the largest share of what was compared that may fail. What is larger
    is more than is known, and unexpected. `intermittent` names the parts of which the configs of
    `shown_by` show it in some runs only; such an entry cannot vanish, and those configs count as
    showing it in any run. `ratio` is the range within which the largest finite ratio of the configs
    of `shown_by` must lie: smaller is an improvement, and as loud as the contrary. `platforms` are
    patterns of which one must match the `machine` of the results, where a difference is not
    everywhere, and `cpu_flags` what its processor must be able to do (as /proc/cpuinfo names it).
    `versions` names every package whose behaviour it is, with a version range (PEP 440).
    """

    id: str
    statement: str
    backends: tuple[str, ...]
    versions: dict[str, str]
    checks: tuple[str, ...]
    causes: tuple[Cause, ...]
    reason: str
    reference: str = ""
    shown_by: tuple[str, ...] = ()
    parts: dict[str, float] = {}
    max_ratio: float = float("inf")
    max_share: float = 1.0
    when: Mapping[str, Any] = {}
    intermittent: tuple[str, ...] = ()
    ratio: tuple[float, float] | None = None
    platforms: tuple[str, ...] = ()
    cpu_flags: tuple[str, ...] = ()

    def about(self, result: Result, config: Config) -> bool:
        """Whether the entry says anything of such a result, whatever its verdict."""
        return (
            unversioned(result.backend) in self.backends
            and result.check in self.checks
            and all(_matches(getattr(config, k), v) for k, v in self.when.items())
        )

    def explains(self, result: Result, config: Config) -> bool:
        return (
            result.verdict is Verdict.FAIL
            and result.cause in self.causes
            and self.about(result, config)
            and (not self.parts or result.part in self.parts)
            and result.failing <= self.max_share * result.compared
            and (
                result.ratio is None
                or as_float(result.ratio) <= self.parts.get(result.part, self.max_ratio)
            )
        )

    def hides(self, result: Result, config: Config) -> bool:
        """Whether a pass is where the difference shows in some runs."""
        return (
            result.verdict is Verdict.PASS
            and result.part in self.intermittent
            and result.config_id in self.shown_by
            and self.about(result, config)
        )


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


class Judged(Result, frozen=True):
    """A result beside what was expected of it: the id of the known difference that it is, if one.

    Of a pass: the intermittent one that it would show in another run.
    """

    known: str | None = None

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
    """

    def __init__(
        self,
        entries: Iterable[KnownDifference] = (),
        elsewhere: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.entries, self.elsewhere = tuple(entries), frozenset(elsewhere)

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
        return Judged(**fields, known=self._known(result))

    def _known(self, result: Result) -> str | None:
        if result.verdict not in CONCLUDED:
            return None
        config = Config.parse(result.config_id)
        for entry in self.entries:
            shows = entry.explains(result, config) or entry.hides(result, config)
            if shows and self.covers(entry, result.backend):
                return entry.id
        return None


def expectations_of(header: Mapping[str, Any], baseline: Path = BASELINE) -> Expectations:
    """The entries of a baseline that are about the run with this header.

    Raises:
        BaselineError: as `read_baseline`.
    """
    versions = {"": header["versions"]} | {
        one["name"]: header["versions"] | one["versions"] for one in header["backends"].values()
    }
    found: list[KnownDifference] = []
    elsewhere: list[tuple[str, str]] = []
    for entry in read_baseline(baseline):
        there = [name for name, of in versions.items() if _in_range(entry, of)]
        if there and holds_on(entry, header):
            found.append(entry)
            elsewhere += [(name, entry.id) for name in versions if name not in there]
    return Expectations(found, elsewhere)


def read_baseline(path: Path = BASELINE) -> list[KnownDifference]:
    """All entries of a baseline, those for other versions and machines too.

    Raises:
        BaselineError: unreadable, an entry without a reason, a config id or version range that
            cannot be parsed.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        entries = msgspec.convert(data.get("difference", []), list[KnownDifference])
    except (OSError, ValueError, RecursionError) as error:  # no TOML, no text, other types
        raise BaselineError(f"baseline {path}: {text_of(error)}") from error
    others = sorted(set(data) - {"difference"})
    if others:
        raise BaselineError(f"baseline {path}: {shown(others)}, expected [[difference]] only")
    for entry in entries:
        _validate(path, entry)
    return entries


def _validate(path: Path, entry: KnownDifference) -> None:
    where = f"baseline {path}, entry {shown(entry.id)}"
    if NAME.fullmatch(entry.id) is None:
        raise BaselineError(f"{where}: id, expected a name of {NAME.pattern}")
    for name in ("statement", "reason", "reference"):
        words = " ".join(getattr(entry, name).split())
        if not words.isprintable() or len(words) > LONGEST_FIELD:
            raise BaselineError(
                f"{where}: {name} = {shown(words)}, expected at most {LONGEST_FIELD} printable "
                "characters"
            )
    if not entry.reason.strip():
        raise BaselineError(f"{where}: reason is empty, expected why the difference is accepted")
    if not entry.statement.strip():
        raise BaselineError(f"{where}: statement is empty, expected what users should know")
    if not entry.backends:
        raise BaselineError(f"{where}: backends is empty, expected at least one name")
    if not entry.shown_by and not entry.when:
        raise BaselineError(
            f"{where}: neither shown_by nor when, expected pinned config ids, or what it is about"
        )
    if entry.ratio is not None and not (0 <= entry.ratio[0] <= entry.ratio[1] and entry.shown_by):
        raise BaselineError(
            f"{where}: ratio = {list(entry.ratio)}, expected [smallest, largest] of the configs of "
            "shown_by"
        )
    if not 0 < entry.max_share <= 1:
        raise BaselineError(
            f"{where}: max_share = {entry.max_share}, expected above 0 and at most 1"
        )
    if entry.intermittent and not entry.shown_by:
        raise BaselineError(f"{where}: intermittent without shown_by, expected pinned config ids")
    names = [check.name for check in every_check()]
    for check in entry.checks:
        if check not in names:
            raise BaselineError(
                f"{where}: checks: {shown(check)}, expected one of {', '.join(names)}"
            )
    for cause in entry.causes:
        if not cause.about.excusable:
            raise BaselineError(f"{where}: causes: {shown(str(cause))}, which nothing excuses")
    if not entry.versions:
        raise BaselineError(f"{where}: versions is empty, expected package = a version range")
    for name in entry.when:
        if name not in Config.__dataclass_fields__:
            raise BaselineError(f"{where}: when: {shown(name)}, expected a field of a config")
    try:
        for package, versions in entry.versions.items():
            if NAME.fullmatch(package) is None:
                raise ValueError(f"versions: {shown(package)}, expected the name of a package")
            SpecifierSet(versions).contains("1")
        for config_id in entry.shown_by:
            Config.parse(config_id)
    except ValueError as error:  # ConfigError and InvalidSpecifier are such
        raise BaselineError(f"{where}: {text_of(error)}") from error


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
