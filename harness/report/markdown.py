"""Markdown in which text stays text: values are escaped, unless they are `Markdown`."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import jinja2

__all__ = ["Markdown", "as_code", "as_text", "markdown_templates"]

SPECIAL = re.compile(r"[\\`*\[<&|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|://|(?<=\w)@|www\.")
"""What could begin or end something in GitHub's Markdown: code, links, HTML, emphasis, a cell."""

SPACES = re.compile(r"\s+")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def as_text(text: object) -> Markdown:
    """Text as it is: nothing of it is markup."""
    if isinstance(text, Markdown):
        return text
    line = SPACES.sub(" ", str(text))
    return Markdown(SPECIAL.sub(lambda match: _escaped(match[0]), line))


def _escaped(special: str) -> str:
    """A backslash before punctuation; an address is cut before it could become a link."""
    return special.replace(".", "\\.") if special == "www." else "\\" + special


def as_code(text: object) -> Markdown:
    """Text between backticks, more of them than stand in it; also in a cell of a table."""
    line = " ".join(str(text).split())
    if not line:
        return Markdown("")
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " * (longest > 0)
    return Markdown(f"{fence}{space}{line}{space}{fence}".replace("|", "\\|"))


@functools.cache
def markdown_templates(directory: Path) -> jinja2.Environment:
    """Templates whose values are escaped unless they are `Markdown`; filters `code`, `raw`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        finalize=as_text,
    )
    environment.filters |= {"code": as_code, "raw": Markdown}
    return environment
