"""The baseline file: known differences, each with its statement, cause and reason.

An entry excuses a failing result of its backends (in the versions it names) by one of its
checks *for its cause*, up to its `max_ratio`; a failure for any other cause stays unexpected.
In the other direction, `shown_by` lists pinned configs that must show the difference; without it
every pinned config that the entry is about must (`harness.expectations`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet

from harness.backends.reference import unversioned
from harness.causes import Cause, Harm
from harness.checks import check_named, every_check
from harness.config import Config
from harness.layers import LAYERS
from harness.refusal import Refusal
from harness.results import NAME, Result, as_float
from harness.shipped import BASELINE
from harness.verdicts import Verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "BASELINE",
    "EXTENDS",
    "INCLUDES",
    "Baseline",
    "BaselineError",
    "KnownDifference",
    "load_baseline",
    "read_baseline",
]

INCLUDES = "includes_installed"
"""Key of a file to which the entries of the installed baseline are added."""

EXTENDS = "extends"
"""Table of a file: backends, and the one whose entries hold for each of them too."""


class BaselineError(Refusal, ValueError):
    """A baseline file that cannot be used; names the entry and what was expected."""


class KnownDifference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry.

    `statement` says the difference in one sentence, and `remedy` what to do about it. `harm` is
    what it does to a user, where that does not follow from the causes. `when` restricts it to
    configs with these values of fields or layer options (a list: one of them), and with
    `activation` to cells that apply it. `parts`, where given, restricts it to these parts of the
    checks' results, each up to the ratio given; `max_ratio` is the largest ratio elsewhere, and
    `max_share` the largest share of what was compared that may fail. What is larger is more than
    is known, and unexpected. `intermittent` names the parts of which the configs of `shown_by`
    show it in some runs only; such an entry cannot vanish. `ratio` is the range within which
    the largest finite ratio of the configs of `shown_by` must lie: smaller is an improvement, and
    as loud as the contrary.
    `owners` are those of `backends` whose own results show it; of the others it is excused only
    where two are compared.
    `platforms` are patterns of which one must match the `machine` of the results, and `cpu_flags`
    what its processor must be able to do (as /proc/cpuinfo names it). `versions` names every
    package whose behaviour it is, with a version range (PEP 440).
    """

    id: str
    statement: str
    backends: tuple[str, ...]
    versions: dict[str, str]
    checks: tuple[str, ...]
    causes: tuple[Cause, ...]
    reason: str
    remedy: str = ""
    harm: Harm | None = None
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
    owners: tuple[str, ...] = ()

    def about(self, result: Result, config: Config) -> bool:
        """Whether the entry says anything of such a result, whatever its verdict."""
        return (
            unversioned(result.backend) in self.backends
            and result.check in self.checks
            and self.excuses(result)
            and self.holds(config)
        )

    def excuses(self, result: Result) -> bool:
        """Whether it is of an owner, or of a comparison of two backends."""
        check = check_named(result.check)
        owned = not self.owners or unversioned(result.backend) in self.owners
        return owned or bool(check and check.compares_two)

    def holds(self, config: Config) -> bool:
        """Whether it is about configs like this one."""
        return all(_holds(config, name, wanted) for name, wanted in self.when.items())

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


ACTIVATION = "activation"
"""Key of `when` that is no field of a config: what its cell applies."""


def _holds(config: Config, name: str, wanted: Any) -> bool:
    values = config.cell.activations if name == ACTIVATION else (getattr(config, name, None),)
    accepted = wanted if isinstance(wanted, list) else [wanted]
    return any(value in accepted for value in values)


@dataclass(frozen=True)
class Baseline:
    """A file of known differences, and what it adds to.

    `files` says in which file each entry stands, by its id. `extends` maps backends to the one
    whose entries hold for them too, as for one that wraps it.
    """

    entries: tuple[KnownDifference, ...]
    files: Mapping[str, Path]
    extends: Mapping[str, str]


def load_baseline(path: Path = BASELINE) -> Baseline:
    """All entries of a baseline, those for other versions and machines too.

    With `includes_installed = true` at its top, those of the installed baseline as well.

    Raises:
        BaselineError: unreadable, an entry without a reason, two with one id, a config id or
            version range that cannot be parsed.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        entries = _entries(path, data.get("difference", []))
        extends = msgspec.convert(data.get(EXTENDS, {}), dict[str, str])
    except BaselineError:
        raise
    except (OSError, ValueError, RecursionError) as error:  # no TOML, no text, other types
        raise BaselineError(f"baseline {path}: {error}") from error
    others = sorted(set(data) - {"difference", INCLUDES, EXTENDS})
    if others or type(data.get(INCLUDES, False)) is not bool:
        raise BaselineError(
            f"baseline {path}: {others or INCLUDES!r}, expected [[difference]], [{EXTENDS}] and "
            f"{INCLUDES} = true only"
        )
    for entry in entries:
        _validate(path, entry)
    own = Baseline(entries, dict.fromkeys((entry.id for entry in entries), path), extends)
    if not data.get(INCLUDES) or path.resolve() == BASELINE.resolve():
        return own
    installed = load_baseline(BASELINE)
    twice = sorted({*own.files} & {*installed.files})
    if twice:
        raise BaselineError(f"baseline {path}: {twice[0]!r} is in the included one as well")
    return Baseline((*entries, *installed.entries), {**own.files, **installed.files}, extends)


def read_baseline(path: Path = BASELINE) -> list[KnownDifference]:
    """The entries of `load_baseline`. Raises as that does."""
    return [*load_baseline(path).entries]


REQUIRED = [one.name for one in msgspec.structs.fields(KnownDifference) if one.required]


def _entries(path: Path, tables: object) -> tuple[KnownDifference, ...]:
    """Each converted by itself, so that a message has its id; what is missing, all at once."""
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise BaselineError(f"baseline {path}: difference, expected tables, [[difference]] each")
    called = [repr(one["id"]) if "id" in one else f"{n}" for n, one in enumerate(tables, start=1)]
    wanting = [
        f"entry {name}: missing {', '.join(lacking)}"
        for name, table in zip(called, tables, strict=True)
        if (lacking := [one for one in REQUIRED if one not in table])
    ]
    if wanting:
        raise BaselineError(f"baseline {path}, {'; '.join(wanting)}")
    entries: list[KnownDifference] = []
    for name, table in zip(called, tables, strict=True):
        try:
            entries.append(msgspec.convert(table, KnownDifference))
        except ValueError as error:
            raise BaselineError(f"baseline {path}, entry {name}: {error}") from error
    for name in called:
        places = [n for n, other in enumerate(called, start=1) if other == name]
        if len(places) > 1:
            raise BaselineError(
                f"baseline {path}: {name} is the id of [[difference]] "
                f"{' and '.join(map(str, places))}; give each an id of its own"
            )
    return tuple(entries)


FILLED = {
    "reason": "why the difference is accepted",
    "statement": "what users should know",
    "backends": "at least one name",
    "versions": "package = a version range",
}
"""Fields that may not be empty, and what belongs there."""


def _validate(path: Path, entry: KnownDifference) -> None:
    where = f"baseline {path}, entry {entry.id!r}"
    if NAME.fullmatch(entry.id) is None:
        raise BaselineError(f"{where}: id, expected a name of {NAME.pattern}")
    empty = [
        f"{name} is empty, expected {what}"
        for name, what in FILLED.items()
        if not (value := getattr(entry, name)) or (isinstance(value, str) and not value.strip())
    ]
    if empty:
        raise BaselineError(f"{where}: {'; '.join(empty)}")
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
            raise BaselineError(f"{where}: checks: {check!r}, expected one of {', '.join(names)}")
    for cause in entry.causes:
        if not cause.about.excusable:
            raise BaselineError(f"{where}: causes: {str(cause)!r}, which nothing excuses")
    fields = {ACTIVATION, *Config.__dataclass_fields__} - {"specific"}
    fields.update(option.name for record in LAYERS.values() for option in record.options)
    for name in entry.when:
        if name not in fields:
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
