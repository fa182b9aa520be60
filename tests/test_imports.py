"""Imports point one way; frameworks, layers and messages are known only where they may be.

All of it is read from the source, as it is parsed: text of a script that is written is no code.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.layers import LAYERS

ROOT = Path(__file__).parent.parent

# Each module may import from harness only what stands before it.
ORDER = [
    # Words.
    *(
        "refusal",
        "shipped",
        "limits",
        "text",
        "logs",
        "verdicts",
        "causes",
        "probes",
        "tokens",
        "life",
        "aspects",
    ),
    # What is asked.
    *(
        "layers",
        "config",
        "data",
        "axes",
        "memory",
        "given",
        "case",
        "at_once",
        "moments",
        "strategies",
    ),
    # Who answers.
    *("bits", "floating_point", "backends", "calls", "faults", "calibrated_gradients", "oracle"),
    *("observe", "runners"),
    # How an answer is compared.
    *("quantised", "activation", "simplest", "comparison", "evidence", "significance"),
    # What is said of it.
    *("results", "schema", "requirements"),
    # The judges.
    *("layers/*", "judging", "checks"),
    # What is kept and expected of it.
    *("folder", "journal", "power", "baseline", "expectations", "blocks", "judge", "pipeline"),
    # What is made of many.
    *(
        "corpus",
        "expression",
        "environment",
        "dependence",
        "findings",
        "groups",
        "matrix",
        "build_corpus",
        "baseline_update",
    ),
    *("comparing", "reproducers", "figures", "outcome", "answer", "mapping", "minimise", "inquiry"),
    # What a user meets.
    *(
        "executors",
        "run",
        "selection",
        "selftest",
        "report",
        "own_layer",
        "pytest_plugin",
        "conformance",
        "cli",
    ),
]

REGISTRY = ("__init__.py", "record.py", "registry.py")
"""Of `harness.layers`; the other files are layers, which the registry imports when first asked."""

NAMES_A_LAYER = {
    "harness/config.py": "the layer of a config that names none",
}
"""Beside the layers' own files and the backends, which map names to the frameworks' classes."""

HARNESS = sorted((ROOT / "harness").rglob("*.py"))
REFERENCE = sorted((ROOT / "reference").rglob("*.py"))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text("utf-8"))))


def within(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Of a file, apart from what is imported for a type checker alone."""
    names: set[str] = set()
    unused = {
        one
        for node in nodes(path)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for body in node.body
        for one in ast.walk(body)
    }
    for node in nodes(path):
        if node in unused:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import, expected an absolute one"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def room_of(path: Path) -> str:
    """The entry of `ORDER` that a file of the harness belongs to."""
    parts = path.relative_to(ROOT / "harness").parts
    room = parts[0].removesuffix(".py")
    return "layers/*" if room == "layers" and parts[1] not in REGISTRY else room


def backward(order: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Files of the harness and what they import that is not before them in the order."""
    for path in HARNESS:
        room = room_of(path)
        if room == "__init__":
            continue
        used = {name.split(".")[1] for name in imports(path) if name.startswith("harness.")}
        for name in used - {"__version__", room.removesuffix("/*")}:
            if order.index(name) > order.index(room):
                yield within(path), name


def test_harness_imports_only_what_comes_before() -> None:
    assert {*ORDER, "__init__"} == {room_of(path) for path in HARNESS}
    assert list(backward(ORDER)) == []


def test_a_misplaced_module_is_seen() -> None:
    """First or last of all: it imports something of the harness, or something imports it."""
    for room in ORDER:
        others = [other for other in ORDER if other != room]
        assert [*backward([room, *others]), *backward([*others, room])], room


def test_reference_imports_numpy_and_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "numpy", "reference"}
    for path in REFERENCE:
        assert packages(path) <= allowed, path


def test_the_package_imports_nothing_of_its_tests() -> None:
    tests = {"tests", *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    for path in (*HARNESS, *REFERENCE):
        assert not packages(path) & tests, path


@pytest.mark.parametrize("framework", ["torch", "mindspore"])
def test_only_its_backend_imports_a_framework(framework: str) -> None:
    users = [within(path) for path in HARNESS if framework in packages(path)]
    assert users == [f"harness/backends/{framework}_backend.py"]


def test_the_command_line_imports_no_framework() -> None:
    code = "import sys, harness.cli; print([m for m in ('torch', 'mindspore') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def names_a_layer(path: Path) -> bool:
    """In a string of its own, by name or torch's class; or by importing its file."""
    names = {name for layer in LAYERS.values() for name in (layer.name, layer.title)}
    modules = tuple(
        f"harness.layers.{file.stem}" for file in HARNESS if room_of(file) == "layers/*"
    )
    literals = {node.value for node in nodes(path) if isinstance(node, ast.Constant)}
    return bool(names & literals) or any(f"{name}.".startswith(modules) for name in imports(path))


def test_only_layers_and_backends_name_a_layer() -> None:
    outside = [p for p in HARNESS if room_of(p) not in ("layers/*", "backends")]
    assert {within(p) for p in outside if names_a_layer(p)} == {*NAMES_A_LAYER}


ROOMS_OF_ANY_LAYER = ("checks", "judging", "observe", "minimise", "report")


def asked_for(node: ast.AST) -> object:
    """The name of an attribute, or a constant."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.value if isinstance(node, ast.Constant) else None


def test_no_option_of_one_layer_is_asked_for_elsewhere() -> None:
    """Such as nonlinearity: the mathematics asks the cell for its activations."""
    options = {option.name for layer in LAYERS.values() for option in layer.options}
    found = [
        f"{within(path)}: {ast.unparse(node)}"
        for path in HARNESS
        if room_of(path) in ROOMS_OF_ANY_LAYER
        for node in nodes(path)
        if asked_for(node) in options
    ]
    assert found == []


MATCHING = {"startswith", "endswith", "find", "index", "count", "split", "partition"}


def decides_by_wording(node: ast.AST) -> bool:
    """Whether this looks into a message, a reason or an error, or could by an expression."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return "re" in {getattr(node, "module", ""), *(alias.name for alias in node.names)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in MATCHING and is_text(node.func.value)
    if not isinstance(node, ast.Compare):
        return False
    sides = (node.left, *node.comparators)
    literal = any(isinstance(s, ast.Constant) and isinstance(s.value, str) for s in sides)
    inside = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
    return (literal or inside) and any(map(is_text, sides))


def is_text(node: ast.AST) -> bool:
    """Something called message, reason or error, or made of it."""
    names = (getattr(part, "attr", getattr(part, "id", "")) for part in ast.walk(node))
    return any(name.rpartition("_")[2] in ("message", "reason", "error") for name in names)


def test_no_check_decides_by_the_wording_of_a_message() -> None:
    judges = [path for path in HARNESS if room_of(path) in ("checks", "judging")]
    found = [
        f"{within(path)}: {ast.unparse(node)}"
        for path in judges
        for node in nodes(path)
        if decides_by_wording(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import re",
        "from re import search",
        "'nan' in message",
        "result.message != 'fine'",
        "outcome.error.lower().startswith('out of')",
        "'x' in str(error).split()",
    ],
)
def test_a_judge_of_wording_is_seen(code: str) -> None:
    assert any(map(decides_by_wording, ast.walk(ast.parse(code))))
