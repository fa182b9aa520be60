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
from harness.outcome import Outcome
from harness.report.annotations import workflow_commands
from tests.synthetic_results import line

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


def steps() -> list[dict[str, Any]]:
    found = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]["parity"]["steps"]
    return [step for step in found if "run" in step]


def test_the_workflow_hands_on_its_inputs() -> None:
    job = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    wanted = {"TORCH": "torch", "MINDSPORE": "mindspore", "RUN": "options"}
    given = job["jobs"]["parity"]["env"]
    assert "'quick' || 'parity'" in given.pop("TARGET")
    assert given == {k: f"${{{{ inputs.{v} }}}}" for k, v in wanted.items()}
    inputs = job[True]["workflow_dispatch"]["inputs"]  # YAML 1.1 reads `on` as true
    assert set(inputs) == set(wanted.values())


@pytest.mark.parametrize(("fault", "code"), [("right", 0), ("shape", 1)])
def test_the_steps_of_the_workflow_run_as_written(fault: str, code: int, tmp_path: Path) -> None:
    """In a clone, with the environment that is installed; on one config."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--local", str(ROOT), str(clone)], check=True)
    environment = Path(sys.executable).parent.parent
    (clone / ".venv").symlink_to(environment)
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(clone / name, (0, 0))  # older than what is installed: nothing is set up again
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(CONFIG.id, "utf-8")
    summary = tmp_path / "summary.md"
    given = {
        **os.environ,
        "TARGET": "parity",
        "TORCH": "",
        "MINDSPORE": "",
        "RUN": f"--backend {FAULTY}:{fault} --corpus {corpus} --examples 0",
        "GITHUB_STEP_SUMMARY": str(summary),
        "PYTHONPATH": str(ROOT),
    }
    printed = []
    for number, step in enumerate(steps()):
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(shell, cwd=clone, env=given, capture_output=True, text=True)
        made = 2 if code and number == 0 else 0  # make's own code for a command that failed
        assert done.returncode == made, done.stdout + done.stderr
        printed.append(done.stdout)
    assert summary.read_text("utf-8").startswith("# rnn-parity")
    assert (clone / "reports/latest/report.html").exists()
    errors = [line for line in printed[-1].splitlines() if line.startswith("::error title=")]
    assert bool(errors) == bool(code)


def test_annotations_are_one_line_each_and_escaped() -> None:
    texts = {"message": "100% off", "replay": "rnn-parity replay x"}
    wrong = line(1, 2.0, backend="mine", cause="unexplained", **texts)
    outcome = Outcome({"versions": {}}, [wrong], vanished=["entry 'a': gone,\nquite"])
    first, second = workflow_commands(outcome)
    title = "mine differs%2C and no cause is established%3A states that no correct evaluation"
    assert first.startswith(f"::error title={title}")
    assert "100%25 off%0Arnn-parity replay x" in first
    assert second.endswith("::entry 'a': gone,%0Aquite")
