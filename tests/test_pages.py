"""The pages: links and anchors resolve, what they name exists, and what they show runs."""

from __future__ import annotations

import functools
import itertools
import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.baseline import read_baseline
from harness.checks import every_check, temporary_checks
from harness.cli import main
from harness.config import Config
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.layers import LAYERS
from harness.minimise.verify import run_script

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MAKEFILE = ROOT / "Makefile"
PARSER = MarkdownIt("commonmark").enable("table")

TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
CONFIG_ID = re.compile(rf"\b(?:{'|'.join(LAYERS)})-[a-z0-9.-]+-s[0-9]{{6}}\b")
WRITTEN_BY_RUNS = ("reports/latest", "reports/scratch")


def listed(pattern: str) -> list[Path]:
    """Files of the repository, new ones too; not what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted({ROOT / line for line in done.stdout.splitlines() if (ROOT / line).exists()})


PAGES = listed("*.md")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def tokens(page: Path) -> Iterator[Token]:
    """All tokens of a page, those inside of others too."""
    for token in PARSER.parse(page.read_text("utf-8")):
        yield token
        yield from token.children or ()


@functools.cache
def anchors(page: Path) -> set[str]:
    """What `page.md#...` may name: headings, as GitHub derives it from them, and ids."""
    found = set(re.findall(r'<a id="([^"]+)"', page.read_text("utf-8")))
    every = list(tokens(page))
    for heading, inline in itertools.pairwise(every):
        if heading.type == "heading_open":
            words = "".join(t.content for t in inline.children or () if t.type != "softbreak")
            found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE.read_text("utf-8"), re.MULTILINE))


def code_in(page: Path) -> Iterator[str]:
    """Inline code and indented or fenced blocks."""
    return (t.content for t in tokens(page) if t.type in ("code_inline", "code_block", "fence"))


@every_page
def test_links_and_anchors_resolve(page: Path) -> None:
    for token in tokens(page):
        target = str(token.attrs.get("href") or token.attrs.get("src") or "")
        if not target or re.match("[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_relative_to(ROOT), target
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@every_page
def test_files_named_in_code_exist(page: Path) -> None:
    """Paths with a folder of this repository in front, and globs; by themselves in backticks."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for token in tokens(page):
        name = token.content
        if token.type != "code_inline" or "/" not in name or name.split("/")[0] not in folders:
            continue
        if re.search(r"\s", name) or name.startswith((".venv", *WRITTEN_BY_RUNS)):
            continue
        assert any(ROOT.glob(name.rstrip("/"))), name


@every_page
def test_make_targets_and_config_ids_exist(page: Path) -> None:
    named = {target for code in code_in(page) for target in TARGET.findall(code)}
    assert named <= targets()
    text = page.read_text("utf-8")
    for config_id in CONFIG_ID.findall(text):
        assert Config.parse(config_id).id == config_id
    assert "TODO" not in text


def test_the_front_page_is_short_and_leads_to_every_other() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 150
    linked = {str(t.attrs.get("href", "")) for t in tokens(README)}
    assert {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"} <= linked


def test_the_worst_differences_are_entries_of_the_baseline() -> None:
    table = README.read_text("utf-8").partition("## The worst differences")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    known = {entry.id for entry in read_baseline()}
    for row in rows:
        named = re.findall("`([a-z0-9-]+)`", row.split(" | ")[-1])
        assert named, row
        assert set(named) <= known, row


def test_the_check_that_contributors_are_shown_runs() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (block,) = re.findall(r"^ *```py\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    before = {one.name for one in every_check()}
    with temporary_checks():
        exec(compile(textwrap.dedent(block), "CONTRIBUTING.md", "exec"), {"__name__": "example"})
        (name,) = {one.name for one in every_check()} - before
        results = Session({"x": CorrectBackend()}).judge(Config.of(steps=3))
    assert [result.verdict for result in results if result.check == name] == ["pass"]


def test_the_example_implementation_is_complete_and_passes(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert code.count("\n") <= 20
    (tmp_path / "mine.py").write_text(code)
    arguments = ["--backend", f"{tmp_path}/mine.py:Mine", "--examples", "60", "--verbose"]
    result = CliRunner().invoke(main, ["run", "--out", str(tmp_path), *arguments])
    assert result.exit_code == 0, result.output
    assert "AS EXPECTED" in result.output
    assert "✓ pass" in result.output


def test_the_example_script_prints_what_it_says() -> None:
    page = (ROOT / "reports/README.md").read_text("utf-8")
    (script,) = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    printed = run_script(script)
    assert printed is not None
    assert len(printed.splitlines()) == 2
    assert all(f"`{line}`" in page for line in printed.splitlines())
