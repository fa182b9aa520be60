"""Gradients that what stands in the padding reaches, or does not."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from made_up import TINY, evidence_of, measured, seen

from harness.checks import (
    gradient_padding,
)
from harness.comparison import Comparison
from harness.config import Config


def padded(found: Any, clean: Any, own: Any = None) -> Comparison:
    """The gradient of b_ih of one layer of four units."""
    config = Config(aspect="gradient", steps=2, hidden_size=4)
    x = np.zeros((2, 1, 1), "f")
    derivatives = SimpleNamespace(
        clean={"bias_ih_l0": np.array(clean, "f"), "x": x},
        found={"bias_ih_l0": np.array(found, "f"), "x": x},
        finite=None,
    )
    evidence = evidence_of(config, own, observation=SimpleNamespace(derivatives=derivatives))
    evidence.case.x = np.array([[[0]], [[math.nan]]], "f")
    evidence.case.valid = np.array([[True], [False]])
    result, of_x, of_padding = gradient_padding.gradient_padding(evidence)
    assert (of_x.part, *seen(of_x)) == ("x", "pass", None, 2, 0)
    assert result.power == of_x.power == {"padding": 1}
    assert (of_padding.part, *seen(of_padding), of_padding.ratio) == (
        "x in the padding", "pass", None, 1, 0, 0,
    )  # fmt: skip
    return result


def test_gradients_that_padding_does_not_reach() -> None:
    result = padded([1, 2, -0.0, 0.0], [1, 2, 0.0, -0.0])
    assert (result.part, *seen(result), result.message) == ("bias_ih_l0", "pass", None, 4, 0, "")


def test_gradients_that_padding_makes_not_finite() -> None:
    nan, inf = math.nan, math.inf
    result = padded([1, nan, inf, 4], [1, 2, 3, 4])
    assert seen(result) == ("fail", "padding", 4, 2)
    said = "2 elements depend on the padding of x, all of them not finite"
    assert result.message == said
    assert result.worst is not None
    assert (result.worst.output, result.worst.unit) == ("gradient of bias_ih_l0", 1)
    result = padded([1, nan, 3.5, 4], [1, 2, 3, 4])
    assert seen(result) == ("fail", "unexplained", 4, 2)
    assert result.message == "2 elements depend on the padding of x, and some of them are finite"
    assert padded([1, nan, 3, 4], [1, inf, 3, 4]).cause == "unexplained"


def test_gradients_that_padding_moves_by_what_flushing_moves() -> None:
    flushes = measured(flushes=True)
    small = [1, 2.0**-110, 3, 4], [1, 0, 3, 4]
    assert padded(*small, flushes).cause == "flush"
    assert padded(*small, measured(errs=True)).cause == "unexplained"
    assert padded(*small).cause == "unexplained"
    assert padded([1, 2.0**-110, math.nan, 4], [1, 0, 3, 4], flushes).cause == "padding"
    assert padded([1, 2.0**-110, 3.5, 4], [1, 0, 3, 4], flushes).cause == "unexplained"


def test_numbers_in_the_padding_that_what_is_not_finite_would_hide() -> None:
    """Asked with the numbers alone, they may move nothing, whatever NaN does."""
    config = Config(aspect="gradient", steps=2, hidden_size=2)
    nan, x = math.nan, np.zeros((2, 1, 1), "f")

    def judged(finite: Any, own: Any = None) -> Comparison:
        clean = np.array([1, 2.0**-110], "f")
        derivatives = SimpleNamespace(
            clean={"bias_ih_l0": clean},
            found={"bias_ih_l0": clean + np.array(nan, "f")},
            finite={"bias_ih_l0": np.array(finite, "f")},
        )
        derivatives.clean["x"] = derivatives.found["x"] = derivatives.finite["x"] = x
        evidence = evidence_of(config, own, observation=SimpleNamespace(derivatives=derivatives))
        evidence.case.x = np.array([[[0]], [[nan]]], "f")
        evidence.case.valid = np.array([[True], [False]])
        all_of_it, numbers, *_ = gradient_padding.gradient_padding(evidence)
        assert all_of_it.cause == "padding"
        assert numbers.part == "bias_ih_l0, finite padding"
        assert numbers.power == all_of_it.power
        return numbers

    assert judged([1, 2.0**-110]).verdict == "pass"
    assert seen(judged([1.5, 2.0**-110])) == ("fail", "unexplained", 2, 1)
    assert seen(judged([nan, 2.0**-110])) == ("fail", "unexplained", 2, 1)
    assert judged([1, 0], measured(flushes=True)).cause == "flush"


def test_padding_has_no_gradient() -> None:
    config = Config(aspect="gradient", steps=2, input_size=2)
    x = np.array([[[1, 2]], [[0, TINY / 4]]], "f")
    derivatives = SimpleNamespace(clean={"x": x}, found={"x": x}, finite=None)
    observation = SimpleNamespace(derivatives=derivatives)
    evidence = evidence_of(config, observation=observation)
    evidence.case.x = x
    assert list(gradient_padding.gradient_padding(evidence)) == []
    evidence.case.valid[1] = False
    same, result = gradient_padding.gradient_padding(evidence)
    assert (same.verdict, same.power) == ("pass", {"padding": 0.5})
    assert (*seen(result), result.ratio) == ("fail", "unexplained", 2, 1, math.inf)
    assert result.message == "1 elements of padding have a gradient"
    assert result.worst is not None
    assert (result.worst.output, result.worst.step, result.worst.unit) == ("gradient of x", 1, 1)
    observation.derivatives = None
    assert list(gradient_padding.gradient_padding(evidence)) == []


def test_padding_of_zeros_shows_nothing() -> None:
    config = Config(aspect="gradient", steps=2)
    zero = np.zeros((2, 1, 1), "f")
    derivatives = SimpleNamespace(clean={"x": zero}, found={"x": zero}, finite=None)
    evidence = evidence_of(config, observation=SimpleNamespace(derivatives=derivatives))
    evidence.case.x, evidence.case.valid = (
        np.array([[[7]], [[0]]], "f"),
        np.array([[True], [False]]),
    )
    result, _ = gradient_padding.gradient_padding(evidence)
    assert (*seen(result), result.power) == ("inconclusive", None, 2, 0, {"padding": 0})
    assert result.message == "no element would have shown: padding"
