"""`run`, and `report` and `annotate`, which present what a run found."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import click
from click.core import ParameterSource

from harness.baseline import BASELINE, read_baseline
from harness.cli.options import (
    backend_option,
    baseline_option,
    console_for,
    isolation_options,
    layer_option,
    main,
    out_option,
    reports_errors,
    session_of,
)
from harness.cli.progress import Shown
from harness.corpus import QUICK
from harness.environment import describe
from harness.executors import Recipe, executor_named, judged_by, processes
from harness.expectations import expectations_of
from harness.figures import load_figures, make_figures, store_figures
from harness.folder import LOGS, SCRIPTS, remove_logs
from harness.journal import Recorded, has_header, locked, read_run, set_aside
from harness.judge import Session
from harness.logs import listening
from harness.minimise.reproduce import BUDGET
from harness.observe import headline
from harness.outcome import Outcome, load_alone, outcome_of
from harness.pipeline import Task, judged
from harness.report.annotations import workflow_commands
from harness.report.console import print_summary
from harness.report.files import write_reports
from harness.reproducers import load_reproducers
from harness.results import Result, ResultsError
from harness.run import Judging, execute, results_path
from harness.runners import Limits

__all__ = ["Interruption", "execute_with_progress", "present", "run"]

COMMANDLINE = ParameterSource.COMMANDLINE

verbose_option = click.option(
    "--verbose", is_flag=True, help="Print every requirement, and known differences in full."
)


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
@layer_option
@click.option(
    "--quick",
    is_flag=True,
    help="Judge a few configs that show together what a whole run shows; draw none, and minimise "
    "unexpected findings only.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Finish the run in --out, with its backends, examples and seed; begin one where there "
    "is none.",
)
@baseline_option
@click.option(
    "--reproducers/--no-reproducers",
    default=True,
    show_default=True,
    help=f"Minimise every numeric finding to a script that shows it alone; {BUDGET:g} s at most.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that judge, each with workers of its own. Results are the same.",
)
@click.option(
    "--executor",
    metavar="dask://HOST:PORT",
    help="Judge on the workers of a dask.distributed scheduler, which must have the same versions.",
)
@verbose_option
@isolation_options
@reports_errors
def run(
    backends: tuple[str, ...],
    examples: int,
    seed: int,
    out: Path,
    corpus: Path | None,
    layers: tuple[str, ...],
    quick: bool,
    resume: bool,
    baseline: Path,
    reproducers: bool,
    jobs: int,
    executor: str | None,
    verbose: bool,
    limits: Limits | None,
) -> None:
    """Judge the pinned corpus and drawn configs, and write the reports."""
    chosen = backends
    if quick:
        _require_alone("quick", "corpus", "examples")
        corpus, examples = QUICK, 0
    if resume:
        begun = _as_begun(out, chosen, examples, seed, corpus, layers)
        chosen, examples, seed, corpus, layers = begun
    read_baseline(baseline)  # before anything is loaded that takes time
    path = results_path(out)
    with locked(out):
        if not (resume and has_header(path)):
            remove_logs(out)
            set_aside(path)  # whatever becomes of this run, its reader finds no other's reports
    interruption = Interruption()
    logs = out / LOGS
    with (
        interruption.awaited(),
        listening(logs / "harness.log"),
        session_of(chosen, limits, variants=True, logs=logs) as session,
    ):
        check = interruption.check
        outcome = execute_with_progress(
            session,
            out,
            examples,
            seed,
            corpus,
            layers=layers,
            baseline=baseline,
            resume=resume,
            check=check,
            reproducing=BUDGET if reproducers else 0.0,
            judging=_judging(jobs, executor, limits, logs),
        )
        if not outcome.unfinished:
            outcome.figures = make_figures(session, outcome.header, outcome.results)
            with contextlib.suppress(OSError):  # the results are there, and pictures are no reason
                store_figures(out, outcome.figures)
    present(outcome, out, verbose)


def _require_alone(option: str, *others: str) -> None:
    source = click.get_current_context().get_parameter_source
    for other in others:
        if source(other) == COMMANDLINE:
            raise click.UsageError(f"--{option} has its own {other}; leave --{other} away")


def _judging(jobs: int, executor: str | None, limits: Limits | None, logs: Path) -> Judging:
    """In this process; in several of this machine; or wherever an executor has them."""
    if executor is not None and jobs > 1:
        raise click.UsageError("--jobs and --executor exclude each other; leave one of them away")
    if executor is None and jobs == 1:
        return judged
    make = processes(jobs) if executor is None else executor_named(executor)
    kept = logs if executor is None else None

    def elsewhere(session: Session, tasks: Sequence[Task]) -> Iterator[tuple[Task, list[Result]]]:
        versions = describe(session.runners)["versions"]
        recipe = Recipe(tuple(session.runners), limits, versions, kept)
        return judged_by(make, recipe, tasks)

    return elsewhere


@main.command()
@out_option
@baseline_option
@verbose_option
@reports_errors
def report(out: Path, baseline: Path, verbose: bool) -> None:
    """Write the reports anew from results.jsonl, also from that of an unfinished run."""
    outcome = _outcome(out, baseline)
    outcome.figures = load_figures(out, outcome.header)
    outcome.alone = load_alone(out)
    outcome.reproducers = {} if outcome.unfinished else load_reproducers(out)
    present(outcome, out, verbose)


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


def present(outcome: Outcome, out: Path, verbose: bool, first: Sequence[str] = ()) -> NoReturn:
    """Write and print the reports, and end; `first` are files that were made before them."""
    paths = [*map(Path, first), *write_reports(outcome, out), results_path(out)]
    if outcome.reproducers:
        paths.append(out / SCRIPTS)
    paths += sorted((out / LOGS).glob("*.log"))
    try:
        print_summary(console_for(), outcome, [str(path) for path in paths], verbose=verbose)
    except Exception as error:
        sentence = f"{outcome.headline}. No more can be printed of it ({headline(error)}); see"
        click.echo(f"{sentence} {', '.join(map(str, paths))}")
    if outcome.unfinished:
        command = f"rnn-parity run --resume --out {shlex.quote(str(out))}"
        console_for(stderr=True).print(
            f"{outcome.unfinished}; resume with: {command}",
            markup=False,
            style="bold yellow",
            soft_wrap=True,
            highlight=False,
        )
    sys.exit(outcome.exit_code)


def _as_begun(
    out: Path,
    backends: tuple[str, ...],
    examples: int,
    seed: int,
    corpus: Path | None,
    layers: tuple[str, ...],
) -> tuple[tuple[str, ...], int, int, Path | None, tuple[str, ...]]:
    """What the command line leaves open is as in the run that stands in `out`."""
    path = results_path(out)
    if not has_header(path):
        return backends, examples, seed, corpus, layers
    header = read_run(path).header
    parameters = header["parameters"]
    source = click.get_current_context().get_parameter_source
    given = {n for n in _KEPT if source(n) == COMMANDLINE}
    begun = parameters["corpus"] and Path(parameters["corpus"])
    return (
        backends if "backends" in given else tuple(header["backends"]),
        examples if "examples" in given else parameters["examples"],
        seed if "seed" in given else parameters["seed"],
        corpus if "corpus" in given else begun,
        layers if "layers" in given else tuple(parameters.get("layers", ())),
    )


_KEPT = ("backends", "examples", "seed", "corpus", "layers")


class Interruption:
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
    def awaited(self) -> Iterator[Interruption]:
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self) for number in signals]
        try:
            yield self
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)


def execute_with_progress(
    session: Session,
    out: Path,
    examples: int,
    seed: int,
    corpus: Path | None = None,
    *,
    layers: Sequence[str] = (),
    baseline: Path = BASELINE,
    resume: bool = False,
    check: Callable[[], None] = lambda: None,
    reproducing: float = 0.0,
    judging: Judging = judged,
    origin: str = "corpus",
) -> Outcome:
    """Run, and print how far it is, and what it finds.

    `check` is called after every config, and may raise what ends the run.
    """
    with Shown(console_for(stderr=True), check).running() as shown:
        return execute(
            session,
            out,
            examples=examples,
            seed=seed,
            baseline=baseline,
            corpus=corpus,
            layers=layers,
            progress=shown.progress,
            found=shown.found,
            resume=resume,
            reproducing=reproducing,
            judging=judging,
            origin=origin,
        )
