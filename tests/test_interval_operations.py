"""Each operation on intervals holds every rounding of it, at every point of its operands.

Points, roundings and forms are drawn; arithmetic is that of float64, of which float16 sees little.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import FORMATS, Block, Interval, Rounded
from reference.arrays import Array
from tests.correct_steps import Adverse, Correct

FP16 = FORMATS["fp16"]
SEEDS = st.integers(0, 2**32 - 1)
UNITS = 32


class Operands:
    """Random intervals, exact numbers and stored ones, and points in them."""

    def __init__(self, seed: int, *, tiny: bool = False, flushed: bool = False) -> None:
        self.rng = np.random.default_rng(seed)
        self.tiny = tiny
        self.op = Rounded(FP16, flushed=flushed)
        self.adverse = Adverse("fp16", ("random", "random"), self.rng)

    def numbers(self, shape: tuple[int, ...] = (UNITS,)) -> Array:
        numbers = self.rng.uniform(-2, 2, shape)
        if self.tiny:
            numbers = numbers * 2.0 ** self.rng.integers(-16, 0, shape)
        return numbers.astype(np.float16).astype(np.float64)

    def drawn(self, low: float = -np.inf, high: float = np.inf) -> tuple[Interval, Array]:
        """An interval and a point in it: of any width, seen and stored, or exact."""
        expected = np.clip(self.numbers(), low, high)
        kind = self.rng.integers(3)
        if kind == 0:
            return self.op.given(expected), expected
        if kind == 1:
            ulp = FP16.ulp(expected)
            # Half of the distance below a power of two: what rounds to `expected` is no further.
            half = np.where(np.frexp(np.abs(expected))[0] == 0.5, ulp / 4, ulp / 2)
            point = expected + half * self.rng.uniform(-1, 1, UNITS)
            return self.op.given(expected, stored=True), point
        below, above = self.rng.uniform(0, 1, (2, UNITS)) * self.rng.choice([0, 1e-3, 0.5])
        interval = Interval(
            np.clip(expected - below, low, high), expected, np.clip(expected + above, low, high)
        )
        at = self.rng.choice([0.0, 1.0, self.rng.random()], UNITS)
        point = interval.low + at * (interval.high - interval.low)
        return interval, np.clip(point, interval.low, interval.high)


def inside(found: Interval, points: Array) -> bool:
    return bool((found.ratio(points) <= 1).all() and np.all(found.bounded))


COUNT = {"multiply": 2, "complement": 1, "blend": 3, "add": 3, "linear": 1}
"""Operands of each operation."""


@pytest.mark.parametrize("operation", ["multiply", "complement", "blend"])
@given(seed=SEEDS)
def test_results_are_inside_in_all_their_forms(operation: str, seed: int) -> None:
    of = Operands(seed)
    drawn = [of.drawn() for _ in range(COUNT[operation])]
    found = getattr(of.op, operation)(*(interval for interval, _ in drawn))
    for _ in range(6):
        point = getattr(of.adverse, operation)(*(point for _, point in drawn))
        assert inside(found, of.adverse.close(point))


@given(SEEDS, st.integers(2, 5))
def test_sums_of_intervals_are_inside_in_any_order(seed: int, count: int) -> None:
    of = Operands(seed)
    drawn = [of.drawn() for _ in range(count)]
    found = of.op.close(of.op.add(*(interval for interval, _ in drawn)))
    assert inside(found, of.adverse.close(of.adverse.add(*(point for _, point in drawn))))


@given(SEEDS)
def test_sums_with_linear_terms_are_inside_in_any_order(seed: int) -> None:
    """W v + b + r u, with an inexact v; the terms of W v among the others."""
    of = Operands(seed)
    (v, p), (r, q), (u, s) = of.drawn(), of.drawn(), of.drawn()
    block = Block("ih", 0, of.numbers((UNITS, UNITS)), of.numbers())
    op, adverse = of.op, of.adverse
    found = op.close(op.add(op.linear(block, v), op.multiply(r, u)))
    product = adverse.rounded(q * s)
    assert inside(found, adverse.close(adverse.add(adverse.linear(block, p), product)))


@given(SEEDS)
def test_linear_terms_reach_the_corners_of_their_operand(seed: int) -> None:
    """By the sign of each weight: the least and the largest that a row may give."""
    of = Operands(seed)
    expected = of.numbers()
    v = Interval(expected - 0.5, expected, expected + 0.25)
    block = Block("hr", 0, of.numbers((1, UNITS)), None)
    found, (row,) = of.op.close(of.op.linear(block, v)), block.weight
    for towards in (row > 0, row < 0):
        point = np.where(towards, v.high, v.low)
        exact = (row * point).sum(keepdims=True)
        assert inside(found, of.adverse.close(of.adverse.linear(block, point)))
        assert found.ratio(exact).item() > 0.9


@given(SEEDS, st.sampled_from(["tanh", "sigmoid", "relu"]), st.integers(1, 16))
def test_activations_are_inside(seed: int, name: str, scale: int) -> None:
    of = Operands(seed)
    a, p = of.drawn()
    a = Interval(a.low * scale, a.expected * scale, a.high * scale, stored=a.stored)
    assert inside(of.op.activation(name, a), of.adverse.activation(name, p * scale))


WAYS = [("chain", "plain", form) for form in ("complement", "terms", "difference")]


class Flushing(Correct):
    """Takes every operand and result below the smallest normal number as 0."""

    def rounded(self, value: Array) -> Array:
        found = value.astype(self.dtype)
        return np.where(np.abs(found) < FP16.smallest_normal, np.float16(0), found)

    def close(self, value: Any) -> Array:
        return self.rounded(super().close(value))

    def summed(self, products: Any) -> Array:
        products.left, products.right = self.rounded(products.left), self.rounded(products.right)
        return super().summed(products)


@pytest.mark.parametrize("arithmetic", [Correct, Flushing])
@pytest.mark.parametrize("operation", COUNT)
@given(seed=SEEDS)
def test_results_that_underflow_are_inside(
    operation: str, arithmetic: type[Correct], seed: int
) -> None:
    """Down to the subnormal numbers of float16, rounded by NumPy; or flushed, where allowed."""
    of = Operands(seed, tiny=True, flushed=arithmetic is Flushing)
    numbers = [of.numbers() for _ in range(3)]
    correct = arithmetic(np.float16, WAYS[seed % 3], of.rng)
    found, actual = both(operation, of, [of.op.given(a) for a in numbers], correct, numbers)
    assert inside(found, actual.astype(np.float64))


def both(
    operation: str, of: Operands, operands: list[Interval], correct: Correct, numbers: list[Array]
) -> tuple[Interval, Array]:
    """The interval and a correct evaluation of one operation."""
    count = COUNT[operation]
    halves = [a.astype(np.float16) for a in numbers]
    if operation == "linear":
        block = Block("ih", 0, of.numbers((UNITS, UNITS)), None)
        found = of.op.close(of.op.linear(block, operands[0]))
        return found, correct.close(correct.linear(block, halves[0]))
    found = of.op.close(getattr(of.op, operation)(*operands[:count]))
    return found, correct.close(getattr(correct, operation)(*halves[:count]))
