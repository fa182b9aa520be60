"""`mapping`, `baseline update` and `diff`: what is made of the results of complete runs."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import msgspec

from harness.backends import default_backends
from harness.baseline import BASELINE
from harness.baseline_update import NEW, updated
from harness.cli.options import (
    baseline_option,
    console_for,
    layer_option,
    main,
    reports_errors,
    session_of,
    whole_run,
)
from harness.cli.run import execute_with_progress
from harness.comparing import compare_runs
from harness.config import Config, ConfigError
from harness.expectations import expectations_of
from harness.report.console import print_update
from harness.report.difference import print_difference, write_difference
from harness.report.mapping import MAPPING_PAGES, page_of, render_mapping, run_example
from harness.report.wording import plural
from harness.results import ResultsError
from harness.runners import Limits

__all__ = ["diff", "mapping", "update"]


@main.command()
@click.option(
    "--results",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="results.jsonl of a run with the default backends. Default: a new run of "
    "the pinned corpus.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=MAPPING_PAGES,
    show_default=True,
    help="The folder of the pages.",
)
@layer_option
@baseline_option
@reports_errors
def mapping(results: Path | None, out: Path, layers: tuple[str, ...], baseline: Path) -> None:
    """Write the mapping pages anew, with what was measured: of every layer that was."""
    if results is None:
        with (
            tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory,
            session_of((), Limits(), variants=True) as session,
        ):
            folder = Path(directory)
            outcome = execute_with_progress(session, folder, 0, 0, layers=layers, baseline=baseline)
            header, lines = outcome.header, outcome.results
            expected = expectations_of(header, baseline)
            if outcome.unfinished:
                sys.exit(outcome.exit_code)
    else:
        recorded = whole_run(results)
        header = recorded.header
        expected = expectations_of(header, baseline)
        lines = expected.join(recorded.results)
        missing = {*default_backends()} - {line.backend for line in lines}
        if missing:
            raise ResultsError(
                f"{results} has no results of {', '.join(sorted(missing))}, which the page is about"
            )
    measured = dict.fromkeys(Config.parse(line.config_id).layer for line in lines)
    out.mkdir(parents=True, exist_ok=True)
    for layer in (name for name in measured if name in layers or not layers):
        text = render_mapping(header, lines, expected, run_example(layer), layer)
        page_of(layer, out).write_text(text, "utf-8")
        said = f"wrote {page_of(layer, out)}"
        console_for().print(said, markup=False, highlight=False, soft_wrap=True)
    unexpected = [line for line in lines if line.unexpected]
    if unexpected:
        console_for(stderr=True).print(
            f"{plural(len(unexpected), 'unexpected result')} among them; see: rnn-parity run",
            style="red",
        )
    sys.exit(1 if unexpected else 0)


@main.group(name="baseline")
def baseline_group() -> None:
    """The file of known differences."""


@baseline_group.command()
@click.option(
    "--results",
    type=click.Path(exists=True, path_type=Path),
    default=Path("reports/latest"),
    show_default=True,
    help="results.jsonl of a whole run, or its directory.",
)
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    default=BASELINE,
    show_default="the one that is installed",
    help="File of known differences; one that does not exist is begun, beside the installed one.",
)
@reports_errors
def update(results: Path, baseline: Path) -> None:
    """Rewrite the baseline as a run says it should be, for you to review; comments stay."""
    recorded = whole_run(results)
    text = baseline.read_text("utf-8") if baseline.exists() else NEW
    known = expectations_of(recorded.header, baseline if baseline.exists() else BASELINE)
    found = updated(text, known, recorded.results, recorded.header)
    if found.text != text or not baseline.exists():
        baseline.parent.mkdir(parents=True, exist_ok=True)
        baseline.write_text(found.text, "utf-8")
    print_update(console_for(), found, baseline)


@main.command()
@click.argument("old", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="The same as a page.")
@click.option(
    "--as",
    "names",
    multiple=True,
    metavar="NAME=OTHER",
    help="Compare the backend NAME of NEW with OTHER of OLD.",
)
@reports_errors
def diff(old: Path, new: Path, html: Path | None, names: tuple[str, ...]) -> None:
    """Say what changed from one run to another: results.jsonl files, or their directories.

    Exit 0: nothing; 1: a finding appeared, disappeared, grew or shrank, or less was concluded.
    """
    before, after = (whole_run(path) for path in (old, new))
    headers = (before.header, after.header)
    versions = [header["versions"] for header in headers]
    called = dict(_two_names(name) for name in names)
    for path, run, named in ((new, after, called), (old, before, called.values())):
        there = {result.backend for result in run.results}
        for name in named:
            if name not in there:
                raise ConfigError(f"--as {name!r}: {path} has {', '.join(sorted(there))} only")
    results = [
        msgspec.structs.replace(r, backend=called.get(r.backend, r.backend)) for r in after.results
    ]
    difference = compare_runs(before.results, results, versions)
    if not difference.common:
        raise ResultsError(
            f"no config was judged with a backend that is in both runs: {old} has "
            f"{', '.join(sorted(difference.only_old))}, {new} has "
            f"{', '.join(sorted(difference.only_new))}; "
            "name those to compare, such as --as mine=torch"
        )
    print_difference(console_for(), difference)
    if html is not None:
        write_difference(html, difference, headers)
    sys.exit(difference.exit_code)


def _two_names(text: str) -> tuple[str, str]:
    name, sign, other = text.partition("=")
    if not (name and sign and other):
        raise ConfigError(f"--as {text!r}: expected NAME=OTHER, such as mine=torch")
    return name, other
