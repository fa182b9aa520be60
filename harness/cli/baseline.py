"""`baseline`: the file of known differences, brought up to date by results."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import console_for, main, reports_errors, two_names
from harness.shipped import BASELINE
from harness.text import did_you_mean

__all__ = ["baseline_group", "update"]


@main.group(name="baseline")
def baseline_group() -> None:
    """The file of known differences."""


@baseline_group.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("reports/latest"),
    show_default=True,
    help="results.jsonl of a whole run, or its directory.",
)
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    default=BASELINE,
    show_default="the one that is installed",
    help="File of known differences; one that does not exist is begun, beside the installed one.",
)
@click.option(
    "--extends",
    multiple=True,
    metavar="NAME=OTHER",
    help="What is known of OTHER, such as torch, is expected of your backend NAME too.",
)
@reports_errors
def update(results: Path, baseline: Path, extends: tuple[str, ...]) -> None:
    """Rewrite the baseline as a run says it should be, for you to review; comments stay.

    A backend of your own gets a baseline of its own, with the differences that a run found:

    \b
    rnn-parity run --backend mine.py:Mine
    rnn-parity baseline update --baseline mine.toml [--extends mine=torch]
    """
    from harness.baseline_update import NEW, extended, updated
    from harness.cli.recorded import whole_run
    from harness.expectations import expectations_of
    from harness.outcome import outcome_of
    from harness.report.console import print_update

    named = dict(two_names("--extends", one) for one in extends)
    recorded = whole_run(results)
    there = {one["name"] for one in recorded.header["backends"].values()}
    if strangers := sorted({*named} - there):
        near = did_you_mean(strangers[0], there)
        raise click.UsageError(
            f"--extends {strangers[0]!r}: {results} has {', '.join(sorted(there))} only{near}"
        )
    text = baseline.read_text("utf-8") if baseline.exists() else NEW
    begun = extended(text, named) if named else text
    new = not baseline.exists()
    if begun != text or new:
        baseline.parent.mkdir(parents=True, exist_ok=True)
        baseline.write_text(begun, "utf-8")
    found = updated(
        begun, expectations_of(recorded.header, baseline), recorded.results, recorded.header
    )
    if found.text != begun:
        baseline.write_text(found.text, "utf-8")
    if begun != text:
        found.changes.insert(0, f"extends: {', '.join(extends)}")
    found.begun = new
    if not found.open:
        outcome = outcome_of(recorded, expectations_of(recorded.header, baseline))
        found.open += outcome.alarms
    print_update(console_for(), found, baseline)
