"""Text that came from elsewhere, such as a message of a backend or what a process printed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "one_line"]

LONGEST = 2000


def one_line(text: object, longest: int = LONGEST) -> str:
    """`str(text)` as one line for a table or a terminal: control characters as escapes, cut off."""
    whole = str(text)
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole[: longest + 1])
    return line if len(line) <= longest else line[: longest - 1] + "…"


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """A clause for the end of a message that refuses a name; empty where no name is near."""
    near = difflib.get_close_matches(text, list(names), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
