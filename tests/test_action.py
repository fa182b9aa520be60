"""The reusable action: what an established validator says of it, and its steps, run as written."""

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

ROOT = Path(__file__).parent.parent
ACTION = ROOT / "action.yml"
FAULTY = Path(__file__).with_name("faulty.py")
CONFIG = Config.of(input_size=3, hidden_size=4, batch=6, steps=5, states=True)


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text("utf-8"))
    return found


def test_the_action_is_valid() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    command += ["vendor.github-actions", str(ACTION)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_inputs_reach_the_shell_as_data_alone() -> None:
    """An expression in a script would be code of whoever gives the input."""
    inputs = set(action()["inputs"])
    handed: set[str] = set()
    for step in action()["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        given = {**step.get("env", {}), **step.get("with", {})}
        handed |= {x for v in given.values() for x in re.findall(r"inputs\.(\w+)", v)}
    assert handed == inputs


def test_the_reports_are_uploaded_unless_the_name_is_empty() -> None:
    (upload,) = (one for one in action()["runs"]["steps"] if "uses" in one)
    assert upload["uses"].startswith("actions/upload-artifact@")
    assert upload["if"] == "always() && inputs.artifact != ''"
    assert upload["with"]["path"] == "${{ inputs.out }}"
    assert action()["inputs"]["artifact"]["default"]


def test_it_says_which_python_it_needs() -> None:
    assert "Python 3.10 to 3.12" in action()["description"]


def run_steps(folder: Path, **inputs: str) -> tuple[list[int], str]:
    """Exit codes and output of all steps but the installation, in a folder of somebody's own."""
    values = {name: str(one.get("default", "")) for name, one in action()["inputs"].items()}
    values |= inputs
    codes, printed = [], ""
    for step in (one for one in action()["runs"]["steps"][1:] if "run" in one):
        given = {
            name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: values[m[1]], text)
            for name, text in step["env"].items()
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=folder,
            env={
                **os.environ,
                **given,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            },
            capture_output=True,
            text=True,
        )
        codes.append(done.returncode)
        printed += done.stdout + done.stderr
    return codes, printed


@pytest.mark.parametrize(("fault", "code"), [("right", 0), ("shape", 1)])
def test_the_steps_run_as_written(fault: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(CONFIG.id, "utf-8")
    (tmp_path / "known.toml").write_text("includes_installed = true\n", "utf-8")
    codes, printed = run_steps(
        tmp_path,
        mode="full",
        backends=f"{FAULTY}:{fault}",
        baseline="known.toml",
        options="--corpus corpus.txt --examples 0",
    )
    assert codes == [code, 0], printed
    assert (tmp_path / "summary.md").read_text("utf-8").startswith("# rnn-parity")
    assert (tmp_path / "parity-report" / "report.html").exists()
    assert bool(re.search("^::error title=", printed, re.MULTILINE)) == bool(code)


def test_annotations_can_be_left_out_and_another_mode_is_refused(tmp_path: Path) -> None:
    codes, printed = run_steps(tmp_path, mode="slow", annotations="false")
    assert codes == [2, 0]
    assert "mode = 'slow', expected quick or full" in printed


def test_a_quick_run_asks_for_the_backends_by_name(tmp_path: Path) -> None:
    """Two words become two options; whatever they say is no command."""
    codes, printed = run_steps(tmp_path, backends="nosuch $(touch x)")
    assert codes == [2, 0]
    assert "'nosuch' is not known" in printed
    assert not (tmp_path / "x").exists()
