"""What a run found, with everything that a report needs to know of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.exhibits import Exhibits
from harness.expectations import Expectations, Judged, KnownDifference
from harness.findings import Cell, Finding, find, matrix
from harness.journal import Recorded
from harness.pinned import changed
from harness.reproducers import Reproducer
from harness.verdicts import CONCLUDED, JUDGED, ReportState, Verdict

__all__ = ["Outcome", "conclude", "outcome_of"]


@dataclass
class Outcome:
    """Everything a report needs to know of a run.

    `known` maps the ids of known differences to them; `vanished` and `idle` are messages
    about known differences that no longer show and requirements without verdict. `unfinished`
    says how far a run came that was ended; then both are empty, for they are about whole runs.
    `reproducers` are by the findings' slugs; `irreproducible` says of which numeric findings there
    is none, and why. `exhibits` are what pictures are drawn from.
    """

    header: dict[str, Any]
    results: list[Judged] = field(default_factory=list)
    known: dict[str, KnownDifference] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    unfinished: str = ""
    reproducers: dict[str, Reproducer] = field(default_factory=dict)
    irreproducible: dict[str, str] = field(default_factory=dict)
    exhibits: Exhibits = field(default_factory=Exhibits)

    @property
    def pinned(self) -> bool:
        """Whether the pinned corpus was judged; one of somebody's own may leave much untested."""
        return not self.header.get("parameters", {}).get("corpus")

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
        return find(self.results)

    @property
    def matrix(self) -> dict[str, dict[str, Cell]]:
        return matrix(self.results)


def outcome_of(recorded: Recorded, known: Expectations) -> Outcome:
    """What a results file tells, of a run that may have been ended at any moment."""
    outcome = Outcome(recorded.header, known.join(recorded.results), known.by_id)
    conclude(outcome, known, complete=recorded.complete, configs=len(recorded.blocks))
    return outcome


def conclude(outcome: Outcome, known: Expectations, *, complete: bool, configs: int) -> None:
    """Say what only a whole run can say, or that it is none."""
    if complete:
        outcome.vanished = changed(known, outcome.results)
        outcome.idle = _idle(outcome.results, outcome.pinned)
    else:
        planned = outcome.header.get("planned", 0)
        judged = min(configs, planned)  # behind them stand those that differences shrank to
        outcome.unfinished = f"unfinished: {judged:,} of {planned:,} planned configs were judged"
        if planned and judged == planned:
            outcome.unfinished += ", but differences were not yet made small"


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
