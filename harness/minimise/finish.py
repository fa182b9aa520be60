"""The end of a run: its numeric findings are reproduced, and the scripts lie beside its results."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.expectations import Expectations
from harness.findings import Finding
from harness.judge import Session
from harness.minimise.reproduce import Attempt, Progress, reproduce
from harness.observe import headline
from harness.outcome import Outcome
from harness.reproducers import Reproducer, by_finding, each_once, store_reproducers

__all__ = ["finish"]


def finish(
    session: Session,
    outcome: Outcome,
    expected: Expectations,
    out: Path,
    budget: float,
    progress: Progress,
    known: bool = True,
) -> list[Attempt]:
    """Reproducers of all numeric findings, into the outcome and its directory.

    Ctrl-C leaves those that are made; the outcome says what goes wrong here, and what was measured
    stays.

    Args:
        budget: seconds; with 0 none are made, and those of a run before are removed.
        known: of known differences too.
    """
    attempts: list[Attempt] = []
    ended = ""
    wanted = [one for one in outcome.findings if one.numeric and (known or one.unexpected)]
    try:
        if budget > 0:
            for one in reproduce(session, expected, wanted, budget=budget, progress=progress):
                attempts.append(one)
    except KeyboardInterrupt:
        ended = "the run was ended before this one's turn"
    except Exception as error:  # the results are what counts
        ended = f"making reproducers failed: {headline(error)}"
    found = each_once(_made(attempts, wanted))
    with contextlib.suppress(OSError):  # the page has them, too
        store_reproducers(out, found)
    outcome.reproducers = by_finding(found)
    if budget > 0:
        reasons = {one.finding.slug: one.reason for one in attempts}
        outcome.irreproducible = {
            finding.slug: reasons.get(finding.slug) or ended
            for finding in wanted
            if finding.slug not in outcome.reproducers
        }
    return attempts


def _made(
    attempts: Sequence[Attempt], wanted: Sequence[Finding]
) -> Iterator[tuple[Reproducer, str]]:
    """What was made, and the difference that it shows: an activation alone before what follows."""
    places = {finding.slug: place for place, finding in enumerate(wanted)}
    order = lambda one: (one.finding.check != "activation", places[one.finding.slug])  # noqa: E731
    for one in sorted(attempts, key=order):
        if one.reproducer is not None:
            finding = one.finding
            yield one.reproducer, finding.slug if finding.unexpected else finding.known[0]
