"""A result line: the record and its JSON; the contract of results.jsonl."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import msgspec

from harness.causes import Cause
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.probes import Probe
from harness.refusal import Refusal
from harness.text import one_line
from harness.verdicts import Verdict

__all__ = [
    "FORMAT_VERSION",
    "NAME",
    "BackendVersions",
    "End",
    "Header",
    "Number",
    "Parameters",
    "Place",
    "Result",
    "ResultsError",
    "number",
]

FORMAT_VERSION = 3

Number = float | Literal["nan", "inf", "-inf"]
"""JSON has no NaN and no infinities; they are these strings."""

NAME = re.compile("[A-Za-z0-9_.-]{1,60}")
"""What names of packages and of known differences are made of."""


class ResultsError(Refusal, ValueError):
    """A results file that cannot be read; names the line and what was expected."""


class Parameters(msgspec.Struct, frozen=True):
    """What a run was begun with: `corpus` is a file of ids, `select` as `pytest -k` has it."""

    examples: int = 0
    seed: int = 0
    corpus: str | None = None
    layers: tuple[str, ...] = ()
    select: str = ""

    @property
    def partial(self) -> bool:
        """Whether other configs than the whole pinned corpus were asked for."""
        return bool(self.corpus or self.layers or self.select)


class BackendVersions(msgspec.Struct, frozen=True):
    """A backend's name in the results, and the versions that its worker reported."""

    name: str
    versions: dict[str, str]
    wraps: str = ""


class Header(msgspec.Struct, frozen=True, tag_field="kind", tag="run"):
    """The first line: what the results depend on besides the code. It may hold more.

    `versions` are those of all workers, and of what draws the configs. `machine` is system and
    architecture, such as 'linux-x86_64'; `cpu_flags` are as /proc/cpuinfo names them. `backends`
    has what every worker says of itself, by reference. `planned` counts the configs that were to be
    judged.
    """

    format_version: int
    versions: dict[str, str]
    platform: str
    machine: str
    cpu: str
    date: str
    backends: dict[str, BackendVersions]
    parameters: Parameters
    cpu_flags: list[str] = []
    planned: int = 0


class End(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    """The last line of a complete run: how many results and configs stand before it."""

    results: int
    configs: int


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
    """One check's verdict on one part of one config for one backend: what was measured.

    `against` names the other implementation that was compared with; null for the oracle.

    Raises:
        ValueError: a config id that is none.
    """

    config_id: str
    backend: str
    check: str
    requirement: str
    verdict: Verdict
    compared: int
    max_abs: Number | None
    max_rel: Number | None
    max_ulp: Number | None
    ratio: Number | None
    worst: Place | None
    message: str
    replay: str
    part: str = ""
    cause: Cause | None = None
    against: str | None = None
    origin: str = "given"
    first: Place | None = None
    failing: int = 0
    conditional: int = 0
    undefined: int = 0
    assert_close: str | None = None
    power: dict[Probe, float] = {}

    def __post_init__(self) -> None:
        Config.parse(self.config_id)


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
        verdict=comparison.verdict,
        compared=comparison.compared,
        max_abs=number(comparison.max_abs),
        max_rel=number(comparison.max_rel),
        max_ulp=number(comparison.max_ulp),
        ratio=number(comparison.ratio),
        worst=place(comparison.worst),
        message=one_line(comparison.message),
        part=one_line(comparison.part),
        cause=comparison.cause,
        against=comparison.against,
        first=place(comparison.first),
        failing=comparison.failing,
        conditional=comparison.conditional,
        undefined=comparison.undefined,
        assert_close=comparison.assert_close,
        power=comparison.power,
        **context,
    )
