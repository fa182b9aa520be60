"""What `rnn-parity replay` and `reproduce` do with a config."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import click

from harness.backends import default_backends, parse_reference
from harness.backends.reference import unversioned
from harness.baseline import read_baseline
from harness.cli.options import console_for
from harness.cli.sessions import session_of
from harness.config import Config, ConfigError
from harness.environment import describe
from harness.expectations import Expectations, Judged, expectations_of
from harness.findings import find
from harness.given import given_arrays, open_given
from harness.judge import Session
from harness.limits import Limits
from harness.logs import listening
from harness.minimise.reproduce import reproduce
from harness.own_layer.applying import is_of_training
from harness.report.replay import ReplayPrinter

__all__ = ["print_scripts", "replay_and_print"]


def replay_and_print(
    config: Config,
    backends: Sequence[str],
    baseline: Path,
    arrays: Path | None,
    verbose: bool,
    limits: Limits | None,
) -> NoReturn:
    """Print each backend's comparisons as soon as they are made, and exit as they say."""
    if arrays is not None:
        open_given(arrays)
    if config.arrays:
        given_arrays(config)
    read_baseline(baseline)  # before anything is loaded that takes time
    chosen = [str(parse_reference(text)) for text in backends or default_backends()]
    printer = ReplayPrinter(console_for(), config, verbose=verbose)
    printer.begin(chosen)
    results: list[Judged] = []
    with (
        _shown_after() as logs,
        listening(sys.stderr),
        session_of(tuple(backends), limits, logs=logs) as session,
    ):
        expected = expectations_of(describe(session.runners), baseline)
        for of_backend in session.judging(config):
            joined = expected.join(of_backend)
            printer.print(joined, expected.by_id)
            results += joined
        asked = _asks_training(config)
        printer.end(results, None if asked else list(_of_training(expected, config, session)))
    sys.exit(1 if any(result.unexpected for result in results) else 0)


def _asks_training(config: Config) -> bool:
    """Whether nothing of it is left out: dropout drops where it is asked, or never would."""
    could = config.dropout > 0 and config.num_layers > 1
    return not could or config.drops or config.aspect == "training"


def _of_training(expected: Expectations, config: Config, session: Session) -> Iterator[str]:
    """Known differences that would concern training of a layer with dropout."""
    backends = {unversioned(name) for name in session.runners}
    for entry in filter(is_of_training, expected.entries):
        try:
            asked = config.replace(aspect="training", data="plain")
        except ConfigError:
            return
        if entry.holds(asked) and backends.intersection(entry.backends):
            yield entry.id


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


def print_scripts(config: Config, backends: Sequence[str], limits: Limits | None) -> NoReturn:
    """Print a script for each numeric difference, and exit 1 if there is one without."""
    if config.arrays:
        given_arrays(config)
    console, missing, any_made = console_for(), 0, False
    with session_of(tuple(backends), limits) as session:
        expected = expectations_of(describe(session.runners))
        findings = find(expected.join(session.judge(config)))
        for attempt in reproduce(session, expected, findings):
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
