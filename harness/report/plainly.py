"""The reports where the usual ones cannot be made: the verdict, and why it stands alone.

Nothing here may need more than the outcome's own lists: it is what is left when all else fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from junitparser import Error, JUnitXml, TestCase, TestSuite
from markupsafe import Markup

from harness.outcome import Outcome

__all__ = ["junit", "page", "summary"]


def summary(outcome: Outcome, why: str) -> str:
    """Markdown: what is unexpected, counted by backend and check."""
    return "\n".join((f"# rnn-parity: {outcome.headline}", "", why, "", *_lines(outcome), ""))


def _lines(outcome: Outcome) -> Iterator[str]:
    yield "Every comparison is a line of `results.jsonl`."
    yield ""
    if outcome.unfinished:
        yield f"- This run is {outcome.unfinished}."
    counts = Counter((result.backend, result.check) for result in outcome.unexpected)
    for (backend, check), count in sorted(counts.items()):
        yield f"- **UNEXPECTED**: {backend}, {check}: {count}"
    for message in outcome.alarms:
        yield f"- **UNEXPECTED**: {message}"


def page(outcome: Outcome, why: str, summary: str) -> str:
    """HTML: the headline, and the summary as it is."""
    return Markup(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<title>rnn-parity: {headline}</title></head>\n<body><h1>{headline}</h1>\n"
        "<p>{why} The summary of this run stands in its place.</p>\n"
        "<pre>{summary}</pre></body></html>\n"
    ).format(headline=outcome.headline, why=why, summary=summary)


def junit(why: str) -> JUnitXml:
    """One test case, which failed: whoever reads the file alone must not take it for a pass."""
    case = TestCase("junit.xml", "rnn_parity")
    case.result = [Error(f"{why} Every comparison is a line of results.jsonl.")]
    suite = TestSuite("rnn-parity")
    suite.add_testcase(case)
    xml = JUnitXml("rnn-parity")
    xml.add_testsuite(suite)
    return xml
