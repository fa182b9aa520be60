"""The mapping pages: what to change comes first, names are stable, and it is narrow."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from playwright.sync_api import Browser

from harness.baseline import read_baseline
from harness.causes import Cause
from harness.cli import main
from harness.config import Config
from harness.expectations import Expectations
from harness.journal import Journal
from harness.layers import LAYERS
from harness.report.mapping import page_of, render_mapping
from harness.report.porting import porting_of
from tests import browsing
from tests.synthetic_results import changed, line, written_header
from tests.synthetic_run import KNOWN, config_of, lines_of, synthetic_run

GITHUB = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 0 32px; }
table { border-collapse: collapse; } td, th { padding: 6px 13px; border: 1px solid; }
code { font-size: 85%; } pre { overflow: auto; }
"""
"""What GitHub gives a page of Markdown, as far as it takes room; no table of its own scrolls."""


@pytest.fixture(scope="module")
def page() -> str:
    outcome = synthetic_run(60)
    known = Expectations(read_baseline())
    return render_mapping(outcome.header, outcome.results, known, "1\n", "rnn")


def test_it_is_of_the_pinned_configs_alone(tmp_path: Path) -> None:
    """What one run draws, another does not."""
    lines = [line for n in range(12) for line in lines_of(config_of(n))]
    drawn = {line.config_id for line in lines if line.origin == "drawn"}
    with Journal.begin(tmp_path / "results.jsonl", written_header("torch", "mindspore")) as journal:
        journal.append(lines)
        journal.finish(lines)
    command = ["mapping", "--results", f"{tmp_path}/results.jsonl", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert isinstance(done.exception, SystemExit), done.exception
    text = page_of("rnn", tmp_path).read_text("utf-8")
    assert f"{12 - len(drawn)} configs" in text
    assert not any(one in text for one in drawn)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing.chromium() as one:
        yield one


def rendered(text: str) -> str:
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return f"<!doctype html><style>{GITHUB}</style>{body}"


def test_what_to_change_comes_first_the_riskiest_first(page: str) -> None:
    heads = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert heads[:3] == ["Porting", "The page's rows", "What the page does not say"]
    porting = page.partition("## Porting")[2].partition("\n## ")[0]
    assert "has_bias=True" in porting
    assert "theirs.get_parameter(parameter.name)" in porting
    assert f"](#{KNOWN})" in re.findall(r"^1\. .*$", porting, re.MULTILINE)[0]


def test_differences_have_their_names_and_no_numbers(page: str) -> None:
    assert f"### {KNOWN}\n" in page
    assert re.search(r"\]\(#d\d+\)", page) is None
    anchors = re.findall(r'<a id="([^"]+)">', page)
    named = {*anchors, *re.findall(r"^### (.*)$", page, re.MULTILINE)}
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= named


def test_a_row_is_a_verdict_and_a_sentence_with_its_evidence_below(page: str) -> None:
    table = page.partition("## The page's rows")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    heads, _, *rows = rows
    assert heads == ["Row", "torch", "mindspore", "mindspore<br>:graph", "In a sentence"]
    assert {len(row) for row in rows} == {len(heads)}
    for row in rows:
        assert len(row[-1]) < 260
        assert "`" not in row[-1]
        concluded = any(sign in cell for cell in row[1:-1] for sign in "✓≠")
        assert concluded <= row[-1].count("[evidence](#row-") <= 1


def page_of_layer(layer: str, **changes: object) -> str:
    """Of a layer that answers as the equation says, with one failure of mindspore if changed."""
    given = {"input_size": 5, "hidden_size": 4, "batch": 2}
    results = [
        changed(line(n, 0.1), backend=backend, verdict="pass", cause=None, config_id=one.id)
        for n in range(3)
        for one in [Config.of(layer, seed=n, dtype="fp64", **given)]
        for backend in ("torch", "mindspore")
    ]
    if changes:
        results[-1] = changed(results[-1], verdict="fail", **changes)
    known = Expectations(read_baseline())
    return render_mapping(synthetic_run(12).header, results, known, "1\n", layer)


def test_nothing_links_to_evidence_that_is_not_there() -> None:
    text = page_of_layer("gru")
    linked, evidence = set(re.findall(r"\[evidence\]\(#([^)]+)\)", text)), {}
    for name, said in re.findall(r'^- <a id="([^"]+)"></a>.*?: (.*)$', text, re.MULTILINE):
        evidence[name] = said
    assert linked == set(evidence)
    assert all(evidence.values())
    assert "growth" not in linked
    assert "equation" in linked


def test_what_to_change_stands_with_what_it_is_for(page: str) -> None:
    porting = page.partition("What else to change")[2].partition("\n## ")[0]
    first = next(one for one in porting.splitlines() if one.startswith("1. "))
    assert first.startswith("1. With trained or scaled weights")
    assert first.endswith(f"**{next(e.remedy for e in read_baseline() if e.id == KNOWN)}**")


@pytest.mark.parametrize("layer", [name for name in LAYERS if LAYERS[name].single_step])
def test_of_a_cell_nothing_is_said_that_takes_steps_or_layers(layer: str) -> None:
    text = page_of_layer(layer)
    for word in (
        "(T, ",
        "last valid step and",
        "either layout",
        "in different orders",
        "output and",
    ):
        assert word not in text


def test_a_row_that_one_of_the_two_does_not_have_says_so() -> None:
    (row,) = re.findall(r"^\| proj_size.*$", page_of_layer("lstm"), re.MULTILINE)
    assert "→ –" in row
    assert "mindspore has none" in row
    assert "(#row-)" not in row


def test_that_float64_is_computed_in_float32_is_said_of_float64_alone() -> None:
    text = page_of_layer("lstm", cause=Cause.PRECISION, known="mindspore-lstm-double-in-single")
    differing = re.findall(r"^\| ([^|]*) \|[^|]*\| ≠ \|", text, re.MULTILINE)
    assert differing == [
        "Every state is what the documented equation gives, to rounding",
        "float64 is computed to float64 precision",
    ]


@pytest.mark.parametrize("width", [890, 1280])
def test_it_fits_without_scrolling(page: str, browser: Browser, tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text(rendered(page), "utf-8")
    with browsing.visiting(browser, viewport={"width": width, "height": 900}) as visit:
        visit.page.goto((tmp_path / "page.html").as_uri())
        tables = "[...document.querySelectorAll('table')].map(one => one.getBoundingClientRect())"
        ends = visit.page.evaluate(f"{tables}.map(box => box.right)")
        assert max(ends) <= width
        last = (
            "[...document.querySelectorAll('table tr > :last-child')].map(one => one.offsetWidth)"
        )
        assert max(visit.page.evaluate(last)) >= 220
        code = "[...document.querySelectorAll('pre')].map(one => one.scrollWidth - one.clientWidth)"
        assert visit.page.evaluate(code)[:3] == [0, 0, 0]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_lines_for_a_port_run_and_give_the_same(layer: str) -> None:
    import mindspore
    import torch

    config, porting = Config.of(layer), porting_of(layer)
    steps = () if config.record.single_step else (5,)
    layers = () if config.record.single_step else (4,)
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(3, *steps, 10))}
    arrays |= {f"{state}_0": rng.normal(size=(*layers, 3, 16)) for state in config.cell.states}
    lengths = [5, 2, 3]
    names: dict[str, Any] = {"torch": torch, "mindspore": mindspore}
    values = []
    for code, tensor in ((porting.torch, torch.tensor), (porting.mindspore, mindspore.Tensor)):
        given = {name: tensor(array.astype("f")) for name, array in arrays.items()}
        names |= given | {"lengths": tensor(np.array(lengths, np.int64))}
        exec(code, names)
    exec(porting.weights, names)
    names["theirs"].eval()
    names["ours"].set_train(False)
    for code, tensor in ((porting.torch, torch.tensor), (porting.mindspore, mindspore.Tensor)):
        names |= {name: tensor(array.astype("f")) for name, array in arrays.items()}
        names["lengths"] = tensor(np.array(lengths, np.int64))
        exec(calls_of(code), names)
        first = "h_1" if config.record.single_step and len(config.cell.states) == 1 else None
        value = names[first] if first else names["output" if steps else "h_1"]
        values.append(value.detach().numpy() if tensor is torch.tensor else value.asnumpy())
    assert np.abs(values[0] - values[1]).max() < 5e-4


def calls_of(code: str) -> str:
    """Without what builds the layer or sets its mode."""
    kept = [
        one
        for one in ast.parse(code).body
        if not (isinstance(one, ast.Expr) or ast.unparse(one).startswith(("theirs = ", "ours = ")))
    ]
    return "\n".join(map(ast.unparse, kept))


def test_lines_of_code_are_short() -> None:
    for layer in LAYERS:
        porting = porting_of(layer)
        lines = "\n".join((porting.torch, porting.mindspore, porting.weights)).splitlines()
        assert max(map(len, lines)) <= 92
        assert all(one or other for one, other in pairwise(lines))
