"""What a backend raised, in one line."""

from __future__ import annotations

from pathlib import Path

from harness.backends.protocol import NotOffered
from harness.text import one_line

__all__ = ["Malformed", "NotOffered", "NotTransferred", "described", "headline"]


class Malformed(Exception):
    """A backend returned something else than arrays of the right names, shapes and dtype."""


class NotTransferred(Exception):
    """The weights read back are not the weights that were loaded."""


def described(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    if isinstance(error, NotTransferred):
        return headline(error)
    return f"{headline(error)}{_place(error)}"


def headline(error: BaseException) -> str:
    """An exception in one line: its type and the first line of its message."""
    try:
        text = str(error)
    except Exception:  # so much for its class; the verdict is about the call
        text = "(no message: its __str__ raises)"
    lines = [line.strip() for line in text.splitlines() if line.strip(" -")]
    return f"{type(error).__name__}: {one_line(lines[0] if lines else '(no message)', 300)}"


def _place(error: BaseException) -> str:
    """The last line that it passed."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})"
