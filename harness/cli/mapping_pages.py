"""What `rnn-parity mapping` does: the pages of the layers that were measured."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from harness.backends import default_backends
from harness.cli.options import console_for
from harness.cli.recorded import whole_run
from harness.cli.running import execute_with_progress
from harness.cli.sessions import session_of
from harness.config import Config
from harness.expectations import Judged, expectations_of
from harness.limits import Limits
from harness.report.mapping import page_of, render_mapping, run_example
from harness.report.wording import plural
from harness.results import Parameters, ResultsError

__all__ = ["write_pages"]

Measured = tuple[dict[str, object], Sequence[Judged]]
"""The header of a run, and its results beside what was expected of them."""


def write_pages(results: Path | None, out: Path, layers: Sequence[str], baseline: Path) -> NoReturn:
    """Write a page of each layer, and end with 1 if anything unexpected is among the results."""
    header, lines = (
        _measured_now(layers, baseline) if results is None else _recorded(results, baseline)
    )
    expected = expectations_of(header, baseline)
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


def _measured_now(layers: Sequence[str], baseline: Path) -> Measured:
    with (
        tempfile.TemporaryDirectory(prefix="rnn-parity-") as directory,
        session_of((), Limits(), variants=True) as session,
    ):
        asked = Parameters(layers=tuple(layers))
        outcome = execute_with_progress(session, Path(directory), asked, baseline=baseline)
        if outcome.unfinished:
            sys.exit(outcome.exit_code)
        return outcome.header, outcome.results


def _recorded(results: Path, baseline: Path) -> Measured:
    """Of the pinned configs: what was drawn another run draws otherwise."""
    recorded = whole_run(results)
    pinned = [line for line in recorded.results if line.origin == "corpus"]
    lines = expectations_of(recorded.header, baseline).join(pinned)
    missing = {*default_backends()} - {line.backend for line in lines}
    if missing:
        raise ResultsError(
            f"{results} has no results of {', '.join(sorted(missing))}, which the page is about"
        )
    return recorded.header, lines
