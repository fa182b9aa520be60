"""Writes the mapping page: its Markdown, and its example run in a fresh interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import Config
from harness.expectations import Expectations, Judged
from harness.layers import LAYERS
from harness.mapping import Difference, Line, MeasuredRow, Starred, measure
from harness.report.answering import way_size
from harness.report.markdown import Markdown, as_code, as_text, markdown_templates
from harness.report.porting import porting_of
from harness.report.wording import plural
from harness.text import one_line
from harness.verdicts import ReportState, Verdict

__all__ = ["MAPPING_PAGES", "example_of", "page_of", "render_mapping", "run_example"]

TEMPLATES = Path(__file__).with_name("templates")

MAPPING_PAGES = Path("reports/mapping")


def page_of(layer: str, folder: Path = MAPPING_PAGES) -> Path:
    """Where the page of a layer stands: RNN.md."""
    return folder / f"{LAYERS[layer].title}.md"


def example_of(layer: str) -> Path:
    """The script of the page's example."""
    return TEMPLATES / f"mapping_example_{LAYERS[layer].title}.py.txt"


def render_mapping(
    header: Mapping[str, Any],
    results: Sequence[Judged],
    known: Expectations,
    printed: str,
    layer: str = Config.layer,
) -> str:
    """The page as Markdown; `printed` is what the example printed."""
    results = [result for result in results if Config.parse(result.config_id).layer == layer]
    page = measure(results, known, layer)
    environment = markdown_templates(TEMPLATES)
    environment.globals |= {
        "measured": _measured,
        "named": _named,
        "anchor": _anchor,
        "evidence": _evidence,
        "evidence_link": _evidence_link,
        "head": lambda backend: Markdown(as_text(backend).replace(":", "<br>:")),
        "sign": _sign,
        "mark": _mark,
        "size": way_size,
    }
    return environment.get_template("mapping.md.j2").render(
        page=page,
        title=LAYERS[layer].title,
        notes=LAYERS[layer].notes,
        porting=porting_of(layer),
        single_step=LAYERS[layer].single_step,
        remedies=_remedies(page.differences),
        header=header,
        configs=len({result.config_id for result in results}),
        comparisons=len(results),
        example=example_of(layer).read_text("utf-8"),
        printed=printed,
    )


def run_example(layer: str = Config.layer) -> str:
    """What the page's example prints, with this interpreter; if it fails, a line that says so."""
    script = example_of(layer).read_text("utf-8")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    last = (done.stderr.splitlines() or [""])[-1]
    return f"{done.stdout}(the example ended with {done.returncode}: {one_line(last, 300)})\n"


def _remedies(differences: Sequence[Difference]) -> dict[str, Markdown]:
    """What to do, in the order of the gravest that it is for, and what all of these are."""
    found: dict[str, list[str]] = {}
    for one in differences:
        if one.entry.remedy:
            problem = f"{as_text(_in_short(one.entry.statement))} ({_named(one)})"
            found.setdefault(one.entry.remedy, []).append(problem)
    return {remedy: Markdown(". ".join(problems)) for remedy, problems in found.items()}


def _in_short(statement: str) -> str:
    """What a statement begins with: what the other does, or why, comes after it."""
    return re.split("; |: ", statement)[0].rstrip(".")


def _anchor(row: MeasuredRow) -> str:
    """Of its evidence: the row's place on MindSpore's page, which no run moves."""
    name = row.row.mindspore.strip("-") or row.row.torch
    return "row-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _measured(row: MeasuredRow) -> Markdown:
    """What a valid call gives or, where it differs, the worst of it; and where the evidence is."""
    same = all(one.state is Verdict.PASS for one in row.verdicts.values())
    link = f"; [evidence](#{_anchor(row)})" * bool(_evidence(row))
    if same:
        calls = f", but {plural(len(row.differences), 'other call')}" * bool(row.called)
        return Markdown(f"The same in {plural(row.configs, 'config')}{calls}{link}")
    if row.differences:
        worst, *others = row.differences
        more = f" (and {len(others)} more)" if others else ""
        return Markdown(f"{as_text(worst.entry.statement.rstrip('.'))}{more}{link}")
    if not row.row.mindspore.strip("-"):
        return Markdown(f"mindspore has none{link}")
    if not row.configs:
        return Markdown(f"No verdict: nothing that was compared could have shown a fault{link}")
    return Markdown(f"Measured in {plural(row.configs, 'config')}{link}")


def _evidence(row: MeasuredRow | Line) -> Markdown:
    """The differences of a row by their names, and a command."""
    names = ", ".join(map(_named, row.differences))
    return Markdown(f"{names}{'; ' * bool(names and row.replay)}{as_code(row.replay)}")


def _evidence_link(line: Line) -> Markdown:
    """None where there is none."""
    return Markdown(f"[evidence](#{line.key})" if _evidence(line) else "")


def _named(difference: Difference) -> Markdown:
    """Its name, as a link to it."""
    return Markdown(f"[{difference.entry.id}](#{difference.entry.id})")


def _sign(row: MeasuredRow, backend: str) -> str:
    """The verdict on valid calls, and a mark where other calls differ."""
    verdict = row.verdicts[backend]
    if backend not in row.called or verdict.state is ReportState.EXPECTED_FAILURE:
        return _mark(verdict)
    return f"{_mark(verdict)} {ReportState.EXPECTED_FAILURE.sign} calls"


def _mark(verdict: Starred) -> str:
    """A sign, with the word where it is no usual one."""
    if verdict.state is Verdict.FAIL:
        return f"{verdict.state.sign} unexpected"
    unusual = verdict.state in (Verdict.ERROR, ReportState.UNTESTED)
    return (verdict.state.mark if unusual else verdict.state.sign) + "*" * verdict.star
