"""Evaluations of a step that are all correct, in many ways; and some that err as far as they may.

Both are readings of a cell's equation. `Correct` computes in a precision: sums in any order, with
fused multiply-adds or in double precision, and sigmoid and blend in any of their forms. `Adverse`
makes every single rounding as large as the model of arithmetic allows, fl(v) = v (1 + d),
|d| <= u, and each exp and division by what OpenCL allows them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference import FORMATS, Block, Cell, Interval, Parameters, Rounded
from reference.arrays import Array

SUMS = ("chain", "tree", "fused", "double")
SIGMOIDS = ("plain", "tanh", "stable")
BLENDS = ("complement", "terms", "difference")
WAYS = list(itertools.product(SUMS, SIGMOIDS, BLENDS))
NATIVE = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}


@dataclass
class Products:
    """A sum of products that nothing was added up of yet: (..., n) each."""

    left: Array
    right: Array


class Reading:
    """What correct and adverse evaluations share: sums stay open until they are needed."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def rounded(self, value: Array) -> Array:
        raise NotImplementedError

    def summed(self, products: Products) -> Array:
        raise NotImplementedError

    def linear(self, block: Block, value: Any) -> Products:
        v = self.close(value)[..., None, :]
        left, right = np.broadcast_arrays(block.weight.astype(v.dtype), v)
        if block.bias is not None:
            bias = np.broadcast_to(block.bias[:, None].astype(v.dtype), (*left.shape[:-1], 1))
            left = np.concatenate([left, bias], axis=-1)
            right = np.concatenate([right, np.ones_like(bias)], axis=-1)
        return Products(left, right)

    def add(self, *terms: Any) -> Products:
        opened = [self._opened(term) for term in terms]
        return Products(
            np.concatenate([one.left for one in opened], axis=-1),
            np.concatenate([one.right for one in opened], axis=-1),
        )

    def multiply(self, one: Any, other: Any) -> Products:
        return Products(self.close(one)[..., None], self.close(other)[..., None])

    def complement(self, value: Any) -> Array:
        v = self.close(value)
        return self.rounded(v.dtype.type(1) - v)

    def close(self, value: Any) -> Array:
        return self.summed(value) if isinstance(value, Products) else value

    def _opened(self, value: Any) -> Products:
        if isinstance(value, Products):
            return value
        return Products(value[..., None], np.ones_like(value)[..., None])

    def _shuffled(self, products: Products) -> Products:
        """Another order for every element."""
        order = np.argsort(self.rng.random(products.left.shape), axis=-1)
        return Products(
            *(np.take_along_axis(a, order, axis=-1) for a in (products.left, products.right))
        )

    def _chain(self, terms: Array) -> Array:
        total = terms[..., 0]
        for k in range(1, terms.shape[-1]):
            total = self.rounded(total + terms[..., k])
        return total

    def _tree(self, terms: Array) -> Array:
        while terms.shape[-1] > 1:
            even = terms.shape[-1] // 2 * 2
            pairs = self.rounded(terms[..., 0:even:2] + terms[..., 1:even:2])
            terms = np.concatenate([pairs, terms[..., even:]], axis=-1)
        return terms[..., 0]


class Correct(Reading):
    """A way to compute in `dtype`, one of `WAYS`; `wide` rounds only what is stored."""

    def __init__(
        self, dtype: Any, way: tuple[str, str, str], rng: np.random.Generator, wide: bool = False
    ) -> None:
        super().__init__(rng)
        self.dtype = np.dtype(np.float64 if wide else dtype)
        self.sum, self.sigmoid, self.form = way

    def rounded(self, value: Array) -> Array:
        return value.astype(self.dtype)

    def summed(self, products: Products) -> Array:
        products = self._shuffled(products)
        wide = products.left.astype(np.float64), products.right.astype(np.float64)
        if self.sum == "double":
            return self.rounded((wide[0] * wide[1]).sum(axis=-1))
        if self.sum == "fused":
            total = self.rounded(wide[0][..., 0] * wide[1][..., 0])
            for k in range(1, wide[0].shape[-1]):
                total = self.rounded(wide[0][..., k] * wide[1][..., k] + total)
            return total
        terms = self.rounded(products.left * products.right)
        return self._chain(terms) if self.sum == "chain" else self._tree(terms)

    def blend(self, weight: Any, one: Any, other: Any) -> Array:
        z, n, h = (self.close(value) for value in (weight, one, other))
        if self.form == "complement":
            return self.close(self.add(self.multiply(self.complement(z), n), self.multiply(z, h)))
        if self.form == "terms":
            return self.close(self.add(n, self.multiply(-z, n), self.multiply(z, h)))
        return self.close(self.add(n, self.multiply(z, self.rounded(h - n))))

    def activation(self, name: str, value: Any) -> Array:
        a = self.close(value)
        one = a.dtype.type(1)
        if name == "tanh":
            return np.tanh(a)
        if name == "relu":
            return np.maximum(a, a.dtype.type(0))
        if self.sigmoid == "tanh":
            halved: Array = (one + np.tanh(a / 2)) / 2
            return halved
        if self.sigmoid == "plain":
            return one / (one + np.exp(-a))
        e = np.exp(-np.abs(a))
        return np.where(a < 0, e / (one + e), one / (one + e))


SIGNS = ("up", "down", "away", "towards", "random")


class Adverse(Reading):
    """Every rounding errs by u, to one side; real numbers, in float64.

    `activation` errs to a side of its own: `signs` holds that of sums and that of activations.
    """

    def __init__(self, fmt: str, signs: tuple[str, str], rng: np.random.Generator) -> None:
        super().__init__(rng)
        self.fmt, self.unit, self.signs = FORMATS[fmt], FORMATS[fmt].unit_roundoff, signs

    def side(self, value: Array, of: int = 0) -> Array:
        name = self.signs[of]
        if name == "random":
            return self.rng.choice([-1.0, 1.0], value.shape)
        sign: Array = np.sign(value) if name in ("away", "towards") else np.ones(value.shape)
        return -sign if name in ("down", "towards") else sign

    def rounded(self, value: Array) -> Array:
        erred: Array = value + self.side(value) * self.unit * np.abs(value)
        return erred

    def summed(self, products: Products) -> Array:
        products = self._shuffled(products)
        plain = (products.left == 1) | (products.right == 1)
        exact = products.left * products.right
        terms = np.where(plain, exact, self.rounded(exact))
        return self._chain(terms) if self.rng.integers(2) else self._tree(terms)

    def blend(self, weight: Any, one: Any, other: Any) -> Array:
        z, n, h = (self.close(value) for value in (weight, one, other))
        form = self.rng.integers(3)
        if form == 0:
            p = self.rounded(self.complement(z) * n)
            return self.rounded(p + self.rounded(z * h))
        if form == 1:
            return self.rounded(self.rounded(n - self.rounded(z * n)) + self.rounded(z * h))
        return self.rounded(n + self.rounded(z * self.rounded(h - n)))

    def activation(self, name: str, value: Any) -> Array:
        a = self.close(value)
        if name == "relu":
            return np.maximum(a, 0.0)
        if name == "tanh":
            return self._tanh(a)
        if self.rng.integers(2):
            t = self._tanh(a / 2)
            one = 1 + t
            halved: Array = (one + self.side(one, 1) * self.unit * np.abs(one)) / 2
            return halved
        e: Array = np.exp(-np.abs(a))
        side = self.side(a, 1)
        e = e - np.where(a < 0, -1, 1) * side * 3 * self.fmt.ulp(e)
        below = 1 + e
        found: Array = np.where(a < 0, e, 1.0) / (below - side * self.unit * below)
        return found + side * 2.5 * self.fmt.ulp(found)

    def _tanh(self, a: Array) -> Array:
        t: Array = np.tanh(a)
        ulp = self.fmt.ulp(np.minimum(np.abs(t), 1 - self.unit))
        return t + self.side(t, 1) * 5 * ulp


def enclose(
    cell: Cell,
    parameters: Parameters,
    fmt: str,
    x: Array,
    start: Mapping[str, Array],
    seen: Mapping[str, Array],
) -> list[dict[str, Interval]]:
    """The intervals of all states after each step, at the states that were seen (T, B, H).

    What was not seen is an interval from the first step on.
    """
    rounded, found = Rounded(FORMATS[fmt]), []
    before = {name: rounded.given(array) for name, array in start.items()}
    for t in range(len(x)):
        after = cell.equation(rounded, parameters, rounded.given(x[t]), before)
        found.append({name: rounded.close(value) for name, value in after.items()})
        before = {
            name: rounded.given(seen[name][t], stored=True) if name in seen else interval
            for name, interval in found[-1].items()
        }
    return found


def worst(found: list[dict[str, Interval]], states: Mapping[str, Array]) -> float:
    """The largest ratio of error to bound; states (T, B, H).

    Where float16 may overflow there is no bound; that must be rare.
    """
    ratios, bounded = [], []
    for t, step in enumerate(found):
        for name, array in states.items():
            has = np.broadcast_to(step[name].bounded, array[t].shape)
            ratio = np.where(has, step[name].ratio(array[t].astype(np.float64)), 0.0)
            ratios.append(float(ratio.max()))
            bounded.append(float(has.mean()))
    assert min(bounded) > 0.9
    return max(ratios)
