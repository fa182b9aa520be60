"""What a run found, with everything that a report needs to know of it."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.baseline import KnownDifference
from harness.config import Config
from harness.expectations import Change, Expectations, Judged, stale_entries
from harness.figures import Figures
from harness.findings import SHORTENED, TESTED, Finding, find
from harness.folder import ALONE, TIMES
from harness.journal import Recorded
from harness.layers import LAYERS
from harness.matrix import Cell, matrix
from harness.reproducers import Reproducer
from harness.results import Parameters
from harness.verdicts import CONCLUDED, JUDGED, ReportState, Verdict

__all__ = ["UNPLANNED", "Outcome", "conclude", "load_asides", "outcome_of", "store_asides"]


@dataclass
class Outcome:
    """Everything a report needs to know of a run.

    `known` maps the ids of known differences to them; `vanished`, `shrunk` and `grown` are
    messages about those that no longer show, or in another size, `idle` about requirements without
    verdict. `unfinished` says how far a run came that was ended; then these are empty, for they are
    about whole runs.
    `reproducers` are by the findings' slugs; `irreproducible` says of which numeric findings there
    is none, and why. `alone` says whether a finding's smallest config shows it in a new worker.
    `figures` are what pictures are drawn from. `stopped`: it was to end at the first unexpected
    result, and did. `seconds` says of configs how long after the one before they were judged.
    """

    header: dict[str, Any]
    results: list[Judged] = field(default_factory=list)
    known: dict[str, KnownDifference] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    shrunk: list[str] = field(default_factory=list)
    grown: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    unfinished: str = ""
    reproducers: dict[str, Reproducer] = field(default_factory=dict)
    irreproducible: dict[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    alone: dict[str, bool] = field(default_factory=dict)
    stopped: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def pinned(self) -> bool:
        """Whether the whole pinned corpus was judged; one of somebody's own, or that of some
        layers, may leave much untested.
        """
        return not msgspec.convert(self.header.get("parameters", {}), Parameters).partial

    @property
    def whole(self) -> bool:
        """Whether all that is pinned was asked: then what has no verdict is an alarm."""
        return self.pinned and not self.unfinished

    @property
    def alarms(self) -> list[str]:
        """All that is unexpected beside results."""
        return [*self.vanished, *self.shrunk, *self.grown, *self.idle]

    @property
    def unexpected(self) -> list[Judged]:
        return [result for result in self.results if result.unexpected]

    @property
    def exit_code(self) -> int:
        """0: nothing unexpected; 1: an unexpected verdict; 2: the run is not finished."""
        if self.unfinished and not self.stopped:
            return 2
        return 1 if self.unexpected or self.alarms else 0

    @property
    def headline(self) -> str:
        """The verdict in two words."""
        if self.unexpected or self.alarms:
            return "Unexpected results"
        return "Unfinished" if self.unfinished else "As expected"

    @property
    def findings(self) -> list[Finding]:
        found = find(self.results)
        return [dataclasses.replace(one, alone=self.alone.get(one.slug)) for one in found]

    @property
    def matrix(self) -> dict[str, dict[str, Cell]]:
        return matrix(self.results)


def outcome_of(recorded: Recorded, known: Expectations) -> Outcome:
    """The outcome of a results file, of a run that may have been ended at any moment."""
    outcome = Outcome(recorded.header, known.join(recorded.results), known.by_id)
    conclude(outcome, known, complete=recorded.complete)
    return outcome


def store_asides(out: Path, outcome: Outcome) -> None:
    """What was measured beside the results, `alone` and `seconds`. Raises OSError."""
    for name, what in ((ALONE, outcome.alone), (TIMES, outcome.seconds)):
        if what:
            (out / name).write_bytes(msgspec.json.encode(what))


def load_asides(out: Path, outcome: Outcome) -> None:
    """What `store_asides` wrote; nothing where it cannot be read."""
    outcome.alone = _loaded(out / ALONE, dict[str, bool]) or {}
    outcome.seconds = _loaded(out / TIMES, dict[str, float]) or {}


def _loaded(path: Path, of: type[Any]) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=of)
    except (OSError, ValueError):
        return None


UNPLANNED = (TESTED, SHORTENED)
"""Origins of configs that a run chose for what it had found."""


def conclude(outcome: Outcome, known: Expectations, *, complete: bool) -> None:
    """Say what only a whole run can say, or that it is none."""
    if complete:
        stale = stale_entries(known, outcome.results)
        outcome.vanished, outcome.shrunk, outcome.grown = (
            [one.message for one in stale if one.change is change] for change in Change
        )
        outcome.idle = _idle(outcome.results, outcome.pinned)
    else:
        planned = outcome.header.get("planned", 0)
        pairs = {(r.config_id, r.backend) for r in outcome.results if r.origin not in UNPLANNED}
        judged = len(pairs)
        how = "stopped at the first unexpected result" if outcome.stopped else "unfinished"
        outcome.unfinished = (
            f"{how}: {judged:,} of {planned:,} planned pairs of config and backend were judged"
        )


def _idle(results: Sequence[Judged], pinned: bool) -> list[str]:
    """Where nothing was concluded: a green that means nothing.

    A corpus of one's own (not `pinned`) may leave requirements out.

    A backend of which nothing at all was judged; or a requirement of a layer, unless the backend
    documents that it does not do what it is about, or is unexpectedly wrong in that layer anyway.
    """
    if not results:
        return ["nothing was judged: there are no configs, or no results of them"]
    judged = {r.backend for r in results if r.verdict in JUDGED}
    silent = [
        f"{backend}: nothing was judged; every config is unsupported, or was not concluded"
        for backend in dict.fromkeys(r.backend for r in results)
        if backend not in judged
    ]
    if not pinned:
        return silent
    by_layer: dict[str, list[Judged]] = defaultdict(list)
    for result in results:
        by_layer[Config.parse(result.config_id).layer].append(result)
    unconcluded = (text for name, own in by_layer.items() for text in _unconcluded(name, own))
    return [*silent, *_mostly_inconclusive(results), *unconcluded]


def _unconcluded(layer: str, results: Sequence[Judged]) -> Iterator[str]:
    """Requirements of one layer without a verdict."""
    judged = {r.backend for r in results if r.verdict in JUDGED}
    judged -= {r.backend for r in results if r.unexpected}
    for key, row in matrix(results).items():
        for backend, cell in row.items():
            silent = cell.verdict in (ReportState.UNTESTED, Verdict.INCONCLUSIVE)
            if silent and backend in judged:
                yield (
                    f"{backend}: nothing was concluded on requirement {key!r} of "
                    f"{LAYERS[layer].title} ({cell.verdict}); a run without a verdict on it "
                    "proves nothing about it"
                )


FEWEST = 10
"""Comparisons of a check that say something of it."""


def _mostly_inconclusive(results: Sequence[Judged]) -> list[str]:
    """Checks that conclude less than a third of the time: something hides what they look at."""
    counts: dict[tuple[str, str], Counter[Verdict]] = defaultdict(Counter)
    for result in results:
        if result.origin == "corpus" and result.verdict in (*CONCLUDED, Verdict.INCONCLUSIVE):
            counts[result.backend, result.check][result.verdict] += 1
    return [
        f"{backend}: {check} was inconclusive in {count[Verdict.INCONCLUSIVE]:,} of {total:,} "
        "comparisons of the pinned corpus, expected at most two thirds; their messages say why"
        for (backend, check), count in counts.items()
        if (total := count.total()) >= FEWEST and 3 * count[Verdict.INCONCLUSIVE] > 2 * total
    ]
