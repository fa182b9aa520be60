"""`judge`: the user's own layer, with its weights and its data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from harness.backends.reference import variant_in
from harness.baseline import read_baseline
from harness.case import make_case, row_blocks
from harness.cli.options import (
    backend_option,
    baseline_option,
    console_for,
    isolation_options,
    main,
    reports_errors,
    session_of,
)
from harness.cli.run import Interruption, execute_with_progress, present
from harness.config import MOST_NUMBERS, Config, ConfigError
from harness.expectations import expectations_of
from harness.figures import make_figures, store_figures
from harness.folder import LOGS, remove_logs
from harness.given import given_arrays
from harness.journal import locked, set_aside
from harness.judge import Session
from harness.layers import LAYERS
from harness.logs import listening
from harness.minimise.forms import form_of
from harness.oracle import Oracle
from harness.outcome import Outcome
from harness.own_layer.answer import Answer, answer, write_answer
from harness.own_layer.applying import applying
from harness.own_layer.asked import ASKED, Asked, begin, saved
from harness.own_layer.inference import found_layer
from harness.own_layer.inputs import Options, assumed, called, read_inputs
from harness.own_layer.port import write_port
from harness.own_layer.stored import framework_of, read_file
from harness.run import OWN, results_path
from harness.runners import Limits

__all__ = ["judge"]

ARRAY = click.Path(exists=True, dir_okay=False, path_type=Path)

ROOM, PATIENCE = 64, 7200.0
"""Bytes of memory for each number of a large layer, and seconds, that a backend may take."""

REPRODUCING = 20.0
"""Seconds for scripts of what is new."""

_OWN = sorted(
    {
        (option.name, tuple(map(str, option.words)))
        for record in LAYERS.values()
        for option in record.options
        if not option.numbered
    }
)
"""Options that only some layers have, and that no shape tells."""


def _own_options(command: Any) -> Any:
    for name, values in _OWN:
        command = click.option(
            f"--{name}", type=click.Choice(values), help="Of layers that have it. Default: torch's."
        )(command)
    return command


@main.command()
@click.argument("weights", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--prefix", help="Which layer of a model, such as encoder.rnn. Default: the only one."
)
@click.option("--x", type=ARRAY, help=".npy, or .npz with the other arrays too. Default: drawn.")
@click.option("--h-0", type=ARRAY, help="Initial state, .npy.")
@click.option("--c-0", type=ARRAY, help="Initial cell state, .npy.")
@click.option("--lengths", type=ARRAY, help="Length of each row, .npy.")
@click.option("--batch-first", is_flag=True, help="x is (B, T, I). Default: (T, B, I).")
@click.option(
    "--dropout", type=float, default=0.0, help="Of the layer; it is judged in evaluation."
)
@_own_options
@click.option("--steps", type=click.IntRange(1), default=8, show_default=True, help="Of a drawn x.")
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True, help="Of a drawn x.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    help="Of a large layer, judge so many rows of the batch at least. Default: all.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all drawn.")
@backend_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/judged"),
    show_default=True,
    help="Directory for the answer, the scripts, the reports, and all arrays.",
)
@baseline_option
@click.option("--verbose", is_flag=True, help="Print every requirement.")
@isolation_options
@reports_errors
def judge(
    weights: Path,
    backends: tuple[str, ...],
    out: Path,
    baseline: Path,
    verbose: bool,
    rows: int | None,
    limits: Limits | None,
    **given: Any,
) -> None:
    """Judge your own layer: WEIGHTS is .pt, .safetensors, .npz or .ckpt, or an --out of before.

    Out comes an answer in a few lines, which known differences concern this layer, a script for
    each framework that builds it there, and the reports of a run. Nothing in a file is executed.
    """
    read_baseline(baseline)  # before anything is loaded that takes time
    again = weights.is_dir()
    with locked(out):
        asked = _saved(weights, out) if again else _asked(weights, out, given)
        remove_logs(out)
        set_aside(results_path(out))
    console = console_for()
    console.print(asked.title, markup=False, highlight=False, soft_wrap=True)
    interruption = Interruption()
    limits = limits and _roomy(limits, asked.called)
    logs = out / LOGS
    with (
        interruption.awaited(),
        listening(logs / "harness.log"),
        session_of(backends, limits, logs=logs) as session,
    ):
        oracle = _remembering(session, asked)
        session.most_rows = rows
        session.told = _told(console_for(stderr=True))
        outcome = execute_with_progress(
            session,
            out,
            0,
            0,
            out / ASKED,
            baseline=baseline,
            check=interruption.check,
            reproducing=REPRODUCING if asked.called.numbers <= MOST_NUMBERS else 0.0,
            origin=OWN,
        )
        if not outcome.unfinished and asked.called.numbers <= MOST_NUMBERS:
            outcome.figures = make_figures(session, outcome.header, outcome.results)
            with contextlib.suppress(OSError):  # the results are there, and pictures are no reason
                store_figures(out, outcome.figures)
    files = [] if outcome.unfinished else _ports(out, asked, outcome, oracle)
    said = _answered(asked, outcome, baseline)
    if rows and len(row_blocks(asked.called)) > 1:
        console.print(f"of the {asked.called.batch} rows of the batch, {rows} at least are judged")
    for line in said.lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    page = write_answer(out, asked, said, files)
    present(outcome, out, verbose, [str(page), *files])


def _roomy(limits: Limits, config: Config) -> Limits:
    """Limits that a large layer needs, where none were named."""
    if config.numbers <= MOST_NUMBERS:
        return limits
    source = click.get_current_context().get_parameter_source
    named = {n: source(n) == ParameterSource.COMMANDLINE for n in ("time_limit", "memory_limit")}
    room = max(limits.mebibytes, ROOM * config.numbers // 2**20)
    return Limits(
        limits.seconds if named["time_limit"] else PATIENCE,
        limits.mebibytes if named["memory_limit"] else room,
    )


def _told(console: Console) -> Callable[[str, int, int], None]:
    """A line for each part of a large config, with the time of day."""

    def told(what: str, done: int, total: int) -> None:
        now = time.strftime("%H:%M:%S")
        console.print(f"{now} {what}: {done} of {total}", markup=False, highlight=False)

    return told


def _saved(folder: Path, out: Path) -> Asked:
    source = click.get_current_context().get_parameter_source
    kept = ("weights", "backends", "out", "baseline", "verbose", "rows", "limits")
    for name in click.get_current_context().params:
        if name not in (*kept, *_LIMITS) and source(name) == ParameterSource.COMMANDLINE:
            raise ConfigError(f"--{name.replace('_', '-')}: {folder} has its own; leave it away")
    asked = saved(folder)
    if folder.resolve() == out.resolve():
        return asked
    arrays = given_arrays(asked.called)
    return begin(out, asked.called, arrays.weights, arrays.inputs, asked.home, asked.title)


_LIMITS = ("in_process", "time_limit", "memory_limit")


def _asked(weights: Path, out: Path, given: Mapping[str, Any]) -> Asked:
    """Read and check everything that the user gave, and keep it in `out`."""
    stored = read_file(weights)
    layer = found_layer(stored, given["prefix"])
    own = tuple((name, given[name]) for name, _ in _OWN if given[name] is not None)
    common = ("batch_first", "dropout", "steps", "batch", "seed")
    options = Options(own=own, **{name: given[name] for name in common})
    paths = {name: given[name] for name in ("x", "h_0", "c_0", "lengths")}
    inputs = read_inputs({name: path for name, path in paths.items() if path is not None})
    config, ordered = called(layer.config, inputs, options)
    source = click.get_current_context().get_parameter_source
    taken = assumed(config, options, (n for n in given if source(n) == ParameterSource.COMMANDLINE))
    said = f"; assumed: {', '.join(taken)}" if taken else ""
    drawn = "" if "x" in ordered else f"; x drawn, {config.steps} steps, {config.batch} rows"
    title = f"{weights.name}, {layer.prefix or 'the only layer'}: {layer.description}{drawn}{said}"
    return begin(out, config, layer.weights, ordered, framework_of(weights) or "torch", title)


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
    return answer(asked, own, applying(known, asked.called, backends, showed))
