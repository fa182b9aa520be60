"""The baseline: known differences, each with its statement, cause and reason.

An entry excuses a failing result of its backends (in the versions it names) by one of its
checks *for its cause*, up to its `max_ratio`; a failure for any other cause stays unexpected.
In the other direction, `shown_by` lists pinned configs that must show the difference; without it
every pinned config that the entry is about must. Where one no longer does, or shows it smaller or
larger than `ratio` says, the entry is out of date, and that is as loud as a new failure
(`harness.pinned`).
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet

from harness.backends.reference import unversioned
from harness.checks import CHECKS
from harness.config import Config
from harness.processor import cpu_flags
from harness.results import NAME, Result, as_float

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "BASELINE",
    "CAUSES",
    "BaselineError",
    "KnownDifference",
    "KnownDifferences",
    "holds_here",
    "load_known",
    "read_baseline",
    "this_platform",
]

CAUSES = {
    "activation": "its activation, measured alone, gives exactly this",
    "flush": "it flushes subnormal numbers to zero",
    "nan": "NaN comes out as 0",
    "padding": "what is not finite in the padding makes them not finite",
    "refused": "a documented call raises",
    "accepted": "a call that means nothing is answered",
    "crashed": "the process ends",
    "hung": "there is no answer in time",
    "wrong": "an accepted call is answered wrongly",
    "differs": "one refuses what the other accepts",
    "rounding": "as far apart as two orders of summation may be, and no further",
    "mode": "a fresh layer is in another mode",
    "shared": "all dropouts of a stack drop the same elements",
    "repeats": "a call drops some places of a tensor as it drops others",
    "order": "parameters come in another order",
    "numpy": "NumPy's global generator is drawn from",
}
"""Causes that are established by evidence of their own, and so may be excused."""

BASELINE = Path(__file__).with_name("known_differences.toml")


class BaselineError(ValueError):
    """A baseline file that cannot be used; names the entry and what was expected."""


class KnownDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry.

    `statement` says the difference in one sentence that a user can act on. `when` restricts it
    to configs with these field values (a list: one of them). `parts`, where given, restricts it
    to these parts of the checks' results, each up to the ratio given; `max_ratio` is the largest
    ratio elsewhere. What is larger is more than is known, and unexpected. `intermittent` names
    the parts of which the configs of `shown_by` show it in some runs only; such an entry cannot
    vanish, and those configs count as showing it in any run. `ratio` is the range within which
    the largest finite ratio of the configs of `shown_by` must lie: smaller is an improvement, and
    as loud as the contrary. `platforms` are patterns of which one must match `this_platform()`,
    where a difference is not everywhere, and `cpu_flags` what the processor must be able to do (as
    /proc/cpuinfo names it). `versions` names
    every package whose behaviour it is, with a version range (PEP 440).
    """

    id: str
    statement: str
    backends: tuple[str, ...]
    versions: dict[str, str]
    checks: tuple[str, ...]
    causes: tuple[str, ...]
    reason: str
    reference: str = ""
    shown_by: tuple[str, ...] = ()
    parts: dict[str, float] = {}
    max_ratio: float = float("inf")
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
            result.verdict == "fail"
            and result.cause in self.causes
            and self.about(result, config)
            and (not self.parts or result.part in self.parts)
            and (
                result.ratio is None
                or as_float(result.ratio) <= self.parts.get(result.part, self.max_ratio)
            )
        )

    def hides(self, result: Result, config: Config) -> bool:
        """Whether a pass is where the difference shows in some runs."""
        return (
            result.verdict == "pass"
            and result.part in self.intermittent
            and result.config_id in self.shown_by
            and self.about(result, config)
        )


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


class KnownDifferences:
    """All entries that apply to the installed versions."""

    def __init__(self, entries: Iterable[KnownDifference]) -> None:
        self.entries = tuple(entries)

    def mark(self, result: Result) -> Result:
        """The result with the id of the entry that explains it, if one does.

        Or, of a pass, the intermittent one that it would show in another run.
        """
        if result.verdict not in ("pass", "fail"):
            return result
        config = Config.parse(result.config_id)
        for entry in self.entries:
            if entry.explains(result, config) or entry.hides(result, config):
                return msgspec.structs.replace(result, known=entry.id)
        return result


def load_known(path: Path = BASELINE) -> KnownDifferences:
    """The entries of a baseline for this machine and the versions installed on it.

    Raises:
        BaselineError: as `read_baseline`.
    """
    entries = read_baseline(path)
    return KnownDifferences(one for one in entries if holds_here(one) and _installed(one))


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
        raise BaselineError(f"baseline {path}: {error}") from error
    others = sorted(set(data) - {"difference"})
    if others:
        raise BaselineError(f"baseline {path}: {others!r}, expected [[difference]] only")
    for entry in entries:
        _validate(path, entry)
    return entries


def _validate(path: Path, entry: KnownDifference) -> None:
    where = f"baseline {path}, entry {entry.id!r}"
    if NAME.fullmatch(entry.id) is None:
        raise BaselineError(f"{where}: id, expected a name of {NAME.pattern}")
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
    if entry.intermittent and not entry.shown_by:
        raise BaselineError(f"{where}: intermittent without shown_by, expected pinned config ids")
    names = [check.name for check in CHECKS]
    for check in entry.checks:
        if check not in names:
            raise BaselineError(f"{where}: checks: {check!r}, expected one of {', '.join(names)}")
    for cause in entry.causes:
        if cause not in CAUSES:
            raise BaselineError(f"{where}: causes: {cause!r}, expected of {', '.join(CAUSES)}")
    if not entry.versions:
        raise BaselineError(f"{where}: versions is empty, expected package = a version range")
    for name in entry.when:
        if name not in Config.__dataclass_fields__:
            raise BaselineError(f"{where}: when: {name!r}, expected a field of a config")
    try:
        for package, versions in entry.versions.items():
            if NAME.fullmatch(package) is None:
                raise ValueError(f"versions: {package!r}, expected the name of a package")
            SpecifierSet(versions).contains("1")
        for config_id in entry.shown_by:
            Config.parse(config_id)
    except ValueError as error:  # ConfigError and InvalidSpecifier are such
        raise BaselineError(f"{where}: {error}") from error


def this_platform() -> str:
    """System and machine, as an entry's `platforms` name them: 'linux-x86_64'."""
    return f"{sys.platform}-{platform.machine()}".lower()


def holds_here(entry: KnownDifference) -> bool:
    """Whether the entry is about this platform and processor."""
    named = entry.platforms
    return cpu_flags().issuperset(entry.cpu_flags) and (
        not named or any(fnmatch(this_platform(), one) for one in named)
    )


def _installed(entry: KnownDifference) -> bool:
    """Whether every package that the entry names is there in a version that it names."""
    for package, versions in entry.versions.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            return False
        if not SpecifierSet(versions).contains(version, prereleases=True):
            return False
    return True
