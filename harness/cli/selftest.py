"""`selftest`: what the harness itself is worth."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import console_for, layer_option, main, one_of, reports_errors
from harness.text import did_you_mean

if TYPE_CHECKING:
    from harness.selftest import SelfTest

__all__ = ["selftest"]


def _bases() -> Collection[str]:
    from harness.faults import BASES

    return BASES


@main.command()
@click.option("--list", "listed", is_flag=True, help="Name the faults and what each does, and end.")
@click.option(
    "--base",
    "bases",
    multiple=True,
    metavar="NAME",
    callback=one_of(_bases),
    help="Into whose answers: torch, mindspore or oracle (the NumPy layer). Default: all.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="Only this one. Default: all."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    help="Other than 0: the same configs, other numbers.",
)
@layer_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The same as JSON, in this file."
)
@click.option(
    "--remember", "kept", is_flag=True, help="Ask next time first what caught a fault now."
)
@reports_errors
def selftest(
    listed: bool,
    bases: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    layers: tuple[str, ...],
    out: Path | None,
    kept: bool,
) -> None:
    """Inject faults and say which check catches each."""
    from harness.faults import FAULTS, VARIANTS

    if listed:
        for title, every in (("Faults", FAULTS), ("Correct variants, not to be accused", VARIANTS)):
            click.echo(f"{title}:")
            for name, fault in every.items():
                click.echo(f"  {name:45} {fault.mistake}")
        return
    known = (*FAULTS, *VARIANTS)
    for name in faults:
        if name not in known:
            near = did_you_mean(name, known) or "; rnn-parity selftest --list names all"
            raise click.UsageError(f"--fault {name!r}: no such fault{near}")
    from harness.report.selftest import print_selftest, write_selftest
    from harness.selftest import remember

    result = _with_progress(bases, faults, seed, layers)
    print_selftest(console_for(), result)
    if out is not None:
        write_selftest(out, result)
    if kept:
        remember(result.faults)
    sys.exit(0 if result.passed else 1)


def _with_progress(
    bases: tuple[str, ...], faults: tuple[str, ...], seed: int, layers: tuple[str, ...]
) -> SelfTest:
    from rich.progress import Progress

    from harness.selftest import run_selftest

    console = console_for(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("selftest", total=None)
        return run_selftest(
            bases,
            faults,
            lambda done, total: bar.update(task, completed=done, total=total),
            seed,
            layers,
        )
