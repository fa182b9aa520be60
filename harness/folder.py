"""A run's directory: nothing of an earlier run may stand in it beside the results of a new one."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    *("ALONE", "FIGURES", "LOGS", "PAGES", "REPRODUCERS", "SCRIPTS", "TIMES"),
    *("remove_logs", "remove_reports"),
]

PAGES = ("report.html", "summary.md", "junit.xml")
FIGURES, REPRODUCERS, SCRIPTS = "figures.json", "reproducers.json", "reproducers"
ALONE = "alone.json"
"""Which findings show alone."""

TIMES = "times.json"
"""How long each config took."""

LOGS = "logs"
"""What backends printed, and tracebacks."""


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
