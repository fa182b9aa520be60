"""Intervals of sums and activations: known values, and never exceeded in any order."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import FORMATS, Interval, Rounded, sum_error
from reference.arrays import Array


def within(name: str, a: list[float], error: float, fmt: str = "fp32") -> Interval:
    """An activation of everything in [a - error, a + error]."""
    values = np.array(a)
    argument = Interval(values - error, values, values + error)
    return Rounded(FORMATS[fmt]).activation(name, argument)


def sum_in(order: list[int], terms: Array, shape: str, dtype: Any) -> Any:
    """Add up terms of a precision in some order: a chain, or a random tree."""
    values = [terms[i] for i in order]
    while len(values) > 1:
        if shape == "chain":
            values = [dtype(values[0] + values[1]), *values[2:]]
        else:
            pairs = [dtype(a + b) for a, b in zip(values[::2], values[1::2], strict=False)]
            values = pairs + (values[-1:] if len(values) % 2 else [])
    return values[0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32], ids=["fp16", "fp32"])
@given(data=st.data())
def test_no_order_of_evaluation_exceeds_the_bound(dtype: Any, data: st.DataObject) -> None:
    """Products and sums rounded in every order: exact arithmetic is by fractions."""
    fmt = FORMATS["fp16" if dtype is np.float16 else "fp32"]
    n = data.draw(st.integers(1, 12), label="terms")
    scale = 2.0 ** -data.draw(st.sampled_from([0, 5, 9, 12, 60, 70]), label="binary scale")
    numbers = st.floats(-16, 16, width=16).map(lambda value: value * scale)
    w = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n), label="w"), dtype)
    x = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n), label="x"), dtype)
    order = data.draw(st.permutations(range(n)), label="order")
    shape = data.draw(st.sampled_from(["chain", "tree"]), label="shape")
    with np.errstate(under="ignore"):
        computed = sum_in(order, w * x, shape, dtype)
    exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(w, x, strict=True))
    magnitude = sum(abs(Fraction(float(a)) * Fraction(float(b))) for a, b in zip(w, x, strict=True))
    bound = sum_error(float(magnitude), n, fmt)
    assert abs(Fraction(float(computed)) - exact) <= Fraction(float(bound))


def test_relu_is_allowed_no_error_of_its_own() -> None:
    interval = within("relu", [1.0, -1.0], 0.0)
    assert interval.ratio(np.array([1.0, 0.0])).tolist() == [0, 0]
    assert interval.ratio(np.array([np.nextafter(1.0, 2), 1e-300])).tolist() == [math.inf] * 2


def test_ratio_is_one_at_the_end_of_the_interval_and_nan_is_beyond() -> None:
    interval = within("tanh", [0.5] * 4, 1e-3)
    actual = np.array([interval.low[0], interval.high[1], interval.expected[2], np.nan])
    assert interval.ratio(actual).tolist() == [1, 1, 0, math.inf]


def test_an_interval_is_known_by_its_largest_number_and_its_wider_side() -> None:
    low, middle, high = (np.array(v) for v in ([-3.0, 1.0], [-1.0, 1.5], [0.0, 4.0]))
    interval = Interval(low, middle, high)
    assert interval.largest.tolist() == [3, 4]
    assert interval.half_width.tolist() == [2, 2.5]
    assert not interval.exact
    assert Interval(middle, middle, middle).exact
