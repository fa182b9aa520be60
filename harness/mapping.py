"""The mapping page with what was measured: rows, verdicts, differences, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from harness.answer import Way, answer_of
from harness.backends.reference import variant_in
from harness.baseline import KnownDifference
from harness.config import Config
from harness.expectations import Expectations, Judged
from harness.layers import LAYERS, PageRow
from harness.matrix import Cell, matrix
from harness.outcome import Outcome
from harness.requirements import GROUPS, PAGE, REQUIREMENTS, Requirement
from harness.verdicts import CONCLUDED, State, Verdict, worst

__all__ = ["Difference", "Line", "MeasuredRow", "Page", "Starred", "measure"]


@dataclass(frozen=True)
class Starred:
    """A verdict; `star` where something differs for a cause that counts elsewhere."""

    state: State
    star: bool


@dataclass(frozen=True)
class Difference:
    """A known difference, where it shows, and the command that shows it."""

    entry: KnownDifference
    way: Way
    replay: str


@dataclass(frozen=True)
class Line:
    """A requirement that the page does not speak of: verdict by backend, and the evidence.

    `differences` are the gravest first; `replay` is a command that shows one, or the requirement
    at work.
    """

    requirement: Requirement
    verdicts: Mapping[str, Starred]
    differences: tuple[Difference, ...]
    replay: str

    @property
    def key(self) -> str:
        return self.requirement.key


@dataclass(frozen=True)
class MeasuredRow:
    """A row of the page, with the same, and how many configs it rests on.

    Verdicts are about what a valid call gives; `called` names the backends that take or refuse
    other calls than documented.
    """

    row: PageRow
    verdicts: Mapping[str, Starred]
    called: tuple[str, ...]
    configs: int
    differences: tuple[Difference, ...]
    replay: str


@dataclass(frozen=True)
class Page:
    """Everything that the page shows; its differences are the gravest first."""

    backends: tuple[str, ...]
    rows: tuple[MeasuredRow, ...]
    lines: Mapping[str, tuple[Line, ...]]
    differences: tuple[Difference, ...]


def measure(results: Sequence[Judged], known: Expectations, layer: str) -> Page:
    """The page of a layer, from a run."""
    results = [one for one in results if Config.parse(one.config_id).layer == layer]
    differences = _differences(results, known)
    results = [_shown(one, known) for one in results]
    cells = matrix(results)
    backends = tuple(next(iter(cells.values()))) if cells else ()
    lines = {
        group: tuple(
            _line(requirement, results, cells, differences)
            for requirement in REQUIREMENTS.values()
            if requirement.group == group and requirement.key in cells
        )
        for group in GROUPS
        if group != PAGE
    }
    rows = tuple(_measured(row, results, cells, differences) for row in LAYERS[layer].page)
    return Page(backends, rows, lines, tuple(differences.values()))


def _shown(result: Judged, known: Expectations) -> Judged:
    """A page speaks of all runs: what this one happened not to show counts as shown."""
    if result.may_show is None:
        return result
    (cause, *_) = known.by_id[result.may_show].causes
    return msgspec.structs.replace(result, verdict=Verdict.FAIL, cause=cause, known=result.may_show)


def _differences(results: Sequence[Judged], known: Expectations) -> dict[str, Difference]:
    """By their names, in the order of the answer."""
    answer = answer_of(Outcome({}, list(results), known.by_id))
    ways = {way.name: way for way in answer.ways if way.name in known.by_id}
    showing: dict[str, list[Judged]] = {name: [] for name in ways}
    for result in results:
        if result.known in showing:
            showing[result.known].append(result)
    return {
        name: Difference(known.by_id[name], way, min(showing[name], key=_simplest).replay)
        for name, way in ways.items()
    }


def _simplest(result: Judged) -> tuple[bool, object]:
    """One that takes a single backend to show it, then the smallest."""
    return result.against is not None, Config.parse(result.config_id).size


def _measured(
    row: PageRow,
    results: Sequence[Judged],
    cells: Mapping[str, Mapping[str, Cell]],
    differences: Mapping[str, Difference],
) -> MeasuredRow:
    bearing = [cells[key] for key in row.requirements]
    backends = tuple(next(iter(bearing)))
    called = [r for r in results if r.known and _is_call(r, row.calls)]
    ids = {i for cell in bearing for backend in backends for i in cell[backend].known}
    ids |= {result.known for result in called if result.known}
    shown = _ordered(ids, differences)
    return MeasuredRow(
        row,
        {backend: _starred([cell[backend] for cell in bearing]) for backend in backends},
        tuple(b for b in backends if any(result.backend == b for result in called)),
        max(cell[backend].configs for cell in bearing for backend in backends),
        shown,
        shown[0].replay if shown else _evidence(results, REQUIREMENTS[row.requirements[0]]),
    )


def _line(
    requirement: Requirement,
    results: Sequence[Judged],
    cells: Mapping[str, Mapping[str, Cell]],
    differences: Mapping[str, Difference],
) -> Line:
    row = cells[requirement.key]
    shown = _ordered({entry for cell in row.values() for entry in cell.known}, differences)
    return Line(
        requirement,
        {backend: _starred([cell]) for backend, cell in row.items()},
        shown,
        shown[0].replay if shown else _evidence(results, requirement),
    )


def _ordered(ids: set[str], differences: Mapping[str, Difference]) -> tuple[Difference, ...]:
    """The gravest first, without those that the baseline of here does not have."""
    return tuple(one for name, one in differences.items() if name in ids)


def _is_call(result: Judged, prefixes: Sequence[str]) -> bool:
    aspect = Config.parse(result.config_id).aspect.removeprefix("call.")
    return any(aspect.startswith(prefix) for prefix in prefixes)


def _starred(cells: Sequence[Cell]) -> Starred:
    """The worst verdict, starred where a pass has something that counts elsewhere."""
    state = worst(cell.verdict for cell in cells)
    return Starred(state, state is Verdict.PASS and any(cell.elsewhere for cell in cells))


def _evidence(results: Sequence[Judged], requirement: Requirement) -> str:
    """A command that shows a requirement at work: its smallest conclusive config.

    Of another backend than the first, and of none with a variant, where there is one.
    """
    bearing = [
        (
            result.backend == results[0].backend,
            bool(variant_in(result.backend)),
            config.size,
            result,
        )
        for result in results
        if result.verdict in CONCLUDED
        and requirement.holds(result, config := Config.parse(result.config_id))
    ]
    if not bearing:
        return ""
    *_, variant, _, smallest = min(bearing, key=lambda one: one[:3])
    return smallest.replay if variant else f"rnn-parity replay {smallest.config_id}"
