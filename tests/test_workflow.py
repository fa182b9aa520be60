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
    assert "schedule" in whole["if"]
    versions = {(one["python"], one.get("torch")) for one in whole["strategy"]["matrix"]["include"]}
    assert len(versions) >= 4
    assert any(torch for _, torch in versions)
    assert "rnn-parity diff reports/before reports/latest" in whole["steps"][-2]["run"]


def test_a_pull_request_is_judged_once_and_its_older_runs_end() -> None:
    workflow = yaml.safe_load(WORKFLOW.read_text("utf-8"))
    assert workflow[True]["push"] == {"branches": ["main"]}
    assert "pull_request" in workflow["concurrency"]["cancel-in-progress"]
    assert "github.ref" in workflow["concurrency"]["group"]


GH = """#!/bin/sh
echo "$@" >> calls
case "$*" in
  *--paginate*) printf "$COMMENTS";;
  *"run list"*) printf "$LAST";;
  *"run download"*) exit 1;;
esac
"""
"""Writes down how it is called, and answers as it is told."""


def called(folder: Path, name: str, step: str, **answers: str) -> tuple[list[str], str]:
    """How a step calls GitHub's own command, and what it prints."""
    (script,) = (s["run"] for s in job(name)["steps"] if s.get("name") == step)
    (folder / "gh").write_text(GH, "utf-8")
    (folder / "gh").chmod(0o755)
    (folder / "reports/latest").mkdir(parents=True)
    (folder / "reports/latest/summary.md").write_text("# the summary", "utf-8")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": path, "PR": "7", "GITHUB_REPOSITORY": "a/b", "ARTIFACT": "parity-x"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **given, **answers},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "calls").read_text("utf-8").splitlines(), done.stdout


@pytest.mark.parametrize(
    ("comments", "last"),
    [
        ("", "pr comment 7 --body-file reports/comment.md"),
        (r"11\n12\n", "--method PATCH repos/a/b/issues/comments/11 --field body=@reports/"),
    ],
    ids=["new", "there"],
)
def test_the_comment_is_found_by_its_marker(comments: str, last: str, tmp_path: Path) -> None:
    """The last one of the same account may be that of another job."""
    (asked, done), _ = called(tmp_path, "quick", "Comment", COMMENTS=comments)
    marker = "<!-- rnn-parity: quick -->"
    assert marker in asked
    assert last in done
    written = (tmp_path / "reports/comment.md").read_text("utf-8")
    assert written == f"{marker}\n# the summary"


@pytest.mark.parametrize(
    ("last", "told"),
    [("", "::notice::no scheduled run succeeded yet"), ("5", "::warning::run 5 has no artifact")],
)
def test_that_there_is_nothing_to_compare_with_is_said(
    last: str, told: str, tmp_path: Path
) -> None:
    (asked, *_), printed = called(tmp_path, "parity", "The last run", LAST=last)
    assert "--status success" in asked
    assert told in printed


MAKEFILE = ROOT / "Makefile"


@pytest.mark.parametrize(
    ("named", "kept"),
    [("TORCH=2.9.1", "mindspore=="), ("MINDSPORE=2.8.0", "torch==")],
)
def test_other_versions_leave_all_else_as_it_is_pinned(
    named: str, kept: str, tmp_path: Path
) -> None:
    command = ["make", "-n", "-f", str(MAKEFILE), "parity", named, f"VENV={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (one for one in done.stdout.replace("\\\n", "").splitlines() if "grep" in one)
    pins, _, install = line.partition("&&")
    assert f"-c {tmp_path}/others.txt" in install
    subprocess.run(pins, shell=True, cwd=ROOT, check=True)  # noqa: S602 - the Makefile's own
    every = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    left = (tmp_path / "others.txt").read_text("utf-8").splitlines()
    (gone,) = {*every} - {*left}
    assert gone.startswith(named.partition("=")[0].lower() + "==")
    assert any(one.startswith(kept) for one in left)


def test_setting_up_says_what_comes_next() -> None:
    command = ["make", "-n", "--no-print-directory", "-f", str(MAKEFILE), "setup"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "is ready. Next: make quick" in done.stdout.splitlines()[-1]


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
