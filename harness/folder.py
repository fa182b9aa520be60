"""A run's directory: nothing of an earlier run may stand in it beside the results of a new one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    *("ALONE", "FIGURES", "LOGS", "PAGES", "REPRODUCERS", "SCRIPTS", "TIMES"),
    *("left_only_with_files", "remove_logs", "remove_reports"),
]

PAGES = ("report.html", "summary.md", "junit.xml")
FIGURES, REPRODUCERS, SCRIPTS = "figures.json", "reproducers.json", "reproducers"
ALONE = "alone.json"
"""Which findings show alone."""

TIMES = "times.json"
"""How long each config took."""

LOGS = "logs"
"""What backends printed, and tracebacks."""


@contextlib.contextmanager
def left_only_with_files(out: Path) -> Iterator[None]:
    """Where an exception ends what is inside, folders that were made for it and are empty go."""
    made = [one for one in (out / LOGS, out, *out.parents) if not one.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # what holds a file stays, and all that it lies in
            for folder in made:
                if folder.exists():
                    folder.rmdir()
        raise


def remove_reports(out: Path) -> None:
    """Everything that is made from results. Raises OSError."""
    for name in (*PAGES, FIGURES, REPRODUCERS, ALONE, TIMES):
        (out / name).unlink(missing_ok=True)
    for script in (out / SCRIPTS).glob("*.py"):
        script.unlink()


def remove_logs(out: Path) -> None:
    """Before backends are loaded: what they print then is of this run. Raises OSError."""
    for log in (out / LOGS).glob("*.log"):
        log.unlink()
