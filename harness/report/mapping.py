"""Writes the mapping page: its Markdown, and its example run in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import Config
from harness.expectations import Expectations, Judged
from harness.layers import LAYERS
from harness.mapping import Difference, MeasuredRow, Starred, measure
from harness.report.markdown import Markdown, as_text, markdown_templates
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
        "links": _links,
        "caused_by": lambda cause: _links([d for d in page.differences if cause in d.entry.causes]),
        "sign": _sign,
        "mark": _mark,
    }
    return environment.get_template("mapping.md.j2").render(
        page=page,
        title=LAYERS[layer].title,
        notes=LAYERS[layer].notes,
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


def _measured(row: MeasuredRow) -> Markdown:
    """What a valid call gives, and one sentence for each difference."""
    same = all(one.state is Verdict.PASS for one in row.verdicts.values())
    sentences = [f"The same, in {plural(row.configs, 'config')}."] if same else []
    if same and row.called:
        sentences = [f"Valid calls: the same, in {plural(row.configs, 'config')}. But:"]
    sentences += [f"{as_text(d.entry.statement)} {_links([d])}" for d in row.differences]
    return Markdown(" ".join(sentences))


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


def _links(differences: Sequence[Difference]) -> Markdown:
    return Markdown(", ".join(f"[{d.number}](#d{d.number})" for d in differences))
