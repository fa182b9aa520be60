"""`diff`: two runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import baseline_option, main, reports_errors

__all__ = ["diff"]


@main.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="The same as a page.")
@click.option(
    "--as",
    "names",
    multiple=True,
    metavar="NAME=OTHER",
    help="Compare the backend NAME of NEW with OTHER of OLD.",
)
@baseline_option
@reports_errors
def diff(old: Path, new: Path, html: Path | None, names: tuple[str, ...], baseline: Path) -> None:
    """Say what changed from one run to another: results.jsonl files, or their directories.

    Exit 0: nothing; 1: a finding appeared, disappeared, grew or shrank, or less was concluded:
    an improvement too, for the baseline has to follow it.
    """
    from harness.cli.comparing import compare_and_report

    compare_and_report(old, new, html, names, baseline)
