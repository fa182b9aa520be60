"""What `rnn-parity judge` does with a file of weights."""

from __future__ import annotations

import contextlib
import functools
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from harness.aspects import VALUES
from harness.backends.reference import variant_in
from harness.baseline import read_baseline
from harness.case import make_case, row_blocks
from harness.cli.options import console_for
from harness.cli.presenting import present
from harness.cli.running import Interruption, execute_with_progress
from harness.cli.sessions import session_of
from harness.config import MOST_NUMBERS, Config, ConfigError
from harness.expectations import expectations_of
from harness.figures import make_figures, store_figures
from harness.folder import LOGS, remove_logs
from harness.given import given_arrays
from harness.journal import locked, set_aside
from harness.judge import Session
from harness.layers import LAYERS
from harness.limits import Limits
from harness.logs import listening
from harness.minimise.forms import form_of
from harness.oracle import Oracle
from harness.outcome import Outcome
from harness.own_layer.answer import Answer, answer, write_answer
from harness.own_layer.applying import applying
from harness.own_layer.asked import ASKED, Asked, begin, saved
from harness.own_layer.inference import found_layer
from harness.own_layer.inputs import Options, assumed, called, read_inputs
from harness.own_layer.port import remove_ports, write_port
from harness.own_layer.stored import framework_of, read_file
from harness.report.wording import plural
from harness.results import Parameters
from harness.run import OWN, results_path

__all__ = ["judge_layer", "judged_in_part"]

ROOM, PATIENCE = 64, 7200.0
"""Bytes of memory for each number of a large layer, and seconds, that a backend may take."""

REPRODUCING = 20.0
"""Seconds for scripts of what is new."""


def _own() -> list[str]:
    """Options that only some layers have, and that no shape tells."""
    every = {o.name for record in LAYERS.values() for o in record.options if not o.numbered}
    return sorted(every)


def judge_layer(
    weights: Path,
    backends: tuple[str, ...],
    out: Path,
    baseline: Path,
    verbose: bool,
    rows: int | None,
    limits: Limits | None,
    on_command_line: Collection[str],
    **given: Any,
) -> NoReturn:
    """Judge, write and print the answer and the reports, and exit as they say.

    Args:
        on_command_line: names of the options that stand there.
        given: the options that say what the layer is and what it is given.
    """
    read_baseline(baseline)  # before anything is loaded that takes time
    if weights.is_dir():  # whatever is wrong with files is found before a folder is made
        begun = _saved(weights, out, on_command_line)
    else:
        begun = _asked(weights, given, on_command_line)
    with locked(out):
        asked = begun(out)
        remove_logs(out)
        remove_ports(out)
        set_aside(results_path(out))
    limits = limits and _roomy(limits, asked.called, on_command_line)
    console = console_for()
    console.print(asked.title, markup=False, highlight=False, soft_wrap=True)
    began = time.monotonic()
    repeated = f"rnn-parity judge {shlex.quote(str(out))} --out {shlex.quote(str(out))}"
    try:
        outcome, oracle = _judged(asked, out, backends, baseline, rows, limits)
    except KeyboardInterrupt:  # once judging has begun, it is an unfinished outcome
        click.echo(f"interrupted; judge again with: {repeated}", err=True)
        sys.exit(2)
    files = [] if outcome.unfinished else _ports(out, asked, outcome, oracle)
    said = _answered(asked, outcome, baseline)
    for line in judged_in_part(asked.configs, rows):
        console.print(line, highlight=False)
    console.print("\nSo far, of an unfinished judgement:" if outcome.unfinished else "")
    for line in (*said.lines, said.counts):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"judged in {time.monotonic() - began:.0f} s", highlight=False)
    page = write_answer(out, asked, said, files)
    first, code = [str(page), *files], int(not said.drop_in)
    present(outcome, out, verbose, first, repeated, baseline=baseline, answered=code)


def _judged(
    asked: Asked,
    out: Path,
    backends: tuple[str, ...],
    baseline: Path,
    rows: int | None,
    limits: Limits | None,
) -> tuple[Outcome, Oracle]:
    """Everything that is asked, with the oracle of the user's own call."""
    interruption, logs = Interruption(), out / LOGS
    with (
        interruption.awaited(),
        listening(logs / "harness.log"),
        session_of(backends, limits, logs=logs) as session,
    ):
        session.most_rows = rows
        session.on_part = _printed(console_for(stderr=True))
        oracle = _remembering(session, asked)
        outcome = execute_with_progress(
            session,
            out,
            Parameters(corpus=str(out / ASKED)),
            baseline=baseline,
            check=interruption.check,
            reproducing=REPRODUCING if asked.called.numbers <= MOST_NUMBERS else 0.0,
            origin=OWN,
        )
        if not outcome.unfinished and asked.called.numbers <= MOST_NUMBERS:
            outcome.figures = make_figures(session, outcome.header, outcome.results)
            with contextlib.suppress(OSError):  # the results are there, and pictures are no reason
                store_figures(out, outcome.figures)
    return outcome, oracle


def judged_in_part(configs: Iterable[Config], rows: int | None) -> Iterator[str]:
    """What was asked of a part of a large batch only."""
    for config in configs:
        first, *others = row_blocks(config)
        if others and config.aspect == "gradient":
            yield f"gradients: of a loss of the first {len(first)} of {config.batch} rows alone"
        elif others and config.aspect == VALUES and rows:
            yield f"values: {rows} at least of the {config.batch} rows are judged"


def _roomy(limits: Limits, config: Config, on_command_line: Collection[str]) -> Limits:
    """Limits that a large layer needs, where none were named."""
    if config.numbers <= MOST_NUMBERS:
        return limits
    room = max(limits.mebibytes, ROOM * config.numbers // 2**20)
    return Limits(
        limits.seconds if "time_limit" in on_command_line else PATIENCE,
        limits.mebibytes if "memory_limit" in on_command_line else room,
    )


def _printed(console: Console) -> Callable[[str, int, int], None]:
    """A line for each part of a large config, with the time of day."""

    def on_part(what: str, done: int, total: int) -> None:
        now = time.strftime("%H:%M:%S")
        console.print(f"{now} {what}: {done} of {total}", markup=False, highlight=False)

    return on_part


def _saved(folder: Path, out: Path, on_command_line: Collection[str]) -> Callable[[Path], Asked]:
    """What was judged before, to be kept in a folder unless it is the same."""
    kept = ("weights", "backends", "out", "baseline", "verbose", "rows", "limits")
    for name in on_command_line:
        if name not in (*kept, *_LIMITS):
            raise ConfigError(f"--{name.replace('_', '-')}: {folder} has its own; leave it away")
    asked = saved(folder)
    if folder.resolve() == out.resolve():
        return lambda _: asked
    arrays = given_arrays(asked.called)
    return functools.partial(
        begin,
        config=asked.called,
        weights=arrays.weights,
        inputs=arrays.inputs,
        home=asked.home,
        title=asked.title,
        assumed=asked.assumed,
    )


_LIMITS = ("in_process", "time_limit", "memory_limit")


def _asked(
    weights: Path, given: Mapping[str, Any], on_command_line: Collection[str]
) -> Callable[[Path], Asked]:
    """Read and check everything that the user gave, to be kept in a folder."""
    stored = read_file(weights)
    layer = found_layer(stored, given["prefix"])
    own = tuple((name, given[name]) for name in _own() if given.get(name) is not None)
    common = ("batch_first", "dropout", "steps", "batch", "seed")
    options = Options(own=own, **{name: given[name] for name in common})
    paths = {name: given[name] for name in ("x", "h_0", "c_0", "lengths")}
    inputs = read_inputs({name: path for name, path in paths.items() if path is not None})
    config, ordered = called(layer.config, inputs, options)
    taken = assumed(config, options, (name for name in given if name in on_command_line))
    said = f"; assumed: {', '.join(taken)}" if taken else ""
    title = f"{weights.name}, {layer.prefix or 'the only layer'}: {layer.description}"
    return functools.partial(
        begin,
        config=config,
        weights=layer.weights,
        inputs=ordered,
        home=framework_of(weights) or "torch",
        title=f"{title}{_drawn(config, ordered)}{said}",
        assumed=taken,
    )


def _drawn(config: Config, given: Collection[str]) -> str:
    """What of the call was not given; every call of a cell takes states."""
    single, states = config.record.single_step, [f"{name}_0" for name in config.cell.states]
    parts = []
    if "x" not in given:
        steps = "" if single else f", {plural(config.steps, 'step')}"
        parts.append(f"; x drawn{steps}, {plural(config.batch, 'row')}")
    if single and states[0] not in given:
        parts.append(f"; {' and '.join(states)} drawn")
    return "".join(parts)


def _remembering(session: Session, asked: Asked) -> Oracle:
    """The oracle of the user's own call, made once and used by the run and the scripts."""
    own = asked.configs[0]
    oracle = Oracle(make_case(own))
    session.oracles = lambda config: oracle if config == own else Oracle(make_case(config))
    return oracle


def _ports(out: Path, asked: Asked, outcome: Outcome, oracle: Oracle) -> list[str]:
    """A script for every framework that has a form for scripts and computed the layer."""
    made = []
    for backend in dict.fromkeys(result.backend for result in outcome.results):
        form = form_of(backend)
        own = [r for r in outcome.results if r.backend == backend]
        answered = any(
            r.config_id == asked.configs[0].id and r.check == "forward_error" for r in own
        )
        if form is not None and not variant_in(backend) and answered:
            made.append(str(write_port(out, backend, form, oracle, own)))
    return made


def _answered(asked: Asked, outcome: Outcome, baseline: Path) -> Answer:
    known = expectations_of(outcome.header, baseline)
    backends = list(dict.fromkeys(result.backend for result in outcome.results))
    showed = {result.known for result in outcome.results if result.known}
    own = [result for result in outcome.results if Config.parse(result.config_id).arrays]
    concerning = applying(known, asked.called, backends, showed, asked.assumed_options)
    inputs = given_arrays(asked.called).inputs
    return answer(asked, own, concerning, inputs, finished=not outcome.unfinished)
