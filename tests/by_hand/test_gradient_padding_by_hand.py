"""Gradients that what stands in the padding reaches, or does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.activation import OwnActivations
from harness.checks.gradient_padding import gradient_padding
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.observe import Derivatives
from tests.synthetic import TINY, case_of, evidence_of, measured, summary

GRADIENTS = Config.of(aspect="gradient", steps=2)
FLUSHES = measured(flushes=True)


def evidence_on(
    x: Any,
    clean: Mapping[str, Any],
    found: Mapping[str, Any] | None = None,
    finite: Mapping[str, Any] | None = None,
    own: OwnActivations | None = None,
    lengths: tuple[int, ...] | None = (1,),
    **sizes: int,
) -> Evidence:
    """One row of two steps, of which the second is padding."""
    case = case_of(GRADIENTS.replace(**sizes), x=x, lengths=lengths)

    def arrays(given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: np.array(array, "f") for name, array in given.items()}

    derivatives = Derivatives(
        {},
        arrays(clean if found is None else found),
        arrays(clean),
        finite=None if finite is None else arrays(finite),
    )
    return evidence_of(case, own=own, derivatives=derivatives)


ZERO = np.zeros((2, 1, 1))
NAN_PADDED = [[[0]], [[math.nan]]]


def padded(found: Any, clean: Any, own: OwnActivations | None = None) -> Comparison:
    """The gradient of b_ih of one layer of four units."""
    evidence = evidence_on(
        NAN_PADDED,
        {"bias_ih_l0": clean, "x": ZERO},
        {"bias_ih_l0": found, "x": ZERO},
        own=own,
        hidden_size=4,
    )
    result, of_x, of_padding = gradient_padding(evidence)
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
    nan = math.nan

    def judged(finite: Any, own: OwnActivations | None = None) -> Comparison:
        clean = np.array([1, 2.0**-110])
        evidence = evidence_on(
            NAN_PADDED,
            {"bias_ih_l0": clean, "x": ZERO},
            {"bias_ih_l0": clean + nan, "x": ZERO},
            {"bias_ih_l0": finite, "x": ZERO},
            own,
            hidden_size=2,
        )
        all_of_it, numbers, *_ = gradient_padding(evidence)
        assert all_of_it.cause == "padding"
        assert numbers.part == "bias_ih_l0, finite padding"
        assert numbers.power == all_of_it.power
        return numbers

    assert judged([1, 2.0**-110]).verdict == "pass"
    assert summary(judged([1.5, 2.0**-110])) == ("fail", "unexplained", 2, 1)
    assert summary(judged([nan, 2.0**-110])) == ("fail", "unexplained", 2, 1)
    assert judged([1, 0], FLUSHES).cause == "flush"


def test_padding_has_no_gradient() -> None:
    x = [[[1, 2]], [[0, TINY / 4]]]
    assert list(gradient_padding(evidence_on(x, {"x": x}, lengths=None, input_size=2))) == []
    assert list(gradient_padding(evidence_on(x, {"x": x}, lengths=(2,), input_size=2))) == []
    evidence = evidence_on(x, {"x": x}, input_size=2)
    same, result = gradient_padding(evidence)
    assert (same.verdict, same.power) == ("pass", {"padding": 0.5})
    assert (*summary(result), result.ratio) == ("fail", "unexplained", 2, 1, math.inf)
    assert result.message == "1 elements of padding have a gradient"
    assert result.worst is not None
    assert (result.worst.output, result.worst.step, result.worst.unit) == ("gradient of x", 1, 1)
    assert list(gradient_padding(evidence_of(evidence.case))) == []


def test_padding_of_zeros_shows_nothing() -> None:
    result, _ = gradient_padding(evidence_on([[[7]], [[0]]], {"x": ZERO}))
    assert (*summary(result), result.power) == ("inconclusive", None, 2, 0, {"padding": 0})
    assert result.message == "no element would have shown: padding"
