"""`pytest --parity-report`: the reports of any selection, in one process and in several."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.journal import read_run

ROOT = Path(__file__).parent.parent
SELECTED = "test_corpus and torch and relu and l03 and bidir and fp32 and last_state"


def collected(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["tests/test_conformance.py", "-k", SELECTED, "--parity-report", str(out), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_selection_has_the_reports_of_a_run(options: tuple[str, ...], tmp_path: Path) -> None:
    done = collected(tmp_path, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"As expected: {tmp_path / 'report.html'}" in done.stdout
    recorded = read_run(tmp_path / "results.jsonl")
    assert recorded.complete
    configs = {result.config_id for result in recorded.results}
    assert len(configs) > 5
    assert all("rnn-relu-l03-bidir" in config_id for config_id in configs)
    assert {result.backend for result in recorded.results} == {"torch"}
    # All that was judged of a config, whichever check was selected.
    assert {"last_state", "step_residual"} <= {result.check for result in recorded.results}
    assert recorded.header["versions"]["torch"]
    for name in ("report.html", "junit.xml", "summary.md"):
        assert (tmp_path / name).stat().st_size > 1000


def test_a_selection_without_configs_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["tests/test_imports.py", "-k", "command_line", "--parity-report", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "no report: none of the tests judged a config" in done.stdout
    assert not list(tmp_path.iterdir())
