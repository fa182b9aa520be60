"""The bounds: against NumPy's own formats, against known values, and never exceeded."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import FORMATS, activation_interval, gamma, step_error

NATIVE = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
EVERY_FLOAT = st.floats(allow_nan=False)


@pytest.mark.parametrize("name", NATIVE)
def test_formats_are_numpys(name: str) -> None:
    fmt, info = FORMATS[name], np.finfo(NATIVE[name])
    assert fmt.unit_roundoff == info.eps / 2
    assert fmt.smallest_normal == info.smallest_normal
    assert fmt.smallest_subnormal == info.smallest_subnormal
    assert fmt.largest == info.max


def test_bfloat16_is_float32_cut_short() -> None:
    bf16, fp32 = FORMATS["bf16"], FORMATS["fp32"]
    assert bf16.unit_roundoff == 2.0**-8
    assert bf16.smallest_normal == fp32.smallest_normal
    assert bf16.largest == float.fromhex("0x1.fep127")
    assert bf16.ulp([1.0, 0.0]).tolist() == [2.0**-7, bf16.smallest_subnormal]


@pytest.mark.parametrize("name", NATIVE)
@given(value=EVERY_FLOAT)
def test_ulp_is_the_distance_to_the_next_number(name: str, value: float) -> None:
    with np.errstate(over="ignore"):
        stored = NATIVE[name](value)
    if abs(stored) < FORMATS[name].largest:
        assert FORMATS[name].ulp(float(stored)) == np.spacing(np.abs(stored))


def test_gamma() -> None:
    assert gamma(0, 2.0**-24) == 0
    assert gamma(8, 2.0**-24) == 8 * 2.0**-24 / (1 - 8 * 2.0**-24)
    assert gamma(256, 2.0**-8) == math.inf
    with pytest.raises(ValueError, match="n = -1"):
        gamma(-1, 0.5)


def sum_in(order: list[int], terms: np.ndarray, shape: str, dtype: type) -> np.floating:
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
def test_no_order_of_evaluation_exceeds_the_bound(dtype: type, data: st.DataObject) -> None:
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
    bound = step_error(float(magnitude), n, fmt)
    assert abs(Fraction(float(computed)) - exact) <= Fraction(float(bound))


def test_interval_goes_through_the_activation() -> None:
    """Where tanh saturates an error of the pre-activation hardly shows, so little is allowed."""
    fmt = FORMATS["fp32"]
    flat = activation_interval("tanh", np.array([8.0]), np.array([1e-3]), fmt)
    steep = activation_interval("tanh", np.array([0.1]), np.array([1e-3]), fmt)
    assert (flat.high - flat.low).item() < 1e-6 < 1e-3 < (steep.high - steep.low).item()


def test_relu_is_allowed_no_error_of_its_own() -> None:
    interval = activation_interval("relu", np.array([1.0, -1.0]), np.zeros(2), FORMATS["fp32"])
    assert interval.ratio(np.array([1.0, 0.0])).tolist() == [0, 0]
    assert interval.ratio(np.array([np.nextafter(1.0, 2), 1e-300])).tolist() == [math.inf] * 2


def test_ratio_is_one_at_the_end_of_the_interval_and_nan_is_beyond() -> None:
    interval = activation_interval("tanh", np.array([0.5] * 4), np.full(4, 1e-3), FORMATS["fp32"])
    actual = np.array([interval.low[0], interval.high[1], interval.expected[2], np.nan])
    assert interval.ratio(actual).tolist() == [1, 1, 0, math.inf]


def test_tanh_may_err_five_ulp_and_no_more() -> None:
    fmt, x = FORMATS["fp32"], np.array([0.7, 0.7])
    interval = activation_interval("tanh", x, np.zeros(2), fmt)
    ulp = fmt.ulp(interval.expected)
    ratios = interval.ratio(interval.expected + np.array([4.99, 5.01]) * ulp)
    assert ratios[0] < 1 < ratios[1]
