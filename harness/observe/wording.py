"""Foreign errors and texts, in words that can be printed anywhere."""

from __future__ import annotations

from pathlib import Path

from harness.text import printable, type_name

__all__ = ["Malformed", "NotOffered", "NotTransferred", "said", "told"]

MESSAGE_READ = 10_000
"""Characters of an exception's message in which its first line is looked for."""


class Malformed(Exception):
    """A backend returned something that is not two arrays of the right shapes and dtype."""


class NotTransferred(Exception):
    """The weights read back are not the weights that were loaded."""


class NotOffered(Exception):
    """A backend lacks the method that an aspect needs."""


def told(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    if isinstance(error, NotTransferred):
        return said(error)
    return f"{said(error)}{_place(error)}"


def said(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its message."""
    try:
        text = str.__str__(str(error))[:MESSAGE_READ]
    except Exception:  # foreign code: even this may raise
        text = "(no message: its __str__ raises)"
    lines = [line.strip() for line in text.splitlines() if line.strip(" -")]
    return f"{type_name(error)}: {printable(lines[0] if lines else '(no message)', 300)}"


def _place(error: BaseException) -> str:
    """The last line that it passed; no file is looked into, its name is the raiser's choice."""
    trace = BaseException.__dict__["__traceback__"].__get__(error)
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    name = Path(trace.tb_frame.f_code.co_filename).name
    return f" ({printable(name, 60)}, line {trace.tb_lineno})"
