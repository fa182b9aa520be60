"""What a run found, with everything that a report needs to know of it."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.baseline import KnownDifference
from harness.expectations import Expectations, Judged, stale_entries
from harness.figures import Figures
from harness.findings import Finding, find
from harness.folder import ALONE
from harness.journal import Recorded
from harness.matrix import Cell, matrix
from harness.reproducers import Reproducer
from harness.verdicts import CONCLUDED, JUDGED, ReportState, Verdict

__all__ = ["Outcome", "conclude", "load_alone", "outcome_of", "store_alone"]


@dataclass
class Outcome:
    """Everything a report needs to know of a run.

    `known` maps the ids of known differences to them; `vanished` and `idle` are messages
    about known differences that no longer show and requirements without verdict. `unfinished`
    says how far a run came that was ended; then both are empty, for they are about whole runs.
    `reproducers` are by the findings' slugs; `irreproducible` says of which numeric findings there
    is none, and why. `alone` says whether a finding's smallest config shows it in a new worker.
    `figures` are what pictures are drawn from.
    """

    header: dict[str, Any]
    results: list[Judged] = field(default_factory=list)
    known: dict[str, KnownDifference] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    unfinished: str = ""
    reproducers: dict[str, Reproducer] = field(default_factory=dict)
    irreproducible: dict[str, str] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    alone: dict[str, bool] = field(default_factory=dict)

    @property
    def pinned(self) -> bool:
        """Whether the whole pinned corpus was judged; one of somebody's own, or that of some
        layers, may leave much untested.
        """
        parameters = self.header.get("parameters", {})
        return not (parameters.get("corpus") or parameters.get("layers"))

    @property
    def unexpected(self) -> list[Judged]:
        return [result for result in self.results if result.unexpected]

    @property
    def exit_code(self) -> int:
        """0: nothing unexpected; 1: an unexpected verdict; 2: the run is not finished."""
        if self.unfinished:
            return 2
        return 1 if self.unexpected or self.vanished or self.idle else 0

    @property
    def headline(self) -> str:
        """The verdict in two words."""
        if self.unexpected or self.vanished or self.idle:
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


def store_alone(out: Path, alone: Mapping[str, bool]) -> None:
    """Beside the results of the run; nothing where nothing was asked. Raises OSError."""
    if alone:
        (out / ALONE).write_bytes(msgspec.json.encode(alone))


def load_alone(out: Path) -> dict[str, bool]:
    """What `store_alone` wrote; nothing where it cannot be read."""
    try:
        return msgspec.json.decode((out / ALONE).read_bytes(), type=dict[str, bool])
    except (OSError, ValueError):
        return {}


def conclude(outcome: Outcome, known: Expectations, *, complete: bool) -> None:
    """Say what only a whole run can say, or that it is none."""
    if complete:
        outcome.vanished = stale_entries(known, outcome.results)
        outcome.idle = _idle(outcome.results, outcome.pinned)
    else:
        planned = outcome.header.get("planned", 0)
        judged = len({(r.config_id, r.backend) for r in outcome.results})
        outcome.unfinished = (
            f"unfinished: {judged:,} of {planned:,} planned pairs of config and backend were judged"
        )


def _idle(results: Sequence[Judged], pinned: bool) -> list[str]:
    """Where nothing was concluded: a green that means nothing.

    A corpus of one's own (not `pinned`) may leave requirements out.

    A backend of which nothing at all was judged; or a requirement, unless the backend documents
    that it does not do what it is about, or is unexpectedly wrong anyway.
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
    wrong = {r.backend for r in results if r.unexpected}
    return (
        silent
        + _mostly_inconclusive(results)
        + [
            f"{backend}: nothing was concluded on requirement {key!r} ({cell.verdict}); a run "
            "without a verdict on it proves nothing about it"
            for key, row in matrix(results).items()
            for backend, cell in row.items()
            if cell.verdict in (ReportState.UNTESTED, Verdict.INCONCLUSIVE)
            and backend in judged - wrong
        ]
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
