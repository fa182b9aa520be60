"""What backends print and where exceptions were raised: a log beside the results, not in them.

Everything is written to the logger `LOGGER`, which nobody listens to until a command does.
"""

from __future__ import annotations

import contextlib
import logging
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

__all__ = ["LOGGER", "kept", "listening", "log_of", "noted"]

LOGGER = logging.getLogger("rnn_parity")
LOGGER.setLevel(logging.INFO)
LOGGER.propagate = False
LOGGER.addHandler(logging.NullHandler())

LONGEST = 2**16
"""Bytes that are kept of what was printed for one config: its end."""

LARGEST = 2**24
"""Bytes that a log may grow to."""


def noted(error: BaseException, where: str) -> None:
    """The traceback of an exception that became a verdict."""
    # Not even its own text can be relied on.
    with contextlib.suppress(Exception):
        text = f"{where}\n{''.join(traceback.format_exception(error)).rstrip()}"
        # A lone surrogate in it could not be written, nor sent, by whoever listens.
        LOGGER.info("%s", text.encode("utf-8", "backslashreplace").decode())


@contextlib.contextmanager
def listening(to: Path | TextIO) -> Iterator[None]:
    """Write down what is noted inside: into a file, which begins with the first note."""
    handler: logging.Handler
    if isinstance(to, Path):
        to.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(to, encoding="utf-8", errors="backslashreplace", delay=True)
    else:
        handler = logging.StreamHandler(to)
    LOGGER.addHandler(handler)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        handler.close()


def log_of(folder: Path, reference: str) -> Path:
    """The log of a backend in a folder."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", reference)[-80:].strip("-.")
    return folder / f"{name}.log"


def kept(printed: Path, log: Path, title: str) -> None:
    """Append what was printed to a log, under a title; nothing, if nothing was."""
    with contextlib.suppress(OSError):
        size = printed.stat().st_size
        if not size or (log.exists() and log.stat().st_size > LARGEST):
            return
        with printed.open("rb") as source:
            source.seek(max(0, size - LONGEST))
            text = source.read()
        log.parent.mkdir(parents=True, exist_ok=True)
        left_out = f" ({size - LONGEST:,} bytes before it left out)" if size > LONGEST else ""
        with log.open("ab") as target:
            target.write(f"== {title}{left_out}\n".encode() + text.rstrip(b"\n") + b"\n")
