"""The formats against NumPy's own, and gamma_n."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import FORMATS, gamma

NATIVE: dict[str, Any] = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
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
