"""A comparison's words: what assert_close would have said is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.comparison import Worst, compare
from reference import FORMATS

DTYPES = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}


@pytest.mark.parametrize("name", DTYPES)
@given(
    expected=st.floats(-8, 8, width=16),
    relative=st.sampled_from([0, 1e-9, 2e-7, 1e-6, 1.2e-6, 1.5e-6, 1e-5, 9e-4, 2e-3]),
)
def test_assert_close_is_quoted_truly(name: str, expected: float, relative: float) -> None:
    dtype = DTYPES[name]
    one = np.array([1.0, expected], dtype)
    two = np.array([1.0, expected * (1 + relative)]).astype(dtype)
    result = compare(
        "output", two, one.astype(np.float64), np.zeros(2), FORMATS[name], lambda _: Worst("output")
    )
    try:
        torch.testing.assert_close(torch.tensor(two), torch.tensor(one))
        said = True
    except AssertionError:
        said = False
    assert (result.assert_close == "pass") == said
