"""The results that a command reads: of a whole run, or of whatever stands in a directory."""

from __future__ import annotations

from pathlib import Path

from harness.expectations import expectations_of
from harness.figures import load_figures
from harness.journal import Recorded, read_run
from harness.outcome import Outcome, load_asides, outcome_of
from harness.reproducers import load_reproducers
from harness.results import ResultsError
from harness.run import results_path

__all__ = ["outcome_in", "whole_run"]


def whole_run(path: Path) -> Recorded:
    path = results_path(path) if path.is_dir() else path
    recorded = read_run(path)
    if not recorded.complete:
        raise ResultsError(f"{path} is of an unfinished run; resume it first")
    if not recorded.results:
        raise ResultsError(f"{path} holds no results, expected those of a whole run")
    return recorded


def outcome_in(out: Path, baseline: Path) -> Outcome:
    """What is recorded in a directory, beside what this baseline expects of it, and its files."""
    path = results_path(out)
    if not path.exists():
        raise ResultsError(f"{path} does not exist; make it with: rnn-parity run --out {out}")
    recorded = read_run(path)
    outcome = outcome_of(recorded, expectations_of(recorded.header, baseline))
    outcome.figures = load_figures(out, outcome.header)
    load_asides(out, outcome)
    outcome.reproducers = {} if outcome.unfinished else load_reproducers(out)
    return outcome
