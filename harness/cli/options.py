"""What commands share: options, how errors are reported, backends in workers, the group itself."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from harness import __version__
from harness.backends import (
    BackendUnavailable,
    absent_backends,
    default_backends,
    load_backend,
    parse_reference,
)
from harness.backends.reference import FORMS
from harness.baseline import BASELINE, BaselineError
from harness.config import ConfigError
from harness.journal import Recorded, read_run
from harness.judge import Disturbed, Session
from harness.layers import LAYERS
from harness.logs import log_of
from harness.results import ResultsError
from harness.run import results_path
from harness.runners import InProcess, Isolated, Limits, Runner
from harness.text import one_line

__all__ = [
    "backend_option",
    "baseline_option",
    "console_for",
    "isolation_options",
    "layer_option",
    "main",
    "out_option",
    "reports_errors",
    "session_of",
    "whole_run",
]

USAGE_ERRORS = (
    BackendUnavailable,
    BaselineError,
    ConfigError,
    Disturbed,
    ResultsError,
    OSError,
)


layer_option = click.option(
    "--layer",
    "layers",
    multiple=True,
    type=click.Choice(list(LAYERS)),
    help="This layer only; repeat it for several. Default: all.",
)


def console_for(*, stderr: bool = False) -> Console:
    """Texts are printed as they are: no word between colons becomes a picture.

    A pipe or a file has no width; there tables are as wide as a config id.
    """
    console = Console(stderr=stderr, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 120
    return console


def reports_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Exit 2 with a message for what a user can mend, and with a traceback for our own faults."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except USAGE_ERRORS as error:
            message = one_line(" ".join(str(error).split()))
            console_for(stderr=True).print(
                f"error: {message}", style="red", markup=False, soft_wrap=True
            )
            sys.exit(2)
        except Exception:
            traceback.print_exc()
            message = "error: the harness itself failed (traceback above); this is a fault of it"
            console_for(stderr=True).print(message, style="red")
            sys.exit(2)

    return wrapped


backend_option = click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="REFERENCE",
    help=f"{FORMS}, such as torch or mindspore:graph; repeat for several. Default: the backends of "
    "this project; of `rnn-parity run` also variants of them, such as mindspore:graph.",
)


baseline_option = click.option(
    "--baseline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=BASELINE,
    show_default="the one that is installed",
    help="File of known differences.",
)


def isolation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where backends run and what one config may take; the command gets them as `isolation`."""

    @functools.wraps(command)
    def wrapped(
        *args: Any, in_process: bool, time_limit: float, memory_limit: int, **kwargs: Any
    ) -> None:
        source = click.get_current_context().get_parameter_source
        for name in ("time_limit", "memory_limit"):
            if in_process and source(name) == ParameterSource.COMMANDLINE:
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(
                    f"{option} has no effect with --in-process, which cannot end a backend; leave "
                    "one of them away"
                )
        limits = None if in_process else Limits(time_limit, memory_limit)
        command(*args, limits=limits, **kwargs)

    for option in (
        click.option(
            "--in-process",
            is_flag=True,
            help="Run backends in this process, for debugging: a crash of theirs ends all.",
        ),
        click.option(
            "--memory-limit",
            type=click.IntRange(1),
            default=Limits().mebibytes,
            show_default=True,
            metavar="MIB",
            help="What a backend may take for one config, beyond what it holds when loaded.",
        ),
        click.option(
            "--time-limit",
            type=click.FloatRange(0, min_open=True),
            default=Limits().seconds,
            show_default=True,
            metavar="SECONDS",
            help="What a backend may take for one config, before it is ended.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/latest"),
    show_default=True,
    help="Directory for results.jsonl, report.html, junit.xml, summary.md and reproducers/.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rnn-parity")
def main() -> None:
    """Do two frameworks compute the same recurrent layer? Measured, with derived bounds."""


def session_of(
    references: tuple[str, ...],
    limits: Limits | None,
    *,
    variants: bool = False,
    logs: Path | None = None,
) -> Session:
    """Backends in workers with these limits; in this process if None.

    `logs` is the folder for what they print and raise.
    `variants`: where no reference is given, variants that the default backends name come too.
    """
    chosen = [str(parse_reference(text)) for text in references or default_backends()]
    for name in () if references else absent_backends():
        click.echo(f"{name} is not installed here, and is not judged", err=True)
    runners: dict[str, Runner] = {}

    def begin(references: Iterable[str]) -> None:  # all begin to load, side by side
        for one in dict.fromkeys(references):
            log = logs and log_of(logs, one)
            runners[one] = (
                Isolated(one, limits, log=log) if limits else InProcess(load_backend(one))
            )

    try:
        begin(chosen)
        if variants and not references:
            loaded = [(key, runner.about) for key, runner in runners.items()]
            begin(f"{key}:{name}" for key, about in loaded for name in about.default_variants)
        return Session(runners)
    except BaseException:
        for runner in runners.values():
            runner.close()
        raise


def whole_run(path: Path) -> Recorded:
    path = results_path(path) if path.is_dir() else path
    recorded = read_run(path)
    if not recorded.complete:
        raise ResultsError(f"{path} is of an unfinished run; resume it first")
    if not recorded.results:
        raise ResultsError(f"{path} holds no results, expected those of a whole run")
    return recorded
