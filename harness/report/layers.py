"""The verdicts on each layer as the page has them: a matrix, and how many came out how."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.answer import Answer, Way
from harness.causes import Harm
from harness.config import Config
from harness.expectations import Judged
from harness.layers import LAYERS
from harness.matrix import Cell, matrix
from harness.requirements import PAGE, REQUIREMENTS
from harness.verdicts import ReportState, State, Verdict, worst

__all__ = ["LayerView", "Row", "layer_views"]


@dataclass(frozen=True)
class Row:
    """What is claimed, where, its cell for each backend, and the known differences in them."""

    statement: str
    source: str
    cells: Mapping[str, Cell]

    @property
    def known(self) -> list[str]:
        return list(dict.fromkeys(name for cell in self.cells.values() for name in cell.known))


@dataclass(frozen=True)
class LayerView:
    """What was found of one layer."""

    name: str
    ways: Mapping[Harm, tuple[Way, ...]]
    matrix: Mapping[str, Mapping[str, Cell]]

    @property
    def title(self) -> str:
        return LAYERS[self.name].title

    @property
    def anchor(self) -> str:
        return f"verdicts-{self.name}"

    @property
    def total(self) -> int:
        return sum(map(len, self.ways.values()))

    @property
    def unasked(self) -> int:
        """Requirements of which nothing was concluded for a backend that was asked of the layer."""
        without = (ReportState.UNTESTED, Verdict.INCONCLUSIVE)
        return sum(
            any(cell.verdict in without for cell in row.values()) for row in self.matrix.values()
        )

    def rows(self, group: str) -> list[Row]:
        """The requirements of a group, in their order; of the mapping page its rows."""
        pages = LAYERS[self.name].page if group == PAGE else ()
        rows = [
            Row(
                f"{row.label}: {'; '.join(REQUIREMENTS[key].statement for key in keys)}",
                "mapping page",
                _together([self.matrix[key] for key in keys]),
            )
            for row in pages
            if (keys := [key for key in row.requirements if key in self.matrix])
        ]
        own = {key for row in pages for key in row.requirements}
        return rows + [
            Row(REQUIREMENTS[key].statement, REQUIREMENTS[key].source, cells)
            for key, cells in self.matrix.items()
            if REQUIREMENTS[key].group == group and key not in own
        ]

    def counts(self, backend: str) -> list[tuple[State, int]]:
        """How many requirements came out how, the gravest first; one count for each sign."""
        found = Counter(row[backend].verdict for row in self.matrix.values())
        signs: dict[str, tuple[State, int]] = {}
        for state, count in sorted(found.items(), key=lambda one: one[0].severity):
            first, before = signs.get(state.sign, (state, 0))
            signs[state.sign] = first, before + count
        return list(signs.values())


def _together(rows: Sequence[Mapping[str, Cell]]) -> Mapping[str, Cell]:
    """One cell for each backend, as the mapping page has it: the worst verdict of all."""
    return {
        backend: Cell(
            worst(cell.verdict for cell in cells),
            sum((Counter(cell.counts) for cell in cells), Counter()),
            max(cell.configs for cell in cells),
            sum(cell.elsewhere for cell in cells),
            tuple(sorted({name for cell in cells for name in cell.known})),
        )
        for backend in rows[0]
        for cells in [[row[backend] for row in rows]]
    }


def layer_views(
    answer: Answer, results: Sequence[Judged], whole: Mapping[str, Mapping[str, Cell]]
) -> list[LayerView]:
    """Each layer of an answer; of a single one the matrix is there already."""
    if len(answer.layers) == 1:
        return [LayerView(name, answer.of_layer(name), whole) for name in answer.layers]
    of_layer: dict[str, list[Judged]] = defaultdict(list)
    for result in results:
        of_layer[Config.parse(result.config_id).layer].append(result)
    return [
        LayerView(name, answer.of_layer(name), _every_backend(matrix(of_layer[name]), whole))
        for name in answer.layers
    ]


def _every_backend(
    own: Mapping[str, Mapping[str, Cell]], whole: Mapping[str, Mapping[str, Cell]]
) -> Mapping[str, Mapping[str, Cell]]:
    """A column for every backend of the run, empty where it was not asked about the layer."""
    empty = {
        backend: Cell(ReportState.NOT_APPLICABLE, {}, 0, 0, ())
        for row in whole.values()
        for backend in row
    }
    return {key: {name: row.get(name, empty[name]) for name in empty} for key, row in own.items()}
