"""`replay` and `reproduce`: one config."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from harness.baseline import read_baseline
from harness.cli.options import (
    backend_option,
    baseline_option,
    console_for,
    isolation_options,
    main,
    reports_errors,
    session_of,
)
from harness.config import Config
from harness.environment import describe
from harness.expectations import expectations_of
from harness.findings import find
from harness.given import open_given
from harness.logs import listening
from harness.minimise.reproduce import reproduce as reproduce_findings
from harness.report.console import print_replay
from harness.runners import Limits

__all__ = ["replay", "reproduce"]


@main.command()
@click.argument("config_id")
@backend_option
@baseline_option
@click.option(
    "--arrays",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder `arrays` that `judge` wrote, of a config with given arrays.",
)
@isolation_options
@reports_errors
def replay(
    config_id: str,
    backends: tuple[str, ...],
    baseline: Path,
    arrays: Path | None,
    limits: Limits | None,
) -> None:
    """Print the tolerance report of one config."""
    config = Config.parse(config_id)
    if arrays is not None:
        open_given(arrays)
    read_baseline(baseline)  # before anything is loaded that takes time
    with (
        _shown_after() as logs,
        listening(sys.stderr),
        session_of(backends, limits, logs=logs) as session,
    ):
        expected = expectations_of(describe(session.runners), baseline)
        results = expected.join(session.judge(config))
    print_replay(console_for(), config, results)
    sys.exit(1 if any(result.unexpected for result in results) else 0)


@contextlib.contextmanager
def _shown_after() -> Iterator[Path]:
    """A folder for logs, whose content is shown when all is done or failed."""
    with tempfile.TemporaryDirectory(prefix="rnn-parity-") as folder:
        try:
            yield Path(folder)
        finally:
            for log in sorted(Path(folder).glob("*.log")):
                click.echo(f"{log.stem} printed:", err=True)
                click.echo(log.read_text("utf-8", "backslashreplace"), err=True, nl=False)


@main.command()
@click.argument("config_id")
@backend_option
@isolation_options
@reports_errors
def reproduce(config_id: str, backends: tuple[str, ...], limits: Limits | None) -> None:
    """Print the smallest script for each numeric difference that one config shows."""
    config = Config.parse(config_id)
    console, missing, any_made = console_for(), 0, False
    with session_of(backends, limits) as session:
        expected = expectations_of(describe(session.runners))
        findings = find(expected.join(session.judge(config)))
        for attempt in reproduce_findings(session, expected, findings):
            made = attempt.reproducer
            missing += made is None
            text = f"# none: {attempt.reason}\n" if made is None else made.script
            console.print(f"# {attempt.finding.slug}\n{text}", markup=False, soft_wrap=True)
            any_made = True
    if not any_made:
        console_for(stderr=True).print(
            "nothing differs in numbers here, and scripts are made of numbers only; all that this "
            f"config shows: rnn-parity replay {config.id}",
            markup=False,
            soft_wrap=True,
        )
    sys.exit(1 if missing else 0)
