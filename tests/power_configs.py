"""Configs of every kind of arithmetic, what power a check has there, and what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.config import Config
from harness.judge import Session
from harness.probes import Probe
from harness.results import Result
from tests.faulty import right

BASE: dict[str, Any] = {
    "input_size": 3,
    "hidden_size": 4,
    "batch": 6,
    "steps": 5,
    "states": True,
    "scale": 4,
}
PLAIN = Config.of(**BASE)
TANH = Config.of(**BASE, lengths="ragged", num_layers=2, bidirectional=True, seed=1)
RELU = Config.of(**BASE, nonlinearity="relu", lengths="ragged", num_layers=2)
HALF = Config.of(**BASE, dtype="fp16", lengths="emptyrows", num_layers=2, bidirectional=True)
INTS = Config.of(**{**BASE, "scale": 1}, nonlinearity="relu", data="ints", num_layers=2)
GRADIENT = Config.of(
    aspect="gradient",
    input_size=3,
    hidden_size=4,
    batch=3,
    steps=4,
    states=True,
    scale=2,
    dtype="fp16",  # where not every fault is seen at every element
    seed=5,
)
VALUED = [PLAIN, TANH, RELU, HALF, INTS]


def judged(implementation: Any, config: Config, check: str) -> list[Result]:
    return [r for r in Session({"x": implementation}).judge(config) if r.check == check]


def found_by(results: Sequence[Result]) -> dict[str, float]:
    """Share of elements that failed, by part."""
    return {r.part: r.failing / r.compared for r in results}


def power(config: Config, check: str, probe: str, implementation: Any = right) -> dict[str, float]:
    """The power that the check has on a right implementation, by part."""
    results = judged(implementation, config, check)
    return {r.part: r.power[msgspec.convert(probe, Probe)] for r in results if probe in r.power}
