"""junit.xml, summary.md and report.html of an outcome."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from markupsafe import Markup, escape

from harness.answer import Way
from harness.expectations import Judged
from harness.layers import LAYERS
from harness.outcome import Outcome
from harness.report import answering, plainly, wording
from harness.report.attempts import attempted
from harness.report.markdown import markdown_templates
from harness.report.page import html_page, page
from harness.verdicts import FAILED, ReportState, State, Verdict

__all__ = ["page_script", "summary_of", "write_reports"]

TEMPLATES = Path(__file__).with_name("templates")
NUMBER = re.compile(r"\d[\d.,]*e-\d+")
"""A number that a browser would break at its minus."""

LONGEST_COMMENT = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""

SCRIPTS = (
    *("report_table.js", "report_config.js", "report_differences.js", "report_list.js"),
    "report_page.js",
)


def write_reports(outcome: Outcome, out: Path) -> list[Path]:
    """Write the three reports into a directory that exists; returns their paths.

    What cannot be made costs its own file, and leaves the verdict in it: see `plainly`.
    """
    both = functools.cache(lambda: page(outcome))
    summary = attempted(
        "The summary",
        lambda: _summary(both()),
        lambda why: plainly.summary(outcome, why),
    )
    made = {
        "report.html": attempted(
            "The page",
            lambda: _rendered(
                _html_templates(), "report.html", html_page(outcome, both()) | _embedded()
            ),
            lambda why: plainly.page(outcome, why, summary),
        ),
        "summary.md": summary,
        "junit.xml": attempted(
            "The file",
            lambda: _text_of(_junit(outcome)),
            lambda why: _text_of(plainly.junit(why)),
        ),
    }
    for name, text in made.items():
        (out / name).write_text(text, "utf-8")
    return [out / name for name in made]


def summary_of(outcome: Outcome) -> str:
    """summary.md of an outcome."""
    return _summary(page(outcome))


def _summary(data: Mapping[str, Any]) -> str:
    """With as much of everything as fits a comment on a pull request."""
    for most in (10, 4, 1):
        text = _rendered(markdown_templates(TEMPLATES), "summary.md", {**data, "most": most})
        if len(text) <= LONGEST_COMMENT:
            break
    return text


def _rendered(environment: jinja2.Environment, name: str, data: Mapping[str, Any]) -> str:
    _furnish(environment)
    return environment.get_template(f"{name}.j2").render(data)


def _text_of(xml: JUnitXml) -> str:
    text: bytes = xml.tostring()
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text.decode("utf-8")}'


@functools.cache
def page_script() -> str:
    """The script of report.html: a file for each of its parts, all in one closed scope."""
    parts = "".join((TEMPLATES / name).read_text("utf-8") for name in SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _embedded() -> dict[str, str]:
    """The page's script and style, and the digest by which a browser runs this script only."""
    script = page_script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (TEMPLATES / "report.css").read_text("utf-8") + _colours()
    return {"script": Markup(script), "style": Markup(style), "digest": digest}


def _colours() -> str:
    """A rule for the mark of every verdict."""
    states: tuple[State, ...] = (*Verdict, *ReportState)
    return "".join(f".{one.css} {{ color: var(--{one.colour.value}); }}\n" for one in states)


@functools.cache
def _html_templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _furnish(environment: jinja2.Environment) -> None:
    """What both templates call."""
    environment.filters |= {
        "ratio": wording.ratio_text,
        "error": wording.error_text,
        "place": wording.place_text,
        "lines": wording.finding_lines,
        "mark": wording.cell_mark,
        "power": wording.power_text,
        "size": lambda one: (
            answering.way_size(one) if isinstance(one, Way) else answering.section_size(one)
        ),
        "word": lambda cell: cell.verdict.mark.partition(" ")[2],
        "breakable": lambda name: Markup(":<wbr>").join(name.split(":")),
        "whole": _whole,
        "layer_title": lambda name: LAYERS[name].title,
    }
    environment.globals |= {
        "plural": wording.plural,
        "tally": wording.tally,
        "reason": wording.reason,
    }


def _whole(text: str) -> Markup:
    """Text of a page whose numbers stay on one line."""
    return Markup(NUMBER.sub(r'<span class="whole">\g<0></span>', str(escape(text))))


def _junit(outcome: Outcome) -> JUnitXml:
    """A suite for each backend, a test case for each config and check.

    A config's checks share out the time from the config before it.
    """
    cases: dict[str, list[TestCase]] = {}
    key = lambda r: (r.backend, r.config_id, r.check)  # noqa: E731
    every = [(at, list(lines)) for at, lines in groupby(outcome.results, key)]
    counts = Counter(config_id for (_, config_id, _), _ in every)
    for (backend, config_id, check), lines in every:
        spent = outcome.seconds.get(config_id, 0.0) / counts[config_id]
        case = TestCase(f"{config_id}-{check}", f"rnn_parity.{backend}", round(spent, 6))
        case.result = _junit_entries(lines)
        cases.setdefault(backend, []).append(case)
    for message in outcome.alarms:
        case = TestCase(message.partition(":")[0][:80], "rnn_parity.baseline")
        case.result = [Failure(message)]
        cases.setdefault("baseline", []).append(case)
    if outcome.unfinished:
        case = TestCase("unfinished", "rnn_parity.run")
        case.result = [Error(outcome.unfinished)]
        cases["run"] = [case]
    xml = JUnitXml("rnn-parity")
    for name, members in cases.items():
        suite = TestSuite(name)
        suite.add_testcases(members)  # one by one, each would count all again
        xml.add_testsuite(suite)
    return xml


def _junit_entries(lines: Sequence[Judged]) -> list[Error | Failure | Skipped]:
    """What is unexpected; where nothing is, at most one reason why it is no pass."""
    wrong: list[Error | Failure | Skipped] = [
        (Error if one.verdict is Verdict.ERROR else Failure)(
            f"{one.part}: {one.message or one.verdict}; cause {one.cause}; {one.replay}"
        )
        for one in lines
        if one.unexpected
    ]
    if wrong:
        return wrong
    known = sorted({one.known for one in lines if one.known and one.verdict in FAILED})
    if known:
        return [Skipped(f"known difference {', '.join(known)}")]
    if any(one.verdict is Verdict.PASS for one in lines):
        return []
    why = dict.fromkeys(f"{one.verdict}: {one.message}" for one in lines)
    return [Skipped("; ".join(why))]
