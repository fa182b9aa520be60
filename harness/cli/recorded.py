"""The results that a command reads: of a whole run, or of whatever stands in a directory."""

from __future__ import annotations

import shlex
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
    """Of a results file, or of its directory. Raises ResultsError."""
    path = path if path.is_file() or path.suffix == ".jsonl" else results_path(path)
    recorded = _read(path)
    if not recorded.complete:
        raise ResultsError(
            f"{path} is of an unfinished run; finish it with: rnn-parity run --resume --out "
            f"{shlex.quote(str(path.parent))}"
        )
    if not recorded.results:
        raise ResultsError(f"{path} holds no results, expected those of a whole run")
    return recorded


def _read(path: Path) -> Recorded:
    if not path.exists():
        out = shlex.quote(str(path.parent))
        raise ResultsError(f"{path} does not exist; make it with: rnn-parity run --out {out}")
    return read_run(path)


def outcome_in(out: Path, baseline: Path) -> Outcome:
    """What is recorded in a directory, beside what this baseline expects of it, and its files."""
    recorded = _read(results_path(out))
    outcome = outcome_of(recorded, expectations_of(recorded.header, baseline))
    outcome.figures = load_figures(out, outcome.header)
    load_asides(out, outcome)
    outcome.reproducers = {} if outcome.unfinished else load_reproducers(out)
    return outcome
