"""Foreign errors and texts, in words that can be printed anywhere."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["Malformed", "NotOffered", "NotTransferred", "printable", "said", "told"]


class Malformed(Exception):
    """A backend returned something that is not two arrays of the right shapes and dtype."""


class NotTransferred(Exception):
    """The weights read back are not the weights that were loaded."""


class NotOffered(Exception):
    """A backend lacks the method that an aspect needs."""


def told(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    place = ""
    if error.__traceback__ is not None and not isinstance(error, NotTransferred):
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f" ({Path(last.filename).name}, line {last.lineno})"
    return f"{said(error)}{place}"


def said(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
    text = printable(lines[0] if lines else "(no message)")[:300]
    return f"{type(error).__name__}: {text}"


def printable(text: str) -> str:
    """Foreign text with every control character and lone surrogate written as an escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
