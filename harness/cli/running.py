"""`run`, and `report` and `annotate`, which tell what a run found."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.backends import parse_reference
from harness.backends.reference import Kind
from harness.cli.options import (
    backend_option,
    baseline_option,
    console_for,
    isolation_options,
    main,
    out_option,
    reports_errors,
    session_of,
)
from harness.exhibits import load_exhibits, make_exhibits, store_exhibits
from harness.expectations import BASELINE, expectations_of, read_baseline
from harness.journal import Recorded, read_run
from harness.judge import Session
from harness.minimise import BUDGET
from harness.outcome import Outcome, outcome_of
from harness.report.annotations import workflow_commands
from harness.report.console import print_summary
from harness.report.files import write_reports
from harness.report.wording import plural
from harness.reproducers import FOLDER, load_reproducers
from harness.results import ResultsError
from harness.run import execute, results_path
from harness.runners import Limits
from harness.text import printable, shown

__all__ = ["execute_told", "run"]


@main.command()
@backend_option
@click.option(
    "--examples", type=click.IntRange(0), default=300, show_default=True, help="Configs to draw."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the drawn configs.")
@out_option
@click.option(
    "--corpus",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge the config ids in this file, one a line, in place of the pinned corpus.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run that stands in --out, with its backends, examples and seed; "
    "begin one where there is none.",
)
@baseline_option
@click.option(
    "--reproducers/--no-reproducers",
    default=True,
    show_default=True,
    help=f"Minimise every numeric finding to a script that shows it alone; {BUDGET:g} s at most.",
)
@isolation_options
@reports_errors
def run(
    backends: tuple[str, ...],
    examples: int,
    seed: int,
    out: Path,
    corpus: Path | None,
    resume: bool,
    baseline: Path,
    reproducers: bool,
    limits: Limits | None,
) -> None:
    """Judge the pinned corpus and drawn configs, and write the reports."""
    chosen = backends
    if resume:
        chosen, examples, seed, corpus = _as_begun(out, chosen, examples, seed, corpus)
    read_baseline(baseline)  # before anything is loaded that takes time
    interruption = _Interruption()
    with interruption.awaited(), session_of(chosen, limits, variants=True) as session:
        check = interruption.check
        outcome = execute_told(
            session,
            out,
            examples,
            seed,
            corpus,
            baseline=baseline,
            resume=resume,
            check=check,
            reproducing=BUDGET if reproducers else 0.0,
        )
        if not outcome.unfinished:
            outcome.exhibits = make_exhibits(session, outcome.header, outcome.results)
            with contextlib.suppress(OSError):  # the results are there, and pictures are no reason
                store_exhibits(out, outcome.exhibits)
    _tell(outcome, out)


@main.command()
@out_option
@baseline_option
@reports_errors
def report(out: Path, baseline: Path) -> None:
    """Write the reports again from results.jsonl, also from that of an unfinished run."""
    outcome = _outcome(out, baseline)
    outcome.exhibits = load_exhibits(out, outcome.header)
    outcome.reproducers = {} if outcome.unfinished else load_reproducers(out)
    _tell(outcome, out)


@main.command()
@out_option
@baseline_option
@reports_errors
def annotate(out: Path, baseline: Path) -> None:
    """Print what a run found as workflow commands of GitHub Actions.

    Exit 0, whatever was found; 2 where there are no results to read.
    """
    outcome = _outcome(out, baseline)
    for line in workflow_commands(outcome):
        click.echo(line)


def _outcome(out: Path, baseline: Path) -> Outcome:
    """What is recorded, beside what this baseline expects of it."""
    recorded = _recorded(out)
    return outcome_of(recorded, expectations_of(recorded.header, baseline))


def _recorded(out: Path) -> Recorded:
    path = results_path(out)
    if not path.exists():
        raise ResultsError(f"{path} does not exist; make it with: rnn-parity run --out {out}")
    return read_run(path)


def _resuming(header: Mapping[str, Any], out: Path) -> str:
    """The command that goes on; code of the user's own must be named again."""
    names = list(header.get("backends", ()))
    own = any(_is_code(name) for name in names)
    again = "".join(f" --backend {shlex.quote(name)}" for name in names) if own else ""
    return f"rnn-parity run --resume{again} --out {shlex.quote(str(out))}"


def _tell(outcome: Outcome, out: Path) -> NoReturn:
    paths = [*write_reports(outcome, out), results_path(out)]
    if outcome.reproducers:
        paths.append(out / FOLDER)
    print_summary(console_for(), outcome, [str(path) for path in paths])
    if outcome.unfinished:
        console_for(stderr=True).print(
            printable(
                f"{outcome.unfinished}; go on with: {_resuming(outcome.header, out)}",
                5000,
            ),
            markup=False,
            style="bold yellow",
            soft_wrap=True,
            highlight=False,
        )
    sys.exit(outcome.exit_code)


def _as_begun(
    out: Path, backends: tuple[str, ...], examples: int, seed: int, corpus: Path | None
) -> tuple[tuple[str, ...], int, int, Path | None]:
    """What the run in `out` was begun with; what the command line says must not differ."""
    path = results_path(out)
    if not path.is_file() or b"\n" not in path.read_bytes():
        return backends, examples, seed, corpus
    header = read_run(path).header
    parameters = {"examples": 0, "seed": 0, "corpus": None} | header["parameters"]
    begun = {"backends": tuple(header["backends"]), **parameters}
    begun["corpus"] = Path(begun["corpus"]) if begun["corpus"] else None
    asked = {"backends": backends, "examples": examples, "seed": seed, "corpus": corpus}
    source = click.get_current_context().get_parameter_source
    for name, value in asked.items():
        if source(name) == ParameterSource.COMMANDLINE and value != begun[name]:
            raise ResultsError(
                f"{path} was begun with {name} = {shown(begun[name])}, not {shown(value)}; "
                "--resume goes on with that, so leave the option away, or begin anew without "
                "--resume"
            )
    code = [name for name in begun["backends"] if _is_code(name)]
    if code and source("backends") != ParameterSource.COMMANDLINE:
        raise ResultsError(
            f"{path} names code to run ({shown(code)}), and a results file alone is no reason to; "
            f"say so: {_resuming(header, out)}"
        )
    return begun["backends"], begun["examples"], begun["seed"], begun["corpus"]


def _is_code(reference: str) -> bool:
    """Whether a reference names a file or module to run, rather than an installed backend."""
    return parse_reference(reference).kind is not Kind.INSTALLED


class _Interruption:
    """SIGTERM ends a run as Ctrl-C does: with a report of what is there.

    The exception is raised wherever the program happens to be, and a library may swallow it
    there; so the run asks `check` now and then.
    """

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: object) -> NoReturn:
        self.asked = True
        raise KeyboardInterrupt

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def awaited(self) -> Iterator[_Interruption]:
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self) for number in signals]
        try:
            yield self
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)


def execute_told(
    session: Session,
    out: Path,
    examples: int,
    seed: int,
    corpus: Path | None = None,
    *,
    baseline: Path = BASELINE,
    resume: bool = False,
    check: Callable[[], None] = lambda: None,
    reproducing: float = 0.0,
) -> Outcome:
    """Run with a progress bar on a terminal, and a line a stage elsewhere.

    `check` is called behind every config, and may raise what ends the run.
    """
    console = console_for(stderr=True)
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
            check()
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, unexpected="")
                if not console.is_terminal and total:
                    unit = "config" if stage not in ("shrinking", "reproducing") else "finding"
                    console.print(f"{stage}: {plural(total, unit)} ...", highlight=False)
            said = f"[red]{unexpected} unexpected" if unexpected else ""
            bar.update(tasks[stage], completed=done, unexpected=said)

        return execute(
            session,
            out,
            examples=examples,
            seed=seed,
            baseline=baseline,
            corpus=corpus,
            progress=progress,
            resume=resume,
            reproducing=reproducing,
        )
