"""A run's directory: nothing of an earlier run may stand in it beside the results of a new one."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FIGURES", "PAGES", "REPRODUCERS", "SCRIPTS", "remove_reports"]

PAGES = ("report.html", "summary.md", "junit.xml")
FIGURES, REPRODUCERS, SCRIPTS = "figures.json", "reproducers.json", "reproducers"


def remove_reports(out: Path) -> None:
    """Everything that is made from results. Raises OSError."""
    for name in (*PAGES, FIGURES, REPRODUCERS):
        (out / name).unlink(missing_ok=True)
    for script in (out / SCRIPTS).glob("*.py"):
        script.unlink()
