"""The baseline: known differences, each with its cause and reason, and what they may excuse.

An entry excuses a failing result of its backend (in the versions it names) by one of its
checks *for its cause*, up to its `max_ratio`; a failure for any other cause stays unexpected.
`shown_by` lists pinned configs that must show the difference: where one no longer does, the
entry is out of date, and that is as loud as a new failure.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from harness.checks import CHECKS
from harness.config import Config, ConfigError
from harness.results import Result, as_float

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["BASELINE", "BaselineError", "KnownDifference", "KnownDifferences", "load_known"]

CAUSES = ("activation", "flush")
"""Causes that are established by a second judgement, and so may be excused."""

BASELINE = Path(__file__).with_name("known_differences.toml")


class BaselineError(ValueError):
    """A baseline file that cannot be used; names the entry and what was expected."""


class KnownDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry.

    `when` restricts it to configs with these field values. `parts`, where given, restricts it to
    these parts of the checks' results, each up to the ratio given; `max_ratio` is the largest
    ratio elsewhere. What is larger is more than is known, and unexpected.
    """

    id: str
    backend: str
    versions: str
    checks: tuple[str, ...]
    cause: str
    reason: str
    reference: str
    shown_by: tuple[str, ...]
    parts: dict[str, float] = {}
    max_ratio: float = float("inf")
    when: Mapping[str, Any] | None = None

    def explains(self, result: Result, config: Config) -> bool:
        return (
            result.verdict == "fail"
            and result.backend == self.backend
            and result.check in self.checks
            and result.cause == self.cause
            and (not self.parts or result.part in self.parts)
            and as_float(result.ratio) <= self.parts.get(result.part, self.max_ratio)
            and all(getattr(config, k) == v for k, v in (self.when or {}).items())
        )


class KnownDifferences:
    """All entries that apply to the installed versions."""

    def __init__(self, entries: Iterable[KnownDifference]) -> None:
        self.entries = tuple(entries)

    def mark(self, result: Result) -> Result:
        """The result with the id of the entry that explains it, if one does."""
        if result.verdict != "fail":
            return result
        config = Config.parse(result.config_id)
        for entry in self.entries:
            if entry.explains(result, config):
                return msgspec.structs.replace(result, known=entry.id)
        return result

    def vanished(self, results: Iterable[Result]) -> list[str]:
        """What to say of entries whose pinned configs were run and did not show them."""
        seen: set[tuple[str, str]] = set()
        shown: set[tuple[str, str]] = set()
        for result in results:
            seen.add((result.backend, result.config_id))
            if result.known is not None:
                shown.add((result.known, result.config_id))
        return [
            f"known difference {entry.id!r} vanished: {config_id} no longer shows it with "
            f"{entry.backend}. If it was repaired, narrow `versions` of the entry, or delete it, "
            f"in {BASELINE.name}"
            for entry in self.entries
            for config_id in entry.shown_by
            if (entry.backend, config_id) in seen and (entry.id, config_id) not in shown
        ]


def load_known(path: Path = BASELINE) -> KnownDifferences:
    """Read the baseline, keeping the entries for the versions that are installed.

    Raises:
        BaselineError: unreadable, an entry without a reason, a config id or version range that
            cannot be parsed.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        entries = msgspec.convert(data.get("difference", []), list[KnownDifference])
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BaselineError(f"baseline {path}: {error}") from error
    for entry in entries:
        _validate(path, entry)
    return KnownDifferences(entry for entry in entries if _installed(entry))


def _validate(path: Path, entry: KnownDifference) -> None:
    where = f"baseline {path}, entry {entry.id!r}"
    if not entry.reason.strip():
        raise BaselineError(f"{where}: reason is empty, expected why the difference is accepted")
    if not entry.shown_by:
        raise BaselineError(f"{where}: shown_by is empty, expected at least one config id")
    names = [check.name for check in CHECKS]
    for check in entry.checks:
        if check not in names:
            raise BaselineError(f"{where}: checks: {check!r}, expected one of {', '.join(names)}")
    if entry.cause not in CAUSES:
        raise BaselineError(
            f"{where}: cause = {entry.cause!r}, expected one of {', '.join(CAUSES)}"
        )
    for name in entry.when or {}:
        if name not in Config.__dataclass_fields__:
            raise BaselineError(f"{where}: when: {name!r}, expected a field of a config")
    try:
        SpecifierSet(entry.versions)
        for config_id in entry.shown_by:
            Config.parse(config_id)
    except (InvalidSpecifier, ConfigError) as error:
        raise BaselineError(f"{where}: {error}") from error


def _installed(entry: KnownDifference) -> bool:
    try:
        version = metadata.version(entry.backend)
    except metadata.PackageNotFoundError:
        return False
    return SpecifierSet(entry.versions).contains(version, prereleases=True)
