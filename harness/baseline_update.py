"""`rnn-parity baseline update`: the baseline as a run says it should be, for a person to review.

Comments, order and wording stay. What is no longer shown goes; ranges of ratios follow what was
measured; what is new and has an established cause comes in without statement and reason, which
only a person can give, and without which the baseline is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import tomlkit
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version
from tomlkit.items import AoT, Table

from harness.backends.reference import name_in, unversioned
from harness.baseline import EXTENDS, INCLUDES, KnownDifference
from harness.config import Config
from harness.expectations import Expectations, Judged, holds_on, missing, peak
from harness.findings import Finding, find, key_of
from harness.results import Result, as_float

__all__ = ["NEW", "Update", "extended", "updated"]

NEW = f"""\
# Known differences of one's own backends, and why; those of this project's are added to them.

{INCLUDES} = true
"""
"""The text of a baseline that does not exist yet."""

ANY_WORKER = ("python", "numpy")
"""What every worker reports the versions of; numpy stands for one that reports nothing else."""

ROOM = 1.25
"""How much larger or smaller than measured a ratio may be on another machine."""

ABSURD = 1e12
"""A ratio from which on nothing of the value is right: a limit there would be no measurement."""

LONGEST = 60
"""Characters of an id."""


@dataclass
class Update:
    """The new text, and a line for each change; `open` says what a person has to do.

    `begun`: the file was not there before.
    """

    text: str
    changes: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    begun: bool = False


def updated(
    text: str, known: Expectations, results: Iterable[Result], header: Mapping[str, Any]
) -> Update:
    """The text of a baseline file after the results of a complete run; the same to the letter
    where they are as it says.

    Args:
        known: the entries of `text` that apply to the run; others are left alone.
        header: of the run. Its versions say what the results are about; what is installed here
            says nothing.
    """
    measured = list(results)
    document = tomlkit.parse(text)
    tables = document.get("difference")
    if not isinstance(tables, AoT):
        document.pop("difference", None)
        tables = tomlkit.aot()
        document["difference"] = tables
    update = Update(text)
    here = {entry.id for entry in known.entries}
    others = [e for e in _entries(tables) if e.id not in here]
    carried = _carried(tables, others, known.join(measured), header, update)
    known = known.of((*known.entries, *carried))
    known = _raised(known.join(measured), tables, known, update)
    lines = known.join(measured)
    by_id = {entry.id: entry for entry in known.entries}
    for place in reversed(range(len(tables))):
        entry = by_id.get(str(tables[place].get("id")))
        if entry is None or not holds_on(entry, header):
            continue
        covered = [line for line in lines if known.covers(entry, line.backend)]
        if not _kept(tables[place], entry, covered, update):
            del tables[place]
    for finding in find(lines):
        if finding.unexpected:
            _enter(tables, finding, lines, header, update, {*known.files})
    if not tables:
        del document["difference"]
    if not update.changes:
        return update
    # A blank line before each entry, new ones included.
    update.text = re.sub(
        r"(?<!\n)\n\[\[difference\]\]", "\n\n[[difference]]", tomlkit.dumps(document)
    )
    return update


def extended(text: str, extends: Mapping[str, str]) -> str:
    """The text of a baseline file in which backends start from the entries of others."""
    document = tomlkit.parse(text)
    if EXTENDS not in document:
        table = tomlkit.table()
        before = [key for key in document if key == "difference"]
        entries = [document.pop(key) for key in before]
        document[EXTENDS] = table
        for key, value in zip(before, entries, strict=True):
            document[key] = value
    for backend, other in extends.items():
        document[EXTENDS][backend] = other
    return tomlkit.dumps(document)


def _entries(tables: AoT) -> list[KnownDifference]:
    return msgspec.convert(tables.unwrap(), list[KnownDifference])


def _carried(
    tables: AoT,
    others: Sequence[KnownDifference],
    lines: Sequence[Judged],
    header: Mapping[str, Any],
    update: Update,
) -> list[KnownDifference]:
    """Entries of other versions that explain what is unexpected with these: they hold on."""
    unexpected = [line for line in lines if line.unexpected]
    carried = []
    for entry in others:
        explained = [line for line in Expectations([entry]).join(unexpected) if line.known]
        if not explained:
            continue
        versions = _versions_of(explained[0].backend, header)
        if not {*entry.versions} <= {*versions}:
            continue
        if not holds_on(entry, header):
            update.open.append(f"{entry.id}: shows here too; widen `platforms` or `cpu_flags`")
            carried.append(entry)
            continue
        wider = {name: _widened(spec, versions[name]) for name, spec in entry.versions.items()}
        table = next(table for table in tables if table.get("id") == entry.id)
        for name, spec in wider.items():
            table["versions"][name] = spec
        ranges = ", ".join(f"{name} {spec}" for name, spec in wider.items())
        update.changes.append(f"{entry.id}: shows with these versions too, now {ranges}")
        carried.append(msgspec.structs.replace(entry, versions=wider))
    return carried


def _widened(specifier: str, version: str) -> str:
    """The range with this version in it: '>=2.10,<2.11' and 2.12.1 give '>=2.10,<2.13'.

    One that has it already stays; of others the bound that shuts the version out is moved, or, if
    it is none (such as `==2.10.*`), the version's own range takes the place of all.
    """
    wanted, bounds = Version(version), SpecifierSet(specifier)
    if bounds.contains(wanted, prereleases=True):
        return specifier
    low, high = _compatible(version).split(",")
    moved = {">=": low, ">": low, "<": high, "<=": high}
    shut = [one for one in bounds if not one.contains(wanted, prereleases=True)]
    kept = [str(one) for one in bounds if one not in shut]
    if not all(one.operator in moved for one in shut):
        return f"{low},{high}"
    order = sorted([*kept, *(moved[one.operator] for one in shut)], key=lambda one: one[0] != ">")
    return ",".join(order)


def _raised(
    lines: Sequence[Judged], tables: AoT, known: Expectations, update: Update
) -> Expectations:
    """The entries with limits that leave no result unexpected for its size alone."""
    entries = {entry.id: entry for entry in known.entries}
    own = {str(table.get("id")) for table in tables}
    for line in lines:
        if not line.unexpected or line.ratio is None:
            continue
        smaller = msgspec.structs.replace(line, ratio=1.0)
        entry = next((e for e in entries.values() if e.id in own and _explained(e, smaller)), None)
        if entry is None or _explained(entry, line):
            continue
        limit = _limit([line])
        table = next(table for table in tables if table.get("id") == entry.id)
        where, name = table, "max_ratio"
        if line.part in entry.parts:
            where, name = table["parts"], line.part
            changed: dict[str, Any] = {"parts": {**entry.parts, line.part: limit}}
        else:
            changed = {"max_ratio": limit}
        where[name] = limit
        if math.isinf(limit) and name == "max_ratio":
            del where[name]
        entries[entry.id] = msgspec.structs.replace(entry, **changed)
        amount = f"{limit:g}" if math.isfinite(limit) else "without a limit"
        update.changes.append(f"{entry.id}: {name} is {amount} now")
    return known.of(entries.values())


def _limit(lines: Iterable[Result]) -> float:
    """With room above the largest ratio; infinity where one is not finite, or absurd."""
    largest = max((as_float(line.ratio) for line in lines if line.ratio is not None), default=0.0)
    return rounded(largest * ROOM) if largest < ABSURD else math.inf


def _explained(entry: KnownDifference, line: Result) -> bool:
    return Expectations([entry]).join([line])[0].known is not None


def _kept(table: Table, entry: KnownDifference, lines: Sequence[Judged], update: Update) -> bool:
    """Bring an entry up to date; False if nothing shows it any more."""
    gone = missing(entry, lines)
    showing = {unversioned(line.backend) for line in lines if line.known == entry.id}
    silent = [
        backend
        for backend in entry.backends
        if any(unversioned(one) == backend for one, _ in gone) and backend not in showing
    ]
    backends = [backend for backend in entry.backends if backend not in silent]
    if not backends:
        update.changes.append(f"{entry.id}: deleted, for nothing shows it any more")
        return False
    if silent:
        table["backends"] = backends
        update.changes.append(f"{entry.id}: {', '.join(silent)} shows it no more")
    lost = {config_id for backend, config_id in gone if unversioned(backend) in backends}
    if lost and entry.shown_by:
        left = [config_id for config_id in entry.shown_by if config_id not in lost]
        table["shown_by"] = left or [_another(entry, lines)]
        update.changes.append(f"{entry.id}: no longer shown by {', '.join(sorted(lost))}")
    elif lost:
        update.open.append(f"{entry.id}: narrow `when`; not shown by {', '.join(sorted(lost))}")
    largest = peak(entry, lines)
    if largest is not None and entry.ratio is not None:
        low, high = entry.ratio
        if not low <= largest <= high and largest >= ABSURD:
            del table["ratio"]
            update.changes.append(f"{entry.id}: grew to {largest:.4g}, which no range describes")
        elif not low <= largest <= high:
            table["ratio"] = _range(largest)
            how = "shrank" if largest < low else "grew"
            update.changes.append(f"{entry.id}: {how} to {largest:.4g}, was {list(entry.ratio)}")
    return True


def _range(ratio: float) -> list[float]:
    """Within which it lies on other machines too."""
    return [rounded(ratio / ROOM), rounded(ratio * ROOM)]


def _another(entry: KnownDifference, lines: Sequence[Judged]) -> str:
    """A config of the corpus that shows it with every backend of the entry that was asked it."""
    asked = {(line.backend, line.config_id) for line in lines}
    showing = {(line.backend, line.config_id) for line in lines if line.known == entry.id}
    of_entry = [line for line in lines if line.known == entry.id]
    every = sorted({line.config_id for line in _pinned(of_entry)})
    for config_id in every:
        backends = {
            backend
            for backend, one in asked
            if one == config_id and unversioned(backend) in entry.backends
        }
        if all((backend, config_id) in showing for backend in backends):
            return config_id
    return every[0]


def _pinned(lines: Sequence[Judged]) -> list[Judged]:
    """Those of the corpus; where there are none, those that were drawn, else all.

    Only what every run judges can vanish.
    """
    for origin in ("corpus", "drawn"):
        if of_origin := [line for line in lines if line.origin == origin]:
            return of_origin
    return list(lines)


def _enter(
    tables: AoT,
    finding: Finding,
    lines: Sequence[Judged],
    header: Mapping[str, Any],
    update: Update,
    taken: set[str],
) -> None:
    """A new entry, with everything but what only a person knows; `taken` are ids elsewhere."""
    package, version = _pinned_to(finding.backend, header)
    if not finding.cause.about.excusable or not package:
        why = "no cause is established; repair it, or say in unsupported() that it is not done"
        if not package:
            why = "no package's version to pin it to; report one in versions()"
        update.open.append(f"{finding.backend}, {finding.check}: not entered, {why}")
        return
    shown = [line for line in lines if line.unexpected and key_of(line) == finding.key]
    smallest = min(_pinned(shown), key=lambda line: Config.parse(line.config_id).size)
    taken = taken | {str(table.get("id")) for table in tables}
    fields: dict[str, Any] = {
        "id": _free(finding.slug.removesuffix("-unexpected"), taken),
        "statement": "",
        "backends": [unversioned(finding.backend)],
        "versions": {package: _compatible(version)},
        "checks": [finding.check],
        "causes": [str(finding.cause)],
        "reason": "",
        "shown_by": [smallest.config_id],
    }
    if finding.key[3]:
        fields["when"] = {"aspect": finding.key[3]}
    if 0 < (limit := _limit(shown)) < math.inf:
        fields["max_ratio"] = limit
    ratios = [
        as_float(line.ratio)
        for line in shown
        if line.config_id == smallest.config_id and line.ratio is not None
    ]
    if 0 < (pinned := max(filter(math.isfinite, ratios), default=0.0)) < ABSURD:
        fields["ratio"] = _range(pinned)
    table = tomlkit.table()
    for name, value in fields.items():
        table[name] = tomlkit.inline_table() | value if isinstance(value, dict) else value
    tables.append(table)
    update.changes.append(f"{fields['id']}: entered")
    update.open.append(f"{fields['id']}: give it a statement and a reason")
    if smallest.origin != "corpus":
        update.open.append(
            f"{fields['id']}: no config of the corpus shows it; the one in `shown_by` is "
            f"{smallest.origin}, and runs that do not judge it cannot say that it vanished"
        )


def _free(name: str, taken: set[str]) -> str:
    """An id that no entry has, as long as one may be."""
    found, number = name[:LONGEST], 1
    while found in taken:
        number += 1
        found = f"{name[: LONGEST - len(str(number)) - 1]}-{number}"
    return found


def _pinned_to(backend: str, header: Mapping[str, Any]) -> tuple[str, str]:
    """The package whose behaviour it is, and its version: the backend's own, what it wraps, the
    first that its worker reports, or numpy. Empty texts where there is none.
    """
    own = _own(backend, header)
    versions = _versions_of(backend, header)
    reported = [name for name in own.get("versions", {}) if name not in ANY_WORKER]
    for name in (name_in(backend), name_in(own.get("wraps", "")), *reported, *ANY_WORKER[1:]):
        if name in versions and _is_version(versions[name]):
            return name, versions[name]
    return "", ""


def _own(backend: str, header: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the worker of a backend, named as in results, said of itself."""
    found: Mapping[str, Any] = next(
        (one for one in header["backends"].values() if one["name"] == backend), {}
    )
    return found


def _versions_of(backend: str, header: Mapping[str, Any]) -> dict[str, str]:
    """Those that its worker reported, and of the run what that has not."""
    return {**header["versions"], **_own(backend, header).get("versions", {})}


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _compatible(version: str) -> str:
    """The same minor version: '>=2.10,<2.11' of '2.10.0', '>=3,<4' of '3'."""
    *before, last = Version(version).release[:2]
    low, high = (".".join(map(str, (*before, part))) for part in (last, last + 1))
    return f">={low},<{high}"


def rounded(value: float) -> float:
    """To three significant digits."""
    return float(f"{value:.3g}")
