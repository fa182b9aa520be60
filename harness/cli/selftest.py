"""`selftest`: what the harness itself is worth."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click
from rich.progress import Progress

from harness.cli.options import (
    console_for,
    main,
    reports_errors,
)
from harness.config import ConfigError
from harness.faults import BASES, FAULTS, VARIANTS
from harness.report.selftest import print_selftest, write_selftest
from harness.selftest import remember, run_selftest

__all__ = ["selftest"]


def _no_fault(name: str) -> str:
    known = (*FAULTS, *VARIANTS)
    near = difflib.get_close_matches(name, known, 3, 0.4)
    mend = f"did you mean {' or '.join(near)}?" if near else "rnn-parity selftest --list names all"
    return f"--fault {name!r}: no such fault; {mend}"


@main.command()
@click.option("--list", "listed", is_flag=True, help="Name the faults and what each does, and end.")
@click.option("--base", "bases", multiple=True, type=click.Choice(BASES), help="Default: all.")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="Only this one. Default: all."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    help="Other than 0: the same configs, other numbers.",
)
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
    out: Path | None,
    kept: bool,
) -> None:
    """Inject faults and say which check catches each."""
    if listed:
        for title, every in (("Faults", FAULTS), ("Correct variants, not to be accused", VARIANTS)):
            click.echo(f"{title}:")
            for name, fault in every.items():
                click.echo(f"  {name:45} {fault.mistake}")
        return
    unknown = sorted({*faults} - {*FAULTS, *VARIANTS})
    if unknown:
        raise ConfigError(_no_fault(unknown[0]))
    console = console_for(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("selftest", total=None)
        result = run_selftest(
            bases, faults, lambda done, total: bar.update(task, completed=done, total=total), seed
        )
    print_selftest(console_for(), result)
    if out is not None:
        write_selftest(out, result)
    if kept:
        remember(result.faults)
    sys.exit(0 if result.passed else 1)
