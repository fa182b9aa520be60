"""What a backend raised, in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness.backends.protocol import NotOffered
from harness.text import one_line

__all__ = [
    "MALFORMED",
    "Malformed",
    "NotOffered",
    "NotTransferred",
    "PreparatoryCall",
    "described",
    "headline",
    "preparing",
    "require_prepared",
]


MALFORMED = "returned other outputs than documented: "
"""What a call beside the one that is judged did, where it raises `Malformed`."""


class Malformed(Exception):
    """A backend returned something else than arrays of the right names, shapes and dtype."""


class NotTransferred(Exception):
    """The weights read back are not the weights that were loaded."""


class PreparatoryCall(Exception):
    """A call that a backend supports, made beside the one that is judged, raised."""


@contextlib.contextmanager
def preparing(what: str, notes: list[str] | None = None) -> Iterator[None]:
    """Whatever is raised inside was raised by `what`, a call beside the one that is judged.

    Where there are `notes`, it is noted there, so that the call that is judged can still say more.
    """
    try:
        yield
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        malformed = isinstance(error, Malformed)
        message = f"{what} {MALFORMED}{error}" if malformed else f"{what} raised {described(error)}"
        if notes is None:
            raise PreparatoryCall(message) from error
        notes.append(message)


def require_prepared(notes: list[str]) -> None:
    """Raises PreparatoryCall with the first of what was noted, if anything was."""
    if notes:
        raise PreparatoryCall(notes[0])


def described(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    if isinstance(error, NotTransferred):
        return headline(error)
    if isinstance(error, PreparatoryCall):
        return str(error)
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
