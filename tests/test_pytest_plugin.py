"""The suite as pytest runs it: `--parity-report` of any selection, and `-k` by words of fields.

Words of defaults, too, which ids leave out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.baseline import read_baseline
from harness.config import Config
from harness.corpus import CORPUS, SAMPLE, load_corpus
from harness.journal import read_run

ROOT = Path(__file__).parent.parent
SELECTED = "test_corpus and torch and fp32 and last_state and not lstm"


def pytest_of(file: str, selected: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{file}"]
    command += ["-k", selected, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_selection_has_the_reports_of_a_run(options: tuple[str, ...], tmp_path: Path) -> None:
    done = pytest_of(
        "test_conformance.py",
        SELECTED,
        "--parity-quick",
        "--parity-report",
        str(tmp_path),
        *options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"As expected: {tmp_path / 'report.html'}" in done.stdout
    recorded = read_run(tmp_path / "results.jsonl")
    assert recorded.complete
    configs = {result.config_id for result in recorded.results}
    assert len(configs) > 5
    assert not any("lstm" in config_id for config_id in configs)
    assert {result.backend for result in recorded.results} == {"torch"}
    # All that was judged of a config, whichever check was selected.
    assert {"last_state", "step_residual"} <= {result.check for result in recorded.results}
    assert recorded.header["versions"]["torch"]
    for name in ("report.html", "junit.xml", "summary.md"):
        assert (tmp_path / name).stat().st_size > 1000


def test_the_end_names_the_known_differences_that_were_xfailed() -> None:
    done = pytest_of("test_conformance.py", "test_corpus and torch and lengths.float")
    assert done.returncode == 0, done.stdout + done.stderr
    end = done.stdout.partition("known differences, by how many tests xfailed")[2]
    (entry,) = [one for one in read_baseline() if one.id == "torch-lengths-of-other-types"]
    assert re.search(rf"\d+  {entry.id}: {re.escape(entry.statement)}", end), done.stdout


def test_a_selection_without_configs_says_so(tmp_path: Path) -> None:
    done = pytest_of("test_imports.py", "command_line", "--parity-report", str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "no report: none of the tests judged a config" in done.stdout
    assert not list(tmp_path.iterdir())


BACKENDS = {"torch": CORPUS, "mindspore": CORPUS, "mindspore:graph": SAMPLE}

Case = tuple[str, str]
"""Config id and backend."""


def selected(expression: str) -> set[Case]:
    """What the suite would run."""
    done = pytest_of("test_conformance.py", expression, "--collect-only")
    prefix = "tests/test_conformance.py::test_corpus["
    ids = [line.removeprefix(prefix) for line in done.stdout.splitlines() if prefix in line]
    parts = (one.rsplit("-", 2) for one in ids)  # the last one is the check
    return {(config_id, backend) for config_id, backend, _ in parts}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (
            "tanh and bidir and mindspore",
            lambda c, b: (
                ("nonlinearity", "tanh") in c.specific and c.bidirectional and "mindspore" in b
            ),
        ),
        (
            "l01 and nolengths and fp16 and not biased and not values",
            lambda c, b: (
                (c.num_layers, c.lengths, c.dtype, c.bias) == (1, "nolengths", "fp16", False)
                and c.aspect != "values"
            ),
        ),
    ],
)
def test_words_select_by_every_field(
    expression: str, wanted: Callable[[Config, str], bool]
) -> None:
    expected = {
        (config.id, backend)
        for backend, path in BACKENDS.items()
        for config in load_corpus(path)
        if wanted(config, backend)
    }
    assert expected
    assert selected(expression) == expected


@pytest.mark.parametrize("pinned", [True, False])
def test_a_whole_id_selects_its_config_alone(pinned: bool) -> None:
    config = load_corpus(SAMPLE)[0] if pinned else Config.of(steps=7, seed=123456)
    assert {config_id for config_id, _ in selected(config.id)} == {config.id}
