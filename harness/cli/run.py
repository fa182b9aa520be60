"""`run`, and `report` and `annotate`, which present what a run found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.cli.options import (
    backend_option,
    baseline_option,
    isolation_options,
    layer_option,
    main,
    out_option,
    reports_errors,
)
from harness.limits import BUDGET

__all__ = ["annotate", "report", "run"]

EXAMPLES = 300

verbose_option = click.option(
    "--verbose", is_flag=True, help="Print every requirement, and known differences in full."
)


@main.command()
@backend_option
@click.option(
    "--examples",
    type=click.IntRange(0),
    default=EXAMPLES,
    show_default=f"{EXAMPLES}; with --corpus or --quick none",
    help="Configs to draw.",
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
    "--select",
    default="",
    metavar="WORDS",
    help='Only configs like that, pinned and drawn: "tanh and bidir and not l02", with the words '
    "of config ids, as `pytest -k` takes them.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Judge a few configs that show together what a whole run shows; draw none, and minimise "
    "unexpected findings only.",
)
@click.option(
    "--fail-fast", is_flag=True, help="End at the first unexpected result, with the reports."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Finish the run in --out: its backends, corpus, layers, words, examples and seed are "
    "kept, other options are to be given again; begin one where there is none.",
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
def run(**options: Any) -> None:
    """Judge the pinned corpus and drawn configs, and write the reports.

    Exit code 0: nothing unexpected. 1: an unexpected verdict, or a known difference that vanished,
    shrank or grew. 2: the run could not be done, and the message says what to do.
    """
    source = click.get_current_context().get_parameter_source
    given = frozenset(name for name in options if source(name) == ParameterSource.COMMANDLINE)
    if options["quick"]:
        _refuse_beside("quick", given & {"corpus", "examples"})
    if options["executor"] is not None and options["jobs"] > 1:
        raise click.UsageError("--jobs and --executor exclude each other; leave one of them away")
    if (options["corpus"] or options["quick"]) and "examples" not in given:
        options["examples"] = 0
    if options["limits"] is None and options["jobs"] > 1:
        raise click.UsageError("--jobs has no effect with --in-process; leave one of them away")
    from harness.backends import found_reference

    for reference in options["backends"]:  # before more is imported, or anything loaded
        found_reference(reference)
    from harness.cli.running import Options, run_and_report

    run_and_report(Options(**options, given=given))


def _refuse_beside(option: str, others: frozenset[str]) -> None:
    for other in others:
        raise click.UsageError(f"--{option} has its own {other}; leave --{other} away")


@main.command()
@out_option
@baseline_option
@verbose_option
@reports_errors
def report(out: Path, baseline: Path, verbose: bool) -> None:
    """Write the reports anew from results.jsonl, also from that of an unfinished run."""
    from harness.cli.presenting import present
    from harness.cli.recorded import outcome_in

    present(outcome_in(out, baseline), out, verbose, baseline=baseline)


@main.command()
@out_option
@baseline_option
@reports_errors
def annotate(out: Path, baseline: Path) -> None:
    """Print what a run found as workflow commands of GitHub Actions.

    Exit 0, whatever was found; 2 where there are no results to read.
    """
    from harness.cli.recorded import outcome_in
    from harness.report.annotations import workflow_commands

    for line in workflow_commands(outcome_in(out, baseline)):
        click.echo(line)
