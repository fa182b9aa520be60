"""Rows of calls: name, what is documented of it, in words, and what makes it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.aspects import CALL, CallAspect, Documented
from harness.calls.call import Calls, Maker

__all__ = ["INVALID", "OPEN", "VALID", "Row", "call_table"]


VALID, INVALID, OPEN = Documented.VALID, Documented.INVALID, Documented.OPEN
Row = tuple[str, Documented, str, Maker]


def call_table(rows: Mapping[str, list[Row]]) -> Calls:
    """Calls by name, from rows by requirement: name, what is documented, in words, maker."""
    return {
        name: (CallAspect(f"{CALL}{name}", says, (), requirement, documented), make)
        for requirement, of in rows.items()
        for name, documented, says, make in of
    }
