"""README.md of this package: the table of all checks, made from what they register."""

from __future__ import annotations

from pathlib import Path

from harness.checks.registry import Check, every_check
from harness.requirements import REQUIREMENTS

__all__ = ["PAGE", "checks_page"]

PAGE = Path(__file__).with_name("README.md")

_HEAD = """\
# Checks

A check is one file here. It registers itself with the decorator of `registry.py`, which says what
failing it means, when it applies, what it needs and which faults it states power against
(`harness/probes.py`). To add one, add its file, its tests and a fault that it alone is there to
catch (`harness/planted/`), and run `python -m harness.checks`, which writes this table anew.

They are reported in this order, the order of the requirements.

| check | requirement | failing it means | probes | applies to |
| --- | --- | --- | --- | --- |
"""


def checks_page() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(_row(one) for one in every_check())


def _row(check: Check) -> str:
    requirements = [REQUIREMENTS[key].statement for key in check.requirements]
    cells = (
        f"`{check.name}`",
        "<br>".join(requirements) or "that of the call",
        check.difference,
        ", ".join(map(str, check.probes)) or "every difference",
        check.applies.words,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
