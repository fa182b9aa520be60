"""The command line: `rnn-parity run`, `replay` and `mapping`.

Exit 0: nothing unexpected. Exit 1: an unexpected verdict. Exit 2: the run could not be done.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness import __version__
from harness.backends import BackendUnavailable, load_backend
from harness.config import Config, ConfigError
from harness.judge import Session
from harness.known import BaselineError, load_known
from harness.report.console import print_replay, print_summary
from harness.report.files import write_reports
from harness.report.mapping import MAPPING_PAGE, render_mapping, run_example
from harness.report.wording import plural
from harness.results import ResultsError, read_results
from harness.run import Outcome, execute, results_path
from harness.workers import Workers

__all__ = ["main"]

DEFAULT_BACKENDS = ("torch", "mindspore")
MODES = ("mindspore-graph",)
USAGE_ERRORS = (BackendUnavailable, BaselineError, ConfigError, ResultsError, OSError)


def _reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Exit 2 with a message for what a user can mend, and with a traceback for our own faults."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except USAGE_ERRORS as error:
            Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
            sys.exit(2)
        except Exception:
            traceback.print_exc()
            message = "error: the harness itself failed (traceback above); this is a fault of it"
            Console(stderr=True).print(message, style="red")
            sys.exit(2)

    return wrapped


_backend_option = click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME",
    help="torch, mindspore, mindspore-graph, path/to/file.py:OBJECT or package.module:OBJECT; "
    "repeat for several. Default: torch and mindspore; for run mindspore-graph too.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rnn-parity")
def main() -> None:
    """Do two frameworks compute the same recurrent layer? Measured, with derived bounds."""


@main.command()
@_backend_option
@click.option(
    "--examples", type=click.IntRange(0), default=300, show_default=True, help="Configs to draw."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the drawn configs.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/latest"),
    show_default=True,
    help="Directory for results.jsonl, report.html, junit.xml and summary.md.",
)
@_reports_errors
def run(backends: tuple[str, ...], examples: int, seed: int, out: Path) -> None:
    """Judge the pinned corpus and drawn configs, and write the reports."""
    with _session(backends or (*DEFAULT_BACKENDS, *MODES)) as session:
        outcome = _execute(session, out, examples, seed)
    paths = [*write_reports(outcome, out), results_path(out)]
    print_summary(Console(), outcome, [str(path) for path in paths])
    sys.exit(outcome.exit_code)


@main.command()
@click.argument("config_id")
@_backend_option
@_reports_errors
def replay(config_id: str, backends: tuple[str, ...]) -> None:
    """Print the tolerance report of one config."""
    config = Config.parse(config_id)
    with _session(backends) as session:
        results = session.judge(config)
    print_replay(Console(), config, results)
    sys.exit(1 if any(result.unexpected for result in results) else 0)


@main.command()
@click.option(
    "--results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="results.jsonl of a run with torch, mindspore and mindspore-graph. Default: a new run of "
    "the pinned corpus.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=MAPPING_PAGE,
    show_default=True,
    help="The page to write.",
)
@_reports_errors
def mapping(results: Path | None, out: Path) -> None:
    """Write the mapping page again, with what was measured."""
    known = load_known()
    if results is None:
        with (
            tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory,
            _session((*DEFAULT_BACKENDS, *MODES)) as session,
        ):
            outcome = _execute(session, Path(directory), 0, 0)
            header, lines = outcome.header, outcome.results
    else:
        header, read = read_results(results)
        lines = list(read)
    text = render_mapping(header, lines, known, run_example())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, "utf-8")
    Console().print(f"wrote {out}", highlight=False, soft_wrap=True)
    unexpected = [line for line in lines if line.unexpected]
    if unexpected:
        Console(stderr=True).print(
            f"{plural(len(unexpected), 'unexpected result')} among them; see: rnn-parity run",
            style="red",
        )
    sys.exit(1 if unexpected else 0)


@contextlib.contextmanager
def _session(names: tuple[str, ...]) -> Iterator[Session]:
    chosen = dict.fromkeys(names or DEFAULT_BACKENDS)
    with Workers() as workers:
        yield Session({name: load_backend(name) for name in chosen}, load_known(), workers)


def _execute(session: Session, out: Path, examples: int, seed: int) -> Outcome:
    """Run with a progress bar on a terminal, and a line a stage elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[unexpected]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int, unexpected: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, unexpected="")
                if not console.is_terminal and total:
                    unit = "finding" if stage == "shrinking" else "config"
                    console.print(f"{stage}: {plural(total, unit)} ...", highlight=False)
            said = f"[red]{unexpected} unexpected" if unexpected else ""
            bar.update(tasks[stage], completed=done, unexpected=said)

        return execute(session, out, examples=examples, seed=seed, progress=progress)


if __name__ == "__main__":
    main()
