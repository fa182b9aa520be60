"""The mapping page again, with what was measured: rows, verdicts, differences, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.backends.reference import variant_in
from harness.config import Config
from harness.expectations import Expectations, Judged, KnownDifference
from harness.findings import Cell, matrix
from harness.requirements import GROUPS, PAGE, REQUIREMENTS, Requirement
from harness.verdicts import CONCLUDED, State, Verdict, worst

__all__ = ["Difference", "Line", "MeasuredRow", "Page", "Starred", "measure"]


@dataclass(frozen=True)
class _Row:
    """A row of the original page; what bears on it: requirements, and calls by their prefix."""

    category: str
    torch: str
    mindspore: str
    said: str
    requirements: tuple[str, ...]
    calls: tuple[str, ...] = ()


_PARAMETERS, _INPUTS, _WHOLE = "Parameters", "Inputs", "Whole page"
_RENAMED = "Same function, different parameter names"

_ROWS = (
    _Row(_PARAMETERS, "input_size", "input_size", "-", ("input-size",), ("input.",)),
    _Row(_PARAMETERS, "hidden_size", "hidden_size", "-", ("hidden-size",), ("hidden.",)),
    _Row(
        _PARAMETERS,
        "num_layers",
        "num_layers",
        "-",
        ("num-layers",),
        ("layers.", "default.layers"),
    ),
    _Row(
        _PARAMETERS,
        "nonlinearity",
        "nonlinearity",
        "-",
        ("nonlinearity", "nan", "gradient-signs"),
        ("nonlinearity.", "default.nonlinearity", "order."),
    ),
    _Row(
        _PARAMETERS,
        "bias",
        "has_bias",
        _RENAMED,
        ("bias",),
        ("bias.", "default.bias", "keyword.bias"),
    ),
    _Row(
        _PARAMETERS,
        "batch_first",
        "batch_first",
        "-",
        ("batch-first",),
        ("layout.", "default.layout"),
    ),
    _Row(
        _PARAMETERS,
        "dropout",
        "dropout",
        "-",
        ("dropout", "fresh-mode"),
        ("dropout.", "default.dropout"),
    ),
    _Row(
        _PARAMETERS,
        "bidirectional",
        "bidirectional",
        "-",
        ("bidirectional",),
        ("directions.", "default.directions"),
    ),
    _Row(_INPUTS, "input", "x", _RENAMED, ("x",), ("x.", "keyword.input")),
    _Row(_INPUTS, "h_0", "hx", _RENAMED, ("h-0-given", "h-0-absent"), ("h0.", "keyword.hx")),
    _Row(
        _INPUTS,
        "- (pack_padded_sequence)",
        "seq_length",
        "The true sequence length, so that padding does not count",
        ("lengths", "gradient-padding"),
        ("lengths.",),
    ),
    _Row(_WHOLE, "Code Example 1", "Code Example 1", "Prints different numbers", ("code-example",)),
    _Row(
        _WHOLE,
        "torch.nn.RNN",
        "mindspore.nn.RNN",
        "Implement the same functions as PyTorch",
        ("same-functions",),
    ),
)


@dataclass(frozen=True)
class Starred:
    """A verdict; `star` where something differs for a cause that counts elsewhere."""

    state: State
    star: bool


@dataclass(frozen=True)
class Difference:
    """A known difference, where it shows, and the command that shows it."""

    number: int
    entry: KnownDifference
    backends: tuple[str, ...]
    replay: str


@dataclass(frozen=True)
class MeasuredRow:
    """A row of the page: verdict by backend, configs it rests on, differences, evidence.

    Verdicts are about what a valid call gives; `called` names the backends that take or refuse
    other calls than documented.
    """

    category: str
    torch: str
    mindspore: str
    said: str
    verdicts: Mapping[str, Starred]
    called: tuple[str, ...]
    configs: int
    differences: tuple[Difference, ...]
    replay: str


@dataclass(frozen=True)
class Line:
    """A requirement that the page does not speak of, with the same."""

    requirement: Requirement
    verdicts: Mapping[str, Starred]
    differences: tuple[Difference, ...]
    replay: str


@dataclass(frozen=True)
class Page:
    """Everything that the page shows."""

    backends: tuple[str, ...]
    rows: tuple[MeasuredRow, ...]
    lines: Mapping[str, tuple[Line, ...]]
    differences: tuple[Difference, ...]


def measure(results: Sequence[Judged], known: Expectations) -> Page:
    """The page of a run."""
    cells = matrix(results)
    backends = tuple(next(iter(cells.values()))) if cells else ()
    differences = _differences(results, known)
    lines = {
        group: tuple(
            _line(requirement, results, cells, differences)
            for requirement in REQUIREMENTS.values()
            if requirement.group == group
        )
        for group in GROUPS
        if group != PAGE
    }
    rows = tuple(_measured(row, results, cells, differences) for row in _ROWS)
    return Page(backends, rows, lines, tuple(differences.values()))


def _differences(results: Sequence[Judged], known: Expectations) -> dict[str, Difference]:
    found: dict[str, Difference] = {}
    for entry in known.entries:
        shown = [result for result in results if result.known == entry.id]
        if not shown:
            continue
        smallest = min(shown, key=lambda r: (_own(r), Config.parse(r.config_id).size))
        backends = tuple(sorted({result.backend for result in shown}))
        found[entry.id] = Difference(len(found) + 1, entry, backends, smallest.replay)
    return found


def _own(result: Judged) -> bool:
    """Whether it takes more than one backend to show it."""
    return result.against is not None


def _measured(
    row: _Row,
    results: Sequence[Judged],
    cells: Mapping[str, Mapping[str, Cell]],
    differences: Mapping[str, Difference],
) -> MeasuredRow:
    bearing = [cells[key] for key in row.requirements]
    backends = tuple(next(iter(bearing)))
    called = [r for r in results if r.known and _is_call(r, row.calls)]
    ids = {i for cell in bearing for backend in backends for i in cell[backend].known}
    ids |= {result.known for result in called if result.known}
    verdicts = {backend: _starred([cell[backend] for cell in bearing]) for backend in backends}
    shown = _numbered(ids, differences)
    return MeasuredRow(
        row.category,
        row.torch,
        row.mindspore,
        row.said,
        verdicts,
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
    ids = {entry for cell in row.values() for entry in cell.known}
    shown = _numbered(ids, differences)
    return Line(
        requirement,
        {backend: _starred([cell]) for backend, cell in row.items()},
        shown,
        shown[0].replay if shown else _evidence(results, requirement),
    )


def _numbered(ids: set[str], differences: Mapping[str, Difference]) -> tuple[Difference, ...]:
    """In their order; an id that the baseline of here does not have has no number."""
    shown = (differences[entry] for entry in ids if entry in differences)
    return tuple(sorted(shown, key=lambda difference: difference.number))


def _is_call(result: Judged, prefixes: Sequence[str]) -> bool:
    aspect = Config.parse(result.config_id).aspect.removeprefix("call.")
    return any(aspect.startswith(prefix) for prefix in prefixes)


def _starred(cells: Sequence[Cell]) -> Starred:
    """The worst verdict, starred where a pass has something that counts elsewhere."""
    state = worst(cell.verdict for cell in cells)
    return Starred(state, state is Verdict.PASS and any(cell.elsewhere for cell in cells))


def _evidence(results: Sequence[Judged], requirement: Requirement) -> str:
    """A command that shows a requirement at work: its smallest conclusive config of another one."""
    bearing = [
        result
        for result in results
        if result.backend != results[0].backend
        and not variant_in(result.backend)
        and result.verdict in CONCLUDED
        and requirement.holds(result, Config.parse(result.config_id))
    ]
    if not bearing:
        return ""
    smallest = min(bearing, key=lambda r: Config.parse(r.config_id).size)
    return f"rnn-parity replay {smallest.config_id}"
