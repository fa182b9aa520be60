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
    "aspects",
    "tokens",
    "layers",
    "config",
    "data",
    "axes",
    "case",
    "strategies",
    "bits",
    "floating_point",
    "backends",
    "calls",
    "faults",
    "oracle",
    "observe",
    "runners",
    "activation",
    "comparison",
    "evidence",
    "significance",
    "results",
    "schema",
    "requirements",
    "layers/*",
    "judging",
    "checks",
    "journal",
    "power",
    "baseline",
    "expectations",
    "judge",
    "corpus",
    "build_corpus",
    "environment",
    "findings",
    "matrix",
    "baseline_update",
    "comparing",
    "mapping",
    "reproducers",
    "figures",
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

REGISTRY = ("__init__.py", "record.py", "registry.py")
"""Of `harness.layers`; the other files are layers, which the registry imports when first asked."""


def imports(path: Path) -> set[str]:
    """Of a file, apart from what is imported for a type checker alone."""
    names: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    unused = {
        one
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for one in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unused:
            continue
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
    parts = path.relative_to(ROOT / "harness").parts
    room = parts[0].removesuffix(".py")
    if room == "__init__":
        return
    is_layer = room == "layers" and parts[1] not in REGISTRY
    place = ORDER.index("layers/*" if is_layer else room)
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
