"""The end of a run, and of `report`: files, what is printed, and the exit code."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from harness.cli.options import console_for
from harness.folder import LOGS, SCRIPTS
from harness.observe import headline
from harness.outcome import Outcome
from harness.report.console import print_summary
from harness.report.files import write_reports
from harness.run import results_path
from harness.shipped import BASELINE

__all__ = ["present"]


def present(
    outcome: Outcome,
    out: Path,
    verbose: bool,
    first: Sequence[str] = (),
    again: str = "",
    baseline: Path = BASELINE,
    answered: int | None = None,
) -> NoReturn:
    """Write and print the reports, and end; `first` are files that were made before them, `again`
    the command that does what is unfinished, in place of resuming a run. `answered` is the exit
    code of a verdict that was printed before, if one was.
    """
    paths = [*map(Path, first), *write_reports(outcome, out), results_path(out)]
    if outcome.reproducers:
        paths.append(out / SCRIPTS)
    paths += sorted((out / LOGS).glob("*.log"))
    try:
        print_summary(
            console_for(),
            outcome,
            [str(path) for path in paths],
            verbose=verbose,
            baseline=baseline,
            answered=answered is not None,
        )
    except Exception as error:
        sentence = f"{outcome.headline}. No more can be printed of it ({headline(error)}); see"
        click.echo(f"{sentence} {', '.join(map(str, paths))}")
    if outcome.unfinished:
        resumed = f"resume with: rnn-parity run --resume --out {shlex.quote(str(out))}"
        wanted = f"judge again with: {again}" if again else resumed
        console_for(stderr=True).print(
            f"{outcome.unfinished}; {wanted}",
            markup=False,
            style="bold yellow",
            soft_wrap=True,
            highlight=False,
        )
    sys.exit(outcome.exit_code or answered or 0)
