"""A result line: the record and its JSON; the contract of results.jsonl."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import msgspec

from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.text import one_line

__all__ = [
    "FORMAT_VERSION",
    "NAME",
    "Number",
    "Place",
    "Result",
    "ResultsError",
    "number",
]

FORMAT_VERSION = 2

Number = float | Literal["nan", "inf", "-inf"]
"""JSON has no NaN and no infinities; they are these strings."""

VERDICTS = ("pass", "fail", "inconclusive", "unsupported", "error")


NAME = re.compile("[A-Za-z0-9_.-]{1,60}")
"""What names of packages and of known differences are made of."""


class ResultsError(ValueError):
    """A results file that cannot be read; names the line and what was expected."""


class Place(msgspec.Struct, frozen=True):
    """Where in the outputs; null where not applicable.

    `pre_activation` is the exact one, of an element that was judged as a step of its own.
    """

    output: str
    layer: int | None = None
    direction: str | None = None
    step: int | None = None
    batch: int | None = None
    unit: int | None = None
    actual: Number | None = None
    expected: Number | None = None
    bound: Number | None = None
    pre_activation: Number | None = None


class Result(msgspec.Struct, frozen=True, tag_field="kind", tag="result"):
    """One check's verdict on one part of one config for one backend.

    Raises:
        ValueError: a config id that is none.
    """

    config_id: str
    backend: str
    check: str
    requirement: str
    verdict: Literal["pass", "fail", "inconclusive", "unsupported", "error"]
    compared: int
    max_abs: Number | None
    max_rel: Number | None
    max_ulp: Number | None
    ratio: Number | None
    worst: Place | None
    message: str
    replay: str
    part: str = ""
    cause: str | None = None
    known: str | None = None
    origin: str = "given"
    first: Place | None = None
    failing: int = 0
    conditional: int = 0
    undefined: int = 0
    assert_close: str | None = None
    power: dict[str, float] = {}

    def __post_init__(self) -> None:
        Config.parse(self.config_id)

    @property
    def compares_two(self) -> bool:
        """Whether it takes two implementations to show it."""
        return self.check in ("call_parity", "across", "modes") or " against " in self.part

    @property
    def unexpected(self) -> bool:
        """Whether this line alone makes a run fail."""
        return self.verdict in ("fail", "error") and self.known is None


def number(value: float | None) -> Number | None:
    """A float as JSON can hold it."""
    if value is None or math.isfinite(value):
        return value
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def as_float(value: Number | None) -> float:
    """The float that a `Number` stands for; NaN for None."""
    return math.nan if value is None else float(value)


def place(worst: Worst | None) -> Place | None:
    """A `Worst` as it stands in a result line."""
    if worst is None:
        return None
    return Place(
        worst.output,
        worst.layer,
        worst.direction,
        worst.step,
        worst.batch,
        worst.unit,
        number(worst.actual),
        number(worst.expected),
        number(worst.bound),
        number(worst.pre_activation),
    )


def from_comparison(comparison: Comparison, **context: Any) -> Result:
    """The result line of a comparison; `context` gives config, backend, check and so on."""
    return Result(
        verdict=comparison.verdict,  # type: ignore[arg-type]
        compared=comparison.compared,
        max_abs=number(comparison.max_abs),
        max_rel=number(comparison.max_rel),
        max_ulp=number(comparison.max_ulp),
        ratio=number(comparison.ratio),
        worst=place(comparison.worst),
        message=one_line(comparison.message),
        part=one_line(comparison.part),
        cause=comparison.cause,
        first=place(comparison.first),
        failing=comparison.failing,
        conditional=comparison.conditional,
        undefined=comparison.undefined,
        assert_close=comparison.assert_close,
        power=comparison.power,
        **context,
    )
