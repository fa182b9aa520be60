"""Gradients that are none: the cause of whatever fails for them, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.config import Config
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.runners import InProcess
from harness.simplest import gradients_are_none
from reference.arrays import Array

GRADIENT = Config.of("lstm", aspect="gradient", states=True, hidden_size=3, batch=2, steps=3)


class Unwritten(CorrectLayer):
    """Gradients in float16 are whatever memory held."""

    def gradients(self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]) -> Any:
        found = dict(super().gradients(inputs, cotangents))
        if self.options.dtype == "fp16":
            of = found.keys() - {"output", "h_n", "c_n"}
            return {**found, **{name: np.full_like(found[name], 7.0) for name in of}}
        return found


class OneSign(CorrectLayer):
    """The gradient of x alone has the other sign: it is wrong, but it is one."""

    def derive(self, given: Any, cotangents: Any) -> dict[str, Array]:
        found = super().derive(given, cotangents)
        return {**found, "x": -found["x"]}


class Coarse(CorrectLayer):
    """The gradient of x is off by a tenth."""

    def derive(self, given: Any, cotangents: Any) -> dict[str, Array]:
        found = super().derive(given, cotangents)
        return {**found, "x": 1.1 * found["x"]}


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(
    ("layer", "dtype", "none"),
    [(CorrectLayer, "fp16", False), (Coarse, "fp32", False),
     (OneSign, "fp32", False), (Unwritten, "fp16", True),
     (Unwritten, "fp32", False)],
)  # fmt: skip
def test_they_are_off_by_more_than_half(
    layer: type[CorrectLayer], dtype: str, none: bool, lengths: bool
) -> None:
    runner = InProcess(CorrectBackend(layer, "mine"))
    assert gradients_are_none(runner, "lstm", dtype, lengths=lengths) == none


def causes(layer: type[CorrectLayer], config: Config) -> set[tuple[str, str | None]]:
    results = Session({"mine": CorrectBackend(layer, "mine")}).judge(config)
    assert {r.cause for r in results if r.verdict != "fail"} == {None}
    return {(r.check, r.cause) for r in results if r.verdict == "fail"}


def test_it_is_the_cause_where_it_is_so_and_else_none_is() -> None:
    assert causes(Unwritten, GRADIENT.replace(dtype="fp16")) == {("gradient", "unusable")}
    assert causes(Unwritten, GRADIENT) == set()
    assert causes(Coarse, GRADIENT) == {("gradient", "unexplained")}
    assert causes(OneSign, GRADIENT) == {("gradient", "unexplained")}
