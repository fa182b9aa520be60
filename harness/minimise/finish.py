"""The end of a run: its numeric findings are reproduced, and the scripts lie beside its results."""

from __future__ import annotations

from pathlib import Path

from harness.expectations import Expectations
from harness.judge import Session
from harness.minimise.workshop import Made, Progress, reproduce
from harness.outcome import Outcome
from harness.reproducers import Reproducer, store_reproducers
from harness.text import printable

__all__ = ["finish"]


def finish(
    session: Session,
    outcome: Outcome,
    expected: Expectations,
    out: Path,
    budget: float,
    progress: Progress,
) -> list[Made]:
    """Reproducers of all numeric findings, into the outcome and its directory.

    Ctrl-C leaves those that are made; whatever goes wrong here is told in the outcome, and what
    was measured stays.

    Args:
        budget: seconds; with 0 none are made, and those of a run before are removed.
    """
    made: list[Made] = []
    why = ""
    try:
        if budget > 0:
            for one in reproduce(
                session, expected, outcome.findings, budget=budget, progress=progress
            ):
                made.append(one)
    except KeyboardInterrupt:
        why = "it was ended before this one's turn"
    except Exception as error:  # the results are what counts
        why = f"making reproducers failed: {type(error).__name__}: {printable(str(error), 200)}"
    found: list[Reproducer] = [one.reproducer for one in made if one.reproducer is not None]
    store_reproducers(out, found)
    outcome.reproducers = {one.finding: one for one in found}
    if budget > 0:
        reasons = {one.finding.slug: one.why_not for one in made}
        outcome.irreproducible = {
            finding.slug: reasons.get(finding.slug) or why
            for finding in outcome.findings
            if finding.numeric and finding.slug not in outcome.reproducers
        }
    return made
