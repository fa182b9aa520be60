"""What `rnn-parity run` does, from its options to the reports."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from harness.baseline import read_baseline
from harness.cli.options import console_for
from harness.cli.presenting import present
from harness.cli.progress import Shown
from harness.cli.sessions import session_of
from harness.corpus import load_corpus
from harness.environment import describe
from harness.executors import Recipe, executor_named, judged_by, processes
from harness.expression import selected
from harness.figures import make_figures, store_figures
from harness.folder import LOGS, left_only_with_files, remove_logs
from harness.journal import has_header, locked, read_run, set_aside
from harness.judge import Session
from harness.limits import BUDGET, Limits
from harness.logs import listening
from harness.outcome import Outcome
from harness.pipeline import Task, judged
from harness.results import Parameters, Result, ResultsError
from harness.run import Judging, execute, results_path
from harness.shipped import BASELINE, CORPUS, QUICK, SAMPLE

__all__ = ["Interruption", "Options", "execute_with_progress", "run_and_report"]


@dataclass(frozen=True)
class Options:
    """Those of the command; `given` names the ones that stand on the command line."""

    backends: tuple[str, ...]
    examples: int
    seed: int
    out: Path
    corpus: Path | None
    layers: tuple[str, ...]
    select: str
    quick: bool
    fail_fast: bool
    resume: bool
    baseline: Path
    reproducers: bool
    jobs: int
    executor: str | None
    verbose: bool
    limits: Limits | None
    given: frozenset[str]

    @property
    def asked(self) -> Parameters:
        """What is to be judged."""
        corpus = QUICK if self.quick else self.corpus
        named = None if corpus is None else str(corpus)
        return Parameters(self.examples, self.seed, named, self.layers, self.select)


def run_and_report(options: Options) -> NoReturn:
    """Judge, write the reports, and end with the exit code of what was found."""
    chosen, asked = _as_begun(options) if options.resume else (options.backends, options.asked)
    read_baseline(options.baseline)  # whatever can be refused is, before anything is loaded
    _require_configs(asked, chosen, options.given)
    out = options.out
    path, logs = results_path(out), out / LOGS
    judging = _judging(options, logs)
    with left_only_with_files(out), _ended_early(path):
        with locked(out):
            if not (options.resume and has_header(path)):
                remove_logs(out)
                set_aside(path)  # whatever becomes of this run, its reader finds no other's reports
        outcome = _judged(options, chosen, asked, judging)
    present(outcome, out, options.verbose, baseline=options.baseline)


def _require_configs(asked: Parameters, chosen: Sequence[str], given: Collection[str]) -> None:
    """Raises ConfigError where a corpus or a selection has none, whatever is drawn."""
    selecting = bool(asked.select or "select" in given)
    if not (asked.corpus or selecting):
        return
    files = [Path(asked.corpus)] if asked.corpus else [CORPUS, SAMPLE]
    every = [config for file in files for config in load_corpus(file)]
    if not selecting:
        return
    if asked.examples and asked.corpus:
        every += load_corpus()
    own = [one for one in every if not asked.layers or one.layer in asked.layers]
    words = {word for one in chosen for word in re.split(r"[\W_]+", one)}
    selected(asked.select, own, words, drawn=asked.examples > 0)


@contextlib.contextmanager
def _ended_early(path: Path) -> Iterator[None]:
    """An interruption that finds nothing judged yet, or all of it."""
    try:
        yield
    except KeyboardInterrupt:
        again = f"rnn-parity run --resume --out {shlex.quote(str(path.parent))}"
        what = (
            f"its results are in {path}; finish with: {again}"
            if has_header(path)
            else "before anything was judged; begin it again with the same command"
        )
        raise ResultsError(f"the run was interrupted, {what}") from None


def _judged(
    options: Options, chosen: tuple[str, ...], asked: Parameters, judging: Judging
) -> Outcome:
    """By backends in workers."""
    out, logs = options.out, options.out / LOGS
    interruption = Interruption()
    with (
        interruption.awaited(),
        listening(logs / "harness.log"),
        session_of(chosen, options.limits, variants=True, logs=logs) as session,
    ):
        outcome = execute_with_progress(
            session,
            out,
            asked,
            baseline=options.baseline,
            resume=options.resume,
            fail_fast=options.fail_fast,
            check=interruption.check,
            reproducing=BUDGET if options.reproducers else 0.0,
            judging=judging,
        )
        if not outcome.unfinished:
            outcome.figures = make_figures(session, outcome.header, outcome.results)
            with contextlib.suppress(OSError):  # the results are there, and pictures are no reason
                store_figures(out, outcome.figures)
    return outcome


def _judging(options: Options, logs: Path) -> Judging:
    """In this process; in several of this machine; or wherever an executor has them."""
    executor, jobs, limits = options.executor, options.jobs, options.limits
    if executor is None and jobs == 1:
        return judged
    make = processes(jobs) if executor is None else executor_named(executor)
    kept = logs if executor is None else None

    def elsewhere(session: Session, tasks: Sequence[Task]) -> Iterator[tuple[Task, list[Result]]]:
        versions = describe(session.runners)["versions"]
        recipe = Recipe(tuple(session.runners), limits, versions, kept)
        return judged_by(make, recipe, tasks)

    return elsewhere


def _as_begun(options: Options) -> tuple[tuple[str, ...], Parameters]:
    """What the command line leaves open is as in the run that stands in its directory."""
    path = results_path(options.out)
    if not has_header(path):
        return options.backends, options.asked
    header = read_run(path).header
    chosen = options.backends if "backends" in options.given else tuple(header["backends"])
    begun, asked = msgspec.convert(header["parameters"], Parameters), options.asked
    given = {name: getattr(asked, name) for name in options.given & {*Parameters.__struct_fields__}}
    if options.quick:
        given |= {"corpus": asked.corpus, "examples": 0}
    return chosen, msgspec.structs.replace(begun, **given)


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
    asked: Parameters,
    *,
    baseline: Path = BASELINE,
    resume: bool = False,
    fail_fast: bool = False,
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
            asked,
            baseline=baseline,
            progress=shown.progress,
            found=shown.found,
            resume=resume,
            fail_fast=fail_fast,
            reproducing=reproducing,
            judging=judging,
            origin=origin,
        )
