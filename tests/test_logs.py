"""What a backend prints, and where it raised, reaches the user; results stay small."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.config import Config
from harness.logs import LONGEST, kept, log_of

CONFIG = Config.of(input_size=3, hidden_size=4, batch=5, steps=6).id
SOURCE = """
import os, sys
from harness.faults.correct import ForwardBackend, ForwardLayer
print("said while it was imported")

class Prints(ForwardLayer):
    def forward(self, inputs):
        print("printed to the output")
        os.write(2, b"written by a library\\n")
        return super().forward(inputs)

class Raises(ForwardLayer):
    def forward(self, inputs):
        return self.deeper_down(inputs)
    def deeper_down(self, inputs):
        raise RuntimeError("no kernel")

class Ends(ForwardLayer):
    def forward(self, inputs):
        print("just before the end", flush=True)
        os._exit(3)

prints, raises, ends = (ForwardBackend(c, c.__name__.lower()) for c in (Prints, Raises, Ends))
def refuses():
    return deeper_still()
def deeper_still():
    raise KeyError("not there")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE, "utf-8")
    (tmp_path / "corpus.txt").write_text(CONFIG, "utf-8")
    return path


def run(file: Path, name: str, *options: str) -> tuple[str, str]:
    """The output of a run, and of the only log that it names."""
    folder = file.parent
    out, corpus = str(folder / "out"), str(folder / "corpus.txt")
    arguments = ["run", "--corpus", corpus, "--examples", "0", "--out", out, "--no-reproducers"]
    result = CliRunner().invoke(main, [*arguments, "--backend", f"{file}:{name}", *options])
    logs = sorted((folder / "out" / "logs").glob("*.log"))
    assert len(logs) <= 1
    for log in logs:
        assert str(log) in result.output
    return result.output, logs[0].read_text("utf-8") if logs else ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prints", ("said while it was imported", "printed to the output", "by a library")),
        ("raises", ("Traceback", "in deeper_down", "no kernel")),
        ("ends", ("just before the end", "== when it ended")),
    ],
)
def test_a_run_keeps_what_was_said(file: Path, name: str, words: tuple[str, ...]) -> None:
    _, log = run(file, name)
    for word in words:
        assert word in log
    assert name == "ends" or f"== {CONFIG}" in log
    assert "Traceback" not in (file.parent / "out" / "results.jsonl").read_text("utf-8")


def test_so_does_one_in_this_process(file: Path) -> None:
    output, log = run(file, "raises", "--in-process")
    assert "in deeper_down" in log
    assert "harness.log" in output


def test_the_log_of_a_run_before_is_gone(file: Path) -> None:
    run(file, "prints")
    _, log = run(file, "raises")
    assert "printed to the output" not in log


def test_a_replay_shows_it(file: Path) -> None:
    result = CliRunner().invoke(main, ["replay", CONFIG, "--backend", f"{file}:raises"])
    assert "in deeper_down" in result.output


def test_what_cannot_be_loaded_shows_where(file: Path) -> None:
    result = CliRunner().invoke(main, ["replay", CONFIG, "--backend", f"{file}:refuses"])
    assert result.exit_code == 2
    assert "in deeper_still" in result.output


def test_the_harness_says_where_it_failed_itself(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("in the harness")

    monkeypatch.setattr("harness.oracle.Oracle.__init__", broken)
    _, log = run(file, "prints", "--in-process")
    assert "the harness itself" in log
    assert "ZeroDivisionError" in log


def test_a_log_keeps_the_end_of_what_is_long(tmp_path: Path) -> None:
    printed, log = tmp_path / "printed", log_of(tmp_path / "logs", "path/to/a b.py:Mine")
    printed.write_bytes(b"x" * LONGEST + b"the end")
    kept(printed, log, "one")
    printed.write_bytes(b"")
    kept(printed, log, "two")
    text = log.read_text("utf-8")
    assert text.startswith("== one (7 bytes before it left out)\n")
    assert text.endswith("the end\n")
    assert log.name == "path-to-a-b.py-Mine.log"


@pytest.mark.parametrize(
    "reference", ["../ci/good.py:Mine", "./.good.py:Mine", f"a.{'b' * 74}.py:X"]
)
def test_no_log_is_hidden(reference: str) -> None:
    assert not log_of(Path(), reference).name.startswith(".")
