"""The baseline: known differences, each with its statement, cause and reason.

An entry excuses a failing result of its backends (in the versions it names) by one of its
checks *for its cause*, up to its `max_ratio`; a failure for any other cause stays unexpected.
In the other direction, `shown_by` lists pinned configs that must show the difference; without it
every pinned config that the entry is about must. Where one no longer does, the entry is out of
date, and that is as loud as a new failure.
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

__all__ = [
    "BASELINE",
    "CAUSES",
    "BaselineError",
    "KnownDifference",
    "KnownDifferences",
    "load_known",
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
    "mode": "a fresh layer is in another mode",
    "shared": "all dropouts of a stack drop the same elements",
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
    ratio elsewhere. What is larger is more than is known, and unexpected. `versions` names
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

    def about(self, result: Result, config: Config) -> bool:
        """Whether the entry says anything of such a result, whatever its verdict."""
        return (
            result.backend in self.backends
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


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)


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
        results = list(results)
        seen = {(result.backend, result.config_id) for result in results}
        shown = {(result.known, result.backend, result.config_id) for result in results}
        messages = []
        for entry in self.entries:
            pinned = {
                (backend, config_id)
                for backend in entry.backends
                for config_id in entry.shown_by
                if (backend, config_id) in seen
            } or _pinned(entry, results)
            missing = [
                (backend, config_id)
                for backend, config_id in sorted(pinned)
                if (entry.id, backend, config_id) not in shown
            ]
            messages += [
                f"known difference {entry.id!r} vanished: {config_id} no longer shows it with "
                f"{backend}. If it was repaired, narrow `versions` or `when` of the entry, or "
                f"delete it, in {BASELINE.name}"
                for backend, config_id in missing
            ]
        return messages


def _pinned(entry: KnownDifference, results: list[Result]) -> set[tuple[str, str]]:
    """Without `shown_by`: every pinned config that it is about and that came to a verdict."""
    if entry.shown_by:
        return set()
    return {
        (result.backend, result.config_id)
        for result in results
        if result.origin == "corpus"
        and result.verdict in ("pass", "fail")
        and entry.about(result, Config.parse(result.config_id))
    }


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
    if not entry.statement.strip():
        raise BaselineError(f"{where}: statement is empty, expected what users should know")
    if not entry.backends:
        raise BaselineError(f"{where}: backends is empty, expected at least one name")
    if not entry.shown_by and not entry.when:
        raise BaselineError(
            f"{where}: neither shown_by nor when, expected pinned config ids, or what it is about"
        )
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
        for versions in entry.versions.values():
            SpecifierSet(versions)
        for config_id in entry.shown_by:
            Config.parse(config_id)
    except (InvalidSpecifier, ConfigError) as error:
        raise BaselineError(f"{where}: {error}") from error


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
