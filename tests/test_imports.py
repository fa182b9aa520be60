"""Imports point one way, and frameworks are imported only where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Each module may import from harness only what stands before it.
ORDER = [
    "text",
    "verdicts",
    "causes",
    "probes",
    "processor",
    "aspects",
    "tokens",
    "config",
    "layout",
    "strategies",
    "case",
    "bits",
    "calls",
    "backends",
    "floating_point",
    "planted",
    "observe",
    "runners",
    "activation",
    "faults",
    "oracle",
    "comparison",
    "evidence",
    "significance",
    "results",
    "schema",
    "requirements",
    "judging",
    "checks",
    "journal",
    "power",
    "expectations",
    "pinned",
    "judge",
    "corpus",
    "build_corpus",
    "draw",
    "environment",
    "findings",
    "consequence",
    "baseline_update",
    "comparing",
    "mapping",
    "reproducers",
    "exhibits",
    "dependence",
    "outcome",
    "minimise",
    "run",
    "selection",
    "selftest",
    "report",
    "pytest_plugin",
    "cli",
]


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_reference_imports_numpy_and_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "reference"}
    for path in (ROOT / "reference").glob("*.py"):
        assert {name.partition(".")[0] for name in imports(path)} <= allowed, path


@pytest.mark.parametrize(
    "path", sorted((ROOT / "harness").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_harness_imports_only_what_comes_before(path: Path) -> None:
    room = path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")
    if room == "__init__":
        return
    place = ORDER.index(room)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("harness.")}
    later = [name for name in used - {"__version__", room} if ORDER.index(name) > place]
    assert later == []


def test_the_package_imports_nothing_of_its_tests() -> None:
    for room in ("harness", "reference"):
        for path in (ROOT / room).rglob("*.py"):
            assert "tests" not in {name.partition(".")[0] for name in imports(path)}, path


@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_only_its_backend_imports_a_framework(framework: str) -> None:
    users = [
        path.name
        for path in (ROOT / "harness").rglob("*.py")
        if framework in {name.partition(".")[0] for name in imports(path)}
    ]
    assert users == [f"{framework}_backend.py"]


def test_the_command_line_imports_no_framework() -> None:
    code = "import sys, harness.cli; print([m for m in ('torch', 'mindspore') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
