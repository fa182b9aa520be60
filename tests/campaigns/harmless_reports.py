"""Whether a report is harmless: no control character, no text of a backend became an element."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markdown_it import MarkdownIt

from harness.report.files import page_script

ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "script", "noscript", "header", "nav"),
    *("main", "section", "article", "footer", "h1", "h2", "h3", "p", "b", "i", "sub", "span"),
    *("div", "pre", "code", "br", "a", "ul", "ol", "li", "dl", "dt", "dd", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "form", "fieldset"),
    *("legend", "label", "input", "select", "option", "button"),
    *("svg", "g", "defs", "path", "text", "use", "clippath", "rect", "tspan"),
}
ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "xlink:href"),
    *("colspan", "scope", "title", "tabindex", "role", "hidden", "open", "type", "value"),
    *("autocomplete", "spellcheck", "placeholder", "viewbox", "width", "height", "d", "style"),
    *("transform", "x", "y", "clip-path"),
}
NAMED = ("aria-", "data-")
STYLE = re.compile(r"(?:[a-z-]+: *(?:[\w.,% #-]|var\(--[a-z0-9-]+\)|url\(#\w+\))+;? *)*")
"""Inline styles are those of drawings: no function but a variable, no address but an id."""

PACKED = re.compile(r"[A-Za-z0-9+/]+=*")
COMMONMARK = MarkdownIt("commonmark").enable("table")


def assert_printable(text: str) -> None:
    odd = sorted({ascii(c) for c in text if not (c.isprintable() or c == "\n")})
    assert odd == []


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        names = {name for name, _ in attrs if not name.startswith(NAMED)}
        assert names <= ATTRIBUTES, attrs
        for name, value in attrs:
            if name in ("href", "xlink:href"):
                assert (value or "").startswith("#"), value
            if name == "style":
                assert STYLE.fullmatch(value or ""), value
        self.within = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "script":
            self.scripts[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def assert_html(text: str) -> None:
    """Two scripts: packed data, which no browser runs, and the page's own, to the letter."""
    assert_printable(text)
    page = _Page()
    page.feed(text)
    page.close()
    assert text.count("<script") == 2
    table, script = page.scripts
    assert PACKED.fullmatch(table)
    assert script == page_script()
    assert "script-src 'sha256-" in text.partition("<body>")[0]


def assert_markdown(text: str, links: tuple[str, ...] = ("#",)) -> None:
    """Nothing but headings, lists, tables, paragraphs, code; links only to `links`."""
    assert_printable(text)
    for token in _tokens(COMMONMARK.parse(text)):
        assert token.type not in ("html_inline", "html_block", "image"), token.content
        if token.type == "link_open":
            assert str(token.attrGet("href")).startswith(links), token
    for row in re.findall(r"(?m)^\|.*$", text):
        assert row.endswith("|")


def _tokens(tokens: Any) -> Any:
    for token in tokens:
        yield token
        yield from _tokens(token.children or ())


def assert_harmless(out: Path, printed: str) -> None:
    """The three reports in a directory, and what was printed."""
    assert_printable(printed)
    assert_html((out / "report.html").read_text("utf-8"))
    assert_markdown((out / "summary.md").read_text("utf-8"))
    junit = (out / "junit.xml").read_bytes()
    assert_printable(junit.decode("utf-8"))
    ElementTree.fromstring(junit)
