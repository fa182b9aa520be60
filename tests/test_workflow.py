"""The CI files: what established validators say of them, and their shell steps, run as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config import Config
from harness.journal import Journal
from harness.outcome import Outcome
from harness.report.annotations import workflow_commands
from tests.synthetic_results import line, written_header

ROOT = Path(__file__).parent.parent
WORKFLOW = ROOT / ".github/workflows/parity.yml"
FAULTY = Path(__file__).with_name("faulty.py")
CONFIG = Config.of(input_size=3, hidden_size=4, batch=6, steps=5, states=True)


def validate(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_is_valid() -> None:
    validate("vendor.github-workflows", WORKFLOW)


def test_the_gitlab_job_of_the_pages_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "reports/README.md").read_text("utf-8")
    (block,) = (b for b in re.findall(r"```yaml\n(.*?)```", page, re.S) if "script:" in b)
    path = tmp_path / ".gitlab-ci.yml"
    path.write_text(block, "utf-8")
    validate("vendor.gitlab-ci", path)


def job(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"][name]
    return found


def steps(name: str) -> list[dict[str, Any]]:
    """Those that run commands, but not where GitHub's own are called."""
    every = [step for step in job(name)["steps"] if "run" in step]
    return [step for step in every if "GH_TOKEN" not in step.get("env", {})]


def test_the_workflow_hands_on_its_inputs() -> None:
    """Of a run by hand; else the versions of the matrix."""
    given = job("parity")["env"]
    assert given["RUN"] == "${{ inputs.options }}"
    for name in ("torch", "mindspore"):
        assert given[name.upper()] == f"${{{{ inputs.{name} || matrix.{name} }}}}"
    inputs = yaml.safe_load(WORKFLOW.read_text("utf-8"))[True]["workflow_dispatch"]["inputs"]
    assert set(inputs) == {"torch", "mindspore", "options"}  # YAML 1.1 reads `on` as true


def test_a_change_has_a_quick_run_and_a_schedule_a_whole_one_of_several_versions() -> None:
    quick, whole = job("quick"), job("parity")
    assert "pull_request" in quick["if"]
    assert [one["run"] for one in quick["steps"] if one.get("name", "").startswith("Judge")] == [
        "make quick"
    ]
    comments = [one["run"] for one in quick["steps"] if "gh pr comment" in one.get("run", "")]
    assert len(comments) == 1
    assert "reports/latest/summary.md" in comments[0]
    assert "schedule" in whole["if"]
    versions = {(one["python"], one.get("torch")) for one in whole["strategy"]["matrix"]["include"]}
    assert len(versions) >= 4
    assert any(torch for _, torch in versions)
    assert "rnn-parity diff reports/before reports/latest" in whole["steps"][-2]["run"]


@pytest.mark.parametrize(("fault", "code"), [("right", 0), ("shape", 1)])
@pytest.mark.parametrize("name", ["quick", "parity"])
def test_the_steps_of_the_workflow_run_as_written(
    name: str, fault: str, code: int, tmp_path: Path
) -> None:
    """In a clone, with the environment that is installed; on one config, or the quick ones."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(clone)], check=True)
    environment = Path(sys.executable).parent.parent
    (clone / ".venv").symlink_to(environment)
    for file in ("pyproject.toml", "constraints.txt"):
        os.utime(clone / file, (0, 0))  # older than what is installed: nothing is set up again
    summary = tmp_path / "summary.md"
    given = {
        **os.environ,
        "TORCH": "",
        "MINDSPORE": "",
        "RUN": f"--backend {FAULTY}:{fault} {few(tmp_path, name)}",
        "GITHUB_STEP_SUMMARY": str(summary),
        "PYTHONPATH": str(ROOT),
    }
    if name == "parity":
        before(clone / "reports/before")
    printed = []
    for number, step in enumerate(steps(name)):
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(shell, cwd=clone, env=given, capture_output=True, text=True)
        made = 2 if code and number == 0 else 0  # make's own code for a command that failed
        changed = code if "rnn-parity diff" in step["run"] else made
        assert done.returncode == changed, done.stdout + done.stderr
        printed.append(done.stdout)
    assert summary.read_text("utf-8").startswith("# rnn-parity")
    assert (clone / "reports/latest/report.html").exists()
    errors = [line for line in printed[2].splitlines() if line.startswith("::error title=")]
    assert bool(errors) == bool(code)


def few(folder: Path, name: str) -> str:
    """Options of a run of little; a quick run has its own configs, of which a word selects some."""
    if name == "quick":
        return "--in-process --select 'values and fp64'"
    corpus = folder / "corpus.txt"
    corpus.write_text(CONFIG.id, "utf-8")
    return f"--in-process --corpus {corpus}"


def before(out: Path) -> None:
    """What correct implementations of the same names left the last time."""
    names = ("faulty", "right")
    first = written_header(*names)
    fields = {"config_id": CONFIG.id, "verdict": "pass", "cause": None, "part": "layer 0 forward"}
    passing = [line(1, 0.5, backend=name, **fields) for name in names]
    out.mkdir(parents=True)
    with Journal.begin(out / "results.jsonl", first) as journal:
        journal.append(passing)
        journal.finish(passing)


def test_annotations_are_one_line_each_and_escaped() -> None:
    texts = {"message": "100% off", "replay": "rnn-parity replay x"}
    wrong = line(1, 2.0, backend="mine", cause="unexplained", **texts)
    outcome = Outcome({"versions": {}}, [wrong], vanished=["entry 'a': gone,\nquite"])
    first, second = workflow_commands(outcome)
    title = "mine differs%2C and no cause is established%3A states that no correct evaluation"
    assert first.startswith(f"::error title={title}")
    assert "100%25 off%0Arnn-parity replay x" in first
    assert second.endswith("::entry 'a': gone,%0Aquite")
