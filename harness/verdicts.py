"""What a result says, and what a report makes of it: severity, mark and colour of each.

A check gives a `Verdict`. A report adds what only a baseline, or the lack of any result, can say.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

__all__ = ["CONCLUDED", "FAILED", "JUDGED", "Colour", "ReportState", "State", "Verdict", "worst"]


class Colour(str, Enum):
    """Of a mark; the value is the name of the page's CSS variable."""

    style: str
    """The same on a terminal, as rich names it."""

    def __new__(cls, value: str, style: str) -> Colour:
        self = str.__new__(cls, value)
        self._value_, self.style = value, style
        return self

    GREEN = "pass", "green"
    RED = "fail", "bold red"
    AMBER = "known", "yellow"
    CYAN = "other", "cyan"
    GREY = "soft", "dim"


class _Shown(str, Enum):
    """`severity` orders all of them, the gravest first; `sign` is the mark without its word."""

    severity: int
    mark: str
    colour: Colour

    def __new__(cls, value: str, severity: int, mark: str, colour: Colour) -> _Shown:
        self = str.__new__(cls, value)
        self._value_ = value
        self.severity, self.mark, self.colour = severity, mark, colour
        return self

    def __str__(self) -> str:
        return str(self.value)

    @property
    def sign(self) -> str:
        return self.mark.partition(" ")[0]

    @property
    def css(self) -> str:
        """Its class on a page."""
        return str(self).replace(" ", "-")


class Verdict(_Shown):
    """What a check says of one comparison."""

    ERROR = "error", 0, "✗ error", Colour.RED
    FAIL = "fail", 1, "✗ fail", Colour.RED
    PASS = "pass", 4, "✓ pass", Colour.GREEN
    INCONCLUSIVE = "inconclusive", 5, "? inconclusive", Colour.CYAN
    UNSUPPORTED = "unsupported", 6, "– unsupported", Colour.GREY


class ReportState(_Shown):
    """What a report adds: an expected failure, and two ways to have no result at all."""

    UNTESTED = "untested", 2, "! untested", Colour.RED
    EXPECTED_FAILURE = "known", 3, "≠ known", Colour.AMBER
    NOT_APPLICABLE = "not applicable", 7, "–", Colour.GREY


State = Verdict | ReportState

CONCLUDED = frozenset((Verdict.PASS, Verdict.FAIL))
"""Something was compared, and something is known of it."""

FAILED = frozenset((Verdict.FAIL, Verdict.ERROR))

JUDGED = CONCLUDED | {Verdict.ERROR}
"""Could have shown a difference."""


def worst(states: Iterable[State]) -> State:
    """The gravest. Raises ValueError where there is none."""
    return min(states, key=lambda state: state.severity)
