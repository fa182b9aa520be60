"""Gradients that what stands in the padding reaches, or does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.activation import OwnActivations
from harness.checks.gradient_padding import gradient_padding
from harness.comparison import Comparison
from harness.config import Config
from harness.observe import Derivatives
from tests.synthetic import TINY, case_of, evidence_of, measured, summary

GRADIENTS = Config.of(aspect="gradient", steps=2)
FLUSHES = measured(flushes=True)


def judged(x: Any, derivatives: Derivatives | None, **given: Any) -> list[Comparison]:
    """One row of two steps, of which the second is padding, of one layer of four units."""
    own, lengths = given.get("own"), given.get("lengths", (1,))
    config = GRADIENTS.replace(input_size=np.shape(x)[2], batch=np.shape(x)[1])
    evidence = evidence_of(case_of(config, x=x, lengths=lengths), own=own, derivatives=derivatives)
    return list(gradient_padding(evidence))


ZERO = np.zeros((2, 1, 1), "f")
NAN_PADDED = [[[0]], [[math.nan]]]


def of_bias(values: Any) -> dict[str, Any]:
    """Gradients of b_ih, and of x, which is 0."""
    return {"bias_ih_l0": np.array(values, "f"), "x": ZERO}


def padded(found: Any, clean: Any, own: OwnActivations | None = None) -> Comparison:
    """The gradient of b_ih."""
    derivatives = Derivatives({}, of_bias(found), of_bias(clean))
    result, of_x, of_padding = judged(NAN_PADDED, derivatives, own=own)
    assert (of_x.part, *summary(of_x)) == ("x", "pass", None, 2, 0)
    assert result.power == of_x.power == {"padding": 1}
    assert (of_padding.part, *summary(of_padding), of_padding.ratio) == (
        "x in the padding", "pass", None, 1, 0, 0,
    )  # fmt: skip
    return result


def test_gradients_that_padding_does_not_reach() -> None:
    result = padded([1, 2, -0.0, 0.0], [1, 2, 0.0, -0.0])
    assert (result.part, *summary(result), result.message) == ("bias_ih_l0", "pass", None, 4, 0, "")


def test_gradients_that_padding_makes_not_finite() -> None:
    nan, inf = math.nan, math.inf
    result = padded([1, nan, inf, 4], [1, 2, 3, 4])
    assert summary(result) == ("fail", "padding", 4, 2)
    message = "2 elements depend on the padding of x, all of them not finite"
    assert result.message == message
    assert result.worst is not None
    assert (result.worst.output, result.worst.unit) == ("gradient of bias_ih_l0", 1)
    result = padded([1, nan, 3.5, 4], [1, 2, 3, 4])
    assert summary(result) == ("fail", "unexplained", 4, 2)
    assert result.message == "2 elements depend on the padding of x, and some of them are finite"
    assert padded([1, nan, 3, 4], [1, inf, 3, 4]).cause == "unexplained"


def test_gradients_that_padding_moves_by_what_flushing_moves() -> None:
    small = [1, 2.0**-110, 3, 4], [1, 0, 3, 4]
    assert padded(*small, FLUSHES).cause == "flush"
    assert padded(*small, measured(error=0.5)).cause == "unexplained"
    assert padded(*small).cause == "unexplained"
    assert padded([1, 2.0**-110, math.nan, 4], [1, 0, 3, 4], FLUSHES).cause == "padding"
    assert padded([1, 2.0**-110, 3.5, 4], [1, 0, 3, 4], FLUSHES).cause == "unexplained"


def test_numbers_in_the_padding_that_what_is_not_finite_would_hide() -> None:
    """Asked with the numbers alone, they may move nothing, whatever NaN does."""
    nan, clean = math.nan, [1, 2.0**-110]

    def of_numbers(*finite: float, own: OwnActivations | None = None) -> Comparison:
        derivatives = Derivatives({}, of_bias([nan, nan]), of_bias(clean), finite=of_bias(finite))
        all_of_it, numbers, *_ = judged(NAN_PADDED, derivatives, own=own)
        assert (all_of_it.cause, numbers.part) == ("padding", "bias_ih_l0, finite padding")
        assert numbers.power == all_of_it.power
        return numbers

    assert of_numbers(*clean).verdict == "pass"
    for wrong in (1.5, nan):
        assert summary(of_numbers(wrong, 2.0**-110)) == ("fail", "unexplained", 2, 1)
    assert of_numbers(1, 0, own=FLUSHES).cause == "flush"


def test_padding_has_no_gradient() -> None:
    x = np.array([[[1, 2]], [[0, TINY / 4]]], "f")
    derivatives = Derivatives({}, {"x": x}, {"x": x})
    assert judged(x, derivatives, lengths=None) == judged(x, derivatives, lengths=(2,)) == []
    assert judged(x, None) == []
    same, result = judged(x, derivatives)
    assert (same.verdict, same.power) == ("pass", {"padding": 0.5})
    assert (*summary(result), result.ratio) == ("fail", "unexplained", 2, 1, math.inf)
    assert result.message == "1 elements of padding have a gradient"
    assert result.worst is not None
    assert (result.worst.output, result.worst.step, result.worst.unit) == ("gradient of x", 1, 1)


@pytest.mark.parametrize(
    ("valid", "gradient", "cause"),
    [
        (math.nan, (0, math.nan), "spread"),
        (math.nan, (math.nan, math.nan), "spread"),
        (math.nan, (1, math.nan), "unexplained"),  # a number is no trace of NaN
        (math.nan, (0, math.inf), "unexplained"),
        (1.0, (0, math.nan), "unexplained"),
    ],
)
def test_nan_of_a_valid_step_may_explain_nan_in_the_gradient_of_its_padding(
    valid: float, gradient: tuple[float, float], cause: str
) -> None:
    x = np.array([[[valid, 2]], [[math.nan, 3]]], "f")
    found = {"x": np.array([[[valid, valid]], [gradient]], "f")}
    *_, result = judged(x, Derivatives({}, found, found))
    assert (result.part, result.verdict, result.cause) == ("x in the padding", "fail", cause)


def test_nan_of_another_row_explains_nothing() -> None:
    x = np.array([[[math.nan], [1]], [[0], [0]]], "f")
    found = {"x": np.array([[[math.nan], [1]], [[0], [math.nan]]], "f")}
    *_, result = judged(x, Derivatives({}, found, found), lengths=(1, 1))
    assert (result.verdict, result.cause) == ("fail", "unexplained")


def test_padding_of_zeros_shows_nothing() -> None:
    result, _ = judged([[[7]], [[0]]], Derivatives({}, {"x": ZERO}, {"x": ZERO}))
    assert (*summary(result), result.power) == ("inconclusive", None, 2, 0, {"padding": 0})
    assert result.message == "no element would have shown: padding"
