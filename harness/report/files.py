"""junit.xml, summary.md and report.html of an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from harness.config import Config
from harness.findings import group
from harness.report import wording
from harness.requirements import GROUPS, REQUIREMENTS
from harness.results import Result
from harness.run import Outcome

__all__ = ["write_reports"]


def write_reports(outcome: Outcome, out: Path) -> list[Path]:
    """Write the three reports into a directory that exists; returns their paths."""
    pages = {"report.html": "report.html.j2", "summary.md": "summary.md.j2"}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "ratio": wording.ratio_text,
        "error": wording.error_text,
        "place": wording.place_text,
        "lines": wording.finding_lines,
        "mark": wording.cell_mark,
    }
    environment.globals |= {
        "marks": wording.MARKS,
        "plural": wording.plural,
        "tally": wording.tally,
        "title": wording.group_title,
    }
    page = _page(outcome)
    for name, template in pages.items():
        text = environment.get_template(template).render(page)
        (out / name).write_text(text, "utf-8")
    _junit(outcome).write(str(out / "junit.xml"), pretty=False)
    return [out / "report.html", out / "summary.md", out / "junit.xml"]


def _page(outcome: Outcome) -> dict[str, Any]:
    """The data of the pages, apart from how they are rendered."""
    by_config: dict[str, list[Result]] = {}
    for result in outcome.results:
        by_config.setdefault(result.config_id, []).append(result)
    return {
        "header": outcome.header,
        "requirements": REQUIREMENTS,
        "requirement_groups": GROUPS,
        "matrix": outcome.matrix,
        "backends": list(next(iter(outcome.matrix.values()))),
        "groups": group(outcome.findings),
        "known": outcome.known,
        "vanished": outcome.vanished,
        "idle": outcome.idle,
        "exit_code": outcome.exit_code,
        "results": outcome.results,
        "configs": [
            {
                "id": config_id,
                "origin": results[0].origin,
                "verdicts": {
                    backend: _overall(list(lines))
                    for backend, lines in groupby(results, lambda r: r.backend)
                },
                "results": results,
                "tokens": Config.parse(config_id),
            }
            for config_id, results in by_config.items()
        ],
    }


def _overall(results: Sequence[Result]) -> str:
    """One verdict for a config and a backend: the worst."""
    verdicts = {"known" if result.known else result.verdict for result in results}
    order = ("error", "fail", "known", "pass", "inconclusive", "unsupported")
    return next(verdict for verdict in order if verdict in verdicts)


def _junit(outcome: Outcome) -> JUnitXml:
    """A suite for each backend, a test case for each config and check."""
    cases: dict[str, list[TestCase]] = {}
    key = lambda r: (r.backend, r.config_id, r.check)  # noqa: E731
    for (backend, config_id, check), lines in groupby(outcome.results, key):
        case = TestCase(f"{config_id}-{check}", f"rnn_parity.{backend}")
        case.result = [entry for line in lines if (entry := _junit_entry(line)) is not None]
        cases.setdefault(backend, []).append(case)
    for message in (*outcome.vanished, *outcome.idle):
        case = TestCase(message.partition(":")[0][:80], "rnn_parity.baseline")
        case.result = [Failure(message)]
        cases.setdefault("baseline", []).append(case)
    xml = JUnitXml("rnn-parity")
    for name, members in cases.items():
        suite = TestSuite(name)
        suite.add_testcases(members)  # one by one, each would count all again
        xml.add_testsuite(suite)
    return xml


def _junit_entry(result: Result) -> Error | Failure | Skipped | None:
    text = (
        f"{result.part}: {result.message or result.verdict}; cause {result.cause}; {result.replay}"
    )
    if result.verdict == "error":
        return Error(text)
    if result.verdict == "fail":
        return Skipped(f"known difference {result.known}") if result.known else Failure(text)
    if result.verdict in ("inconclusive", "unsupported"):
        return Skipped(f"{result.verdict}: {result.message}")
    return None
