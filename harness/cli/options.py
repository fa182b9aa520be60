"""What commands share: options, how errors are reported, the group itself.

Nothing here imports more than click before a command is called.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness import __version__
from harness.limits import Limits
from harness.refusal import Refusal
from harness.shipped import BASELINE
from harness.text import did_you_mean, one_line

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "backend_option",
    "baseline_option",
    "console_for",
    "isolation_options",
    "layer_option",
    "main",
    "one_of",
    "out_option",
    "reports_errors",
    "two_names",
]


def one_of(named: Callable[[], Collection[str]]) -> Callable[..., tuple[str, ...]]:
    """A callback that refuses other names; they are looked up only where one is given."""

    def checked(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> Any:
        for value in given:
            if value not in (names := named()):
                near = did_you_mean(value, names)
                raise click.BadParameter(f"{value!r} is none of {', '.join(names)}{near}.")
        return given

    return checked


def _layers() -> Collection[str]:
    from harness.layers import LAYERS

    return LAYERS


layer_option = click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    callback=one_of(_layers),
    help="This layer only, such as gru; repeat it for several. Default: all.",
)


def console_for(*, stderr: bool = False) -> Console:
    """Texts are printed as they are: no word between colons becomes a picture.

    A pipe or a file has no width; there tables are as wide as a config id.
    """
    from rich.console import Console

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
        except (Refusal, OSError) as error:
            message = one_line(" ".join(str(error).split()))
            console_for(stderr=True).print(
                f"error: {message}", style="red", markup=False, soft_wrap=True
            )
            sys.exit(2)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:
            import traceback

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
    help="NAME[==VERSION][:VARIANT], path/to/file.py:OBJECT or package.module:OBJECT, such as "
    "torch or mindspore:graph; repeat for several. Default: the frameworks that are installed; "
    "`run` takes their variants too, such as mindspore:graph.",
)


baseline_option = click.option(
    "--baseline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=BASELINE,
    show_default="the one that is installed",
    help="File of known differences.",
)


def isolation_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where backends run and what one config may take; the command gets them as `limits`."""

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


def two_names(option: str, text: str) -> tuple[str, str]:
    """The names in `NAME=OTHER`."""
    name, sign, other = text.partition("=")
    if not (name and sign and other):
        raise click.UsageError(f"{option} {text!r}: expected NAME=OTHER, such as mine=torch")
    return name, other


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
