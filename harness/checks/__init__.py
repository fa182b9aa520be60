"""The properties tested: each is one file here, found by its being here."""

from __future__ import annotations

import importlib
import pkgutil

from harness.checks.registry import (
    Check,
    Need,
    Partner,
    SecondCall,
    check,
    check_named,
    checks_for,
    every_check,
    temporary_checks,
)

__all__ = [
    "Check",
    "Need",
    "Partner",
    "SecondCall",
    "check",
    "check_named",
    "checks_for",
    "every_check",
    "temporary_checks",
]

for _module in pkgutil.iter_modules(__path__):
    if _module.name != "__main__":
        importlib.import_module(f"{__name__}.{_module.name}")
