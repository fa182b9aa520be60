"""A reader never takes the reports of one run for those of another that was made in its place."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Printed

from harness.cli import main
from harness.config import Config
from harness.folder import FIGURES, PAGES, REPRODUCERS, SCRIPTS
from harness.journal import read_run

HERE = Path(__file__).parent
RIGHT = f"{HERE / 'faulty.py'}:right"
HANGING = f"{HERE / 'crashing.py'}:hangs_backend"
STALE = "As expected, of an earlier run"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A folder with a whole run in it, and a file that is none of ours."""
    (tmp_path / "corpus.txt").write_text(Config.of(steps=2).id, "utf-8")
    done = run(tmp_path, "--backend", RIGHT, "--in-process")
    assert done.exit_code in (0, 1), done.output
    for name in (*PAGES, FIGURES, REPRODUCERS):
        (tmp_path / name).write_text(STALE, "utf-8")
    (tmp_path / SCRIPTS).mkdir(exist_ok=True)
    (tmp_path / SCRIPTS / "old.py").write_text(STALE, "utf-8")
    (tmp_path / "notes.md").write_text(STALE, "utf-8")
    return tmp_path


def words(out: Path, *more: str) -> list[str]:
    options = ("--examples", "0", "--corpus", str(out / "corpus.txt"), "--out", str(out))
    return ["run", *options, *more]


def run(out: Path, *more: str) -> Printed:
    return CliRunner().invoke(main, words(out, *more))


def stale(out: Path) -> list[str]:
    """Files that are left of the earlier run, but for the note and the results set aside."""
    kept = ("notes.md", "corpus.txt", "results.previous.jsonl")
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in kept]
    return [path.name for path in files if STALE in path.read_text("utf-8")]


def test_a_run_replaces_all_of_an_earlier_one(earlier: Path) -> None:
    run(earlier, "--backend", RIGHT, "--in-process")
    assert stale(earlier) == []
    assert (earlier / "notes.md").read_text("utf-8") == STALE
    assert all((earlier / name).exists() for name in PAGES)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_earlier_report(end: signal.Signals, earlier: Path) -> None:
    """By the time that it has written its first line, and whether or not it can tell its end."""
    (earlier / "corpus.txt").write_text(Config.of(input_size=7).id, "utf-8")
    begun = (earlier / "results.jsonl").read_bytes()
    command = [sys.executable, "-m", "harness.cli", *words(earlier, "--backend", HANGING)]
    one = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    new = earlier / "results.jsonl"
    while not (new.exists() and new.read_bytes() not in (b"", begun)):
        assert one.poll() is None
        time.sleep(0.01)
    assert stale(earlier) == []
    one.send_signal(end)
    assert one.wait() in (2, -end)
    assert stale(earlier) == []
    assert not read_run(new).complete
    assert (earlier / "results.previous.jsonl").read_bytes() == begun


def test_a_run_that_never_begins_leaves_no_earlier_report(earlier: Path) -> None:
    begun = (earlier / "results.jsonl").read_bytes()
    assert run(earlier, "--backend", str(HERE / "crashing.py:CrashesWhenLoaded")).exit_code == 2
    assert stale(earlier) == []
    assert not (earlier / "results.jsonl").exists()
    assert (earlier / "results.previous.jsonl").read_bytes() == begun


@pytest.mark.parametrize(
    "options",
    [
        ("--resume", "--seed", "5"),
        ("--baseline", "corpus.txt"),
        ("--backend", "nowhere.py:missing"),
    ],
)
def test_what_is_refused_leaves_all_as_it_is(options: tuple[str, ...], earlier: Path) -> None:
    given = [str(earlier / word) if word == "corpus.txt" else word for word in options]
    assert run(earlier, "--backend", RIGHT, "--in-process", *given).exit_code == 2
    assert set(PAGES) <= set(stale(earlier))
    assert (earlier / "results.jsonl").exists()


def test_resuming_keeps_results_and_makes_reports_anew(earlier: Path) -> None:
    path = earlier / "results.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    run(earlier, "--resume", "--backend", RIGHT, "--in-process")
    assert path.read_bytes().splitlines(keepends=True)[:-1] == lines[:-1]
    assert stale(earlier) == []
