"""`mapping`: the mapping pages, of a new run or of results."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import baseline_option, layer_option, main, reports_errors

__all__ = ["mapping"]


@main.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="results.jsonl of a run with the default backends, or its directory. Default: a new run "
    "of the pinned corpus.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("reports/mapping"),
    show_default=True,
    help="The folder of the pages.",
)
@layer_option
@baseline_option
@reports_errors
def mapping(results: Path | None, out: Path, layers: tuple[str, ...], baseline: Path) -> None:
    """Write the mapping pages anew, with what was measured: of every layer that was."""
    from harness.cli.mapping_pages import write_pages

    write_pages(results, out, layers, baseline)
