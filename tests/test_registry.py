"""A check is one file that registers itself: asked, reported and in the table, and gone again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.checks import check, check_named, every_check, temporary_checks
from harness.checks.table import PAGE, checks_page
from harness.config import Config
from harness.expectations import Expectations
from harness.faults.correct import CorrectBackend
from harness.findings import find
from harness.judge import Session
from harness.judging.applies import VALUES
from harness.requirements import REQUIREMENTS
from harness.verdicts import Verdict

ROOT = Path(__file__).parent.parent


ADDED = """
from harness.checks import Need, check
from harness.comparison import Comparison
from harness.judging.applies import VALUES
from harness.probes import Probe
from harness.verdicts import Verdict


@check(
    requirement="equation",
    difference="an output is larger than a million",
    applies=VALUES,
    needs=(Need.OUTPUTS,),
    probes=(Probe.ZERO,),
)
def no_large_output(evidence):
    output = evidence.outputs["output"]
    small = bool((abs(output) < 1e6).all())
    yield Comparison("output", Verdict.PASS if small else Verdict.FAIL, output.size)
"""


@pytest.fixture
def _added(tmp_path: Path) -> Iterator[None]:
    with temporary_checks():
        exec(ADDED, {})
        yield


@pytest.mark.usefixtures("_added")
def test_a_check_that_is_added_is_asked_and_reported() -> None:
    results = Session({"x": CorrectBackend()}).judge(Config.of(steps=2))
    (result,) = [result for result in results if result.check == "no_large_output"]
    assert (result.requirement, result.verdict) == ("equation", "pass")
    failed = msgspec.structs.replace(result, verdict=Verdict.FAIL)
    (finding,) = find(Expectations().join([failed]))
    assert finding.difference == "an output is larger than a million"
    assert "| `no_large_output` | " in checks_page()


@pytest.mark.parametrize(
    "command",
    [
        ("pytest", "-q", "tests/test_conformance.py", "-p", "no_large_output", "-k", "{select}"),
        ("harness.cli", "run", "--backend", "torch", "--examples", "0", "--out", "{out}"),
    ],
    ids=lambda command: str(command[0]),
)
def test_a_check_in_a_file_of_its_own_is_run_and_selected(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "no_large_output.py").write_text(ADDED, "utf-8")
    select = "no_large_output and torch and rnn-relu-l04-nobias-withstates-page"
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(Config.of(steps=2).id, "utf-8")
    module, *options = (part.format(select=select, out=tmp_path / "out") for part in command)
    if module == "harness.cli":
        options += ["--corpus", str(corpus), "--no-reproducers"]
    load = "" if module == "pytest" else "import no_large_output; "
    script = f"{load}import runpy; runpy.run_module({module!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if module == "pytest":
        assert re.search(r"[1-9] passed, \d+ deselected", done.stdout)
    else:
        lines = (tmp_path / "out/results.jsonl").read_text("utf-8")
        assert '"check":"no_large_output"' in lines


def test_it_is_gone_again_and_others_are_left_out_for_a_while() -> None:
    assert check_named("no_large_output") is None
    with temporary_checks(without=("prefix",)):
        assert check_named("prefix") is None
    assert check_named("prefix") is not None


def test_a_name_is_taken_once_and_requirements_exist() -> None:
    with temporary_checks():
        register = check(requirement="equation", difference="", applies=VALUES, name="prefix")
        with pytest.raises(ValueError, match="'prefix' exists already"):
            register(lambda evidence: iter(()))
        register = check(requirement="no-such", difference="", applies=VALUES, name="new")
        with pytest.raises(ValueError, match=r"requirements \['no-such'\]"):
            register(lambda evidence: iter(()))


@pytest.mark.usefixtures("_added")
def test_the_order_is_that_of_the_requirements() -> None:
    first, *others = every_check()
    assert first.name == "transfer"
    places = [list(REQUIREMENTS).index(one.requirement) for one in others if one.requirement]
    assert places == sorted(places)


def test_a_check_has_the_name_of_its_file_and_of_its_function() -> None:
    for one in every_check():
        module = one.run.__module__.rpartition(".")[2]
        assert one.name == module == getattr(one.run, "__name__", ""), one.name


def test_the_table_of_checks_is_up_to_date() -> None:
    """If this fails: python -m harness.checks."""
    assert PAGE.read_text("utf-8") == checks_page()
