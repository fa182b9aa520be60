"""What is known to the bit: integers, gates that are 0 or 1, and what they select."""

from __future__ import annotations

import numpy as np
import pytest

from reference import FORMATS, Block, Known, Selected

FP32 = Selected(FORMATS["fp32"])


def known(*values: float, exact: bool = True) -> Known:
    array = np.array([values])
    return Known(array, np.full(array.shape, exact), np.abs(array))


def summary(one: Known) -> tuple[list[float], list[bool]]:
    return one.value[0].tolist(), one.exact[0].tolist()


def test_numbers_that_are_given_are_known_but_for_nan_and_infinities() -> None:
    found = FP32.given(np.array([[1.5, np.inf, np.nan]], "f"))
    assert found.exact.tolist() == [[True, False, False]]
    assert found.whole.tolist() == [[False, False, False]]


def test_sums_of_integers_are_known_while_all_partial_sums_are_numbers() -> None:
    block = Block("ih", 0, np.array([[1.0, -1], [1, 0.5], [2, 1]]), np.array([1.0, 0, 0]))
    assert summary(FP32.linear(block, known(3, 4))) == ([0, 5, 10], [True, False, True])
    assert summary(FP32.linear(block, known(2**23, 2**23)))[1] == [False, False, False]
    assert summary(FP32.linear(block, known(3, 4.5)))[1] == [False] * 3
    assert summary(FP32.linear(block, known(3, 4, exact=False)))[1] == [False] * 3
    assert summary(FP32.add(known(1, 2**23), known(2, 2**23), known(3, 0))) == (
        [6, 2**24], [True, False],
    )  # fmt: skip


def test_a_product_with_0_is_0() -> None:
    with np.errstate(invalid="ignore"):
        found = FP32.multiply(known(0, 0, 2), known(0.3, np.inf, 0.3, exact=False))
    assert found.exact.tolist() == [[True, False, False]]
    assert summary(FP32.multiply(known(3, 2**12, 0.5), known(-2, 2**12, 2))) == (
        [-6, 2**24, 1], [True, False, False],
    )  # fmt: skip


@pytest.mark.parametrize(("dtype", "far"), [("fp16", 18.1), ("fp32", 104.7), ("fp64", 745.9)])
def test_gates_far_from_0_are_0_or_1(dtype: str, far: float) -> None:
    op = Selected(FORMATS[dtype])
    beyond, within = far + 1, far - 1
    found = op.activation("sigmoid", known(beyond, -beyond, within, -within, 0))
    assert found.exact.tolist() == [[True, True, False, False, False]]
    assert found.value[0, :2].tolist() == [1, 0]
    found = op.activation("tanh", known(beyond, -beyond, within, 0))
    assert found.exact.tolist() == [[True, True, False, True]]
    assert found.value[0, :2].tolist() == [1, -1]
    inexact = op.activation("sigmoid", known(2 * far, exact=False))
    assert summary(inexact) == ([1.0], [True])


def test_relu_knows_what_it_was_given() -> None:
    found = FP32.activation("relu", known(-2, 3))
    assert summary(found) == ([0, 3], [True, True])
    assert not FP32.activation("relu", known(3, exact=False)).exact.any()


def test_a_blend_selects() -> None:
    """A weight of 0 leaves the first one, whatever the other is; of 1 the other, both whole."""
    n, h = known(0.3, 2, 2, 2), known(0.7, 0.7, 5, 5)
    assert FP32.blend(known(0, 0, 0, 1), n, h).exact.tolist() == [[True, True, True, True]]
    assert FP32.blend(known(0, 0, 0, 1), n, h).value[0].tolist() == [0.3, 2, 2, 5]
    assert not FP32.blend(known(1), known(2), known(0.7)).exact.any()
    assert not FP32.blend(known(0.5), known(2), known(3)).exact.any()


def test_a_complement_is_one_less() -> None:
    assert summary(FP32.complement(known(0, 1, 0.5))) == ([1, 0, 0.5], [True, True, False])
