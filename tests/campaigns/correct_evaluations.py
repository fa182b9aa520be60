"""Correct evaluations in a format, in every order that an implementation may choose.

Whatever these give, an implementation may give; a bound that one of them exceeds is wrong. All
sums go through `dot`, in one of these orders:

    shuffled, descending, ascending    one after the other; by magnitude in the last two
    pairwise                           a tree
    lanes                              4 to 16 partial sums side by side, then those
    fma                                one after the other, products not rounded
    wide                               in a wider format, rounded once

The equations are those of `ball_arithmetic`. Operations are those of NumPy's own formats, each
rounded to nearest. A fused multiply-add of float16 or float32 is a float64 product, which is exact,
and a float64 sum rounded to odd, which then rounds correctly to the format (S. Boldo and
G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to
odd", IEEE Transactions on Computers 57, 2008).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.case import Case
from harness.data import NUMPY_DTYPES
from reference import FORMATS, Format
from reference.arrays import Array, BoolArray
from tests.campaigns.ball_arithmetic import Equation, Rows, States

ORDERS = ("shuffled", "descending", "ascending", "pairwise", "lanes", "fma", "wide")

GROUPINGS = ("one sum", "two sums", "biases first", "biases last")
"""How a sum's terms are grouped: all in one sum; input and state apart, each with its bias;
the biases added to each other first, and to the rest at the end; or each added at the end."""

BLENDS = ("complement", "terms", "difference")
"""(1 - z) n + z h; n - z n + z h in one sum; n + z (h - n)."""

SIGMOIDS = ("exp", "tanh")
"""1 / (1 + exp(-a)), and (1 + tanh(a / 2)) / 2."""


@dataclass(frozen=True)
class EvaluationOrder:
    """In which order sums are evaluated, how their terms are grouped, and in which precision.

    `kept`: states stay in the wider format, and are rounded only where they are given out (with
    order "wide"). `erring`: each tanh errs by this many ulp, besides rounding, and each sigmoid by
    as large a part of what its exp, sum and division may.
    """

    order: str
    grouping: str = "one sum"
    kept: bool = False
    erring: int = 0
    blend: str = "complement"
    sigmoid: str = "exp"

    @property
    def kind(self) -> str:
        """For reports."""
        return self.order + ", kept" * self.kept


_NAMES = {dtype: name for name, dtype in NUMPY_DTYPES.items()}


def wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float64 for float16 and float32; for float64 the platform's longest."""
    return np.dtype(np.longdouble if dtype == np.float64 else np.float64)


@dataclass(frozen=True)
class EvaluatedStates:
    """`outputs` of every layer (T, B, D * H), and `finals` (`h_n`: (L * D, B, H)), in the case's
    format.

    `inside` are the outputs as later steps and layers saw them: wider, where they were kept.
    """

    outputs: tuple[Array, ...]
    finals: Mapping[str, Array]
    inside: tuple[Array, ...]


def states(case: Case, evaluation: EvaluationOrder, rng: np.random.Generator) -> EvaluatedStates:
    """Every state of a case. The padding is zero; a row of length 0 keeps its initial states."""
    dtype, equation = case.x.dtype, equation_of(case)
    op = Working(dtype, evaluation, rng)
    below: Array = np.where(case.valid[:, :, None], case.x, dtype.type(0))
    outputs, inside = [], []
    last: dict[str, list[Array]] = {name: [] for name in equation.units}
    for layer, directions in enumerate(equation.directions):
        sides = []
        for side, direction in enumerate(directions):
            index = layer * equation.sides + side
            start = {name: case.start(name, index) for name in equation.units}
            step = functools.partial(equation.step, op, direction)
            out, end = _scan(step, op, below, start, case.valid, side == 1)
            sides.append(out)
            for name, array in end.items():
                last[name].append(array.astype(dtype))
        below = np.concatenate(sides, axis=2)
        inside.append(below)
        outputs.append(below.astype(dtype))
    finals = {f"{name}_n": np.stack(rows) for name, rows in last.items()}
    return EvaluatedStates(tuple(outputs), finals, tuple(inside))


def equation_of(case: Case) -> Equation:
    """The equation of a case: Elman's cell by its nonlinearity."""
    config, cell = case.config, case.config.cell.name
    name = config.nonlinearity if cell == "elman" else cell
    return Equation(case.weights, name, config.num_layers, config.bias, config.bidirectional)


def parameter_names(case: Case, layer: int, side: int) -> list[str]:
    """Of one direction of one layer: W_ih, W_hh, and the biases where there are any."""
    kinds = ("weight_ih", "weight_hh", *("bias_ih", "bias_hh")[: 2 * case.config.bias])
    return [f"{kind}_l{layer}" + "_reverse" * side for kind in kinds]


def _scan(
    step: Callable[[Any, States], States],
    op: Working,
    below: Array,
    start: Mapping[str, Array],
    valid: BoolArray,
    reverse: bool,
) -> tuple[Array, dict[str, Array]]:
    states = {name: array.astype(op.kept) for name, array in start.items()}
    output = np.zeros((*valid.shape, states["h"].shape[1]), op.kept)
    for t in range(len(valid))[:: -1 if reverse else 1]:
        found = {n: op.close(value) for n, value in step(below[t], states).items()}
        keep = valid[t][:, None]
        states = {name: np.where(keep, found[name], array) for name, array in states.items()}
        output[t] = np.where(keep, found["h"], 0)
    return output, states


Pair = tuple[Array, Array]
"""Factors (..., n), whose products are terms."""


@dataclass(frozen=True, eq=False)
class Open:
    """A sum that was not added up yet: of several matrix products, or of other terms, each with its
    bias if there is one.
    """

    parts: tuple[tuple[Pair, Pair | None], ...]


class Working:
    """The reading in a working precision, (B, n) each; sums stay open until they are needed."""

    def __init__(self, dtype: Any, evaluation: EvaluationOrder, rng: np.random.Generator) -> None:
        self.evaluation, self.rng, self.dtype = evaluation, rng, np.dtype(dtype)
        self.kept = wider(self.dtype) if evaluation.kept else self.dtype

    def linear(self, rows: Rows, value: Any) -> Open:
        v = self.close(value)[:, None, :]
        one = np.ones((1, 1, 1), self.kept)
        bias = None if rows.bias is None else (one, rows.bias.astype(self.kept)[None, :, None])
        return Open((((v, rows.weight.astype(self.kept)[None]), bias),))

    def add(self, *values: Any) -> Open:
        return Open(tuple(part for value in values for part in self._opened(value).parts))

    def multiply(self, one: Any, other: Any) -> Open:
        return Open((((self.close(one)[..., None], self.close(other)[..., None]), None),))

    def blend(self, weight: Any, one: Any, other: Any) -> Array:
        z, n, h = (self.close(value) for value in (weight, one, other))
        unit = z.dtype.type(1)
        if self.evaluation.blend == "complement":
            return self.close(self.add(self.multiply(unit - z, n), self.multiply(z, h)))
        if self.evaluation.blend == "terms":
            return self.close(self.add(n, self.multiply(-z, n), self.multiply(z, h)))
        return self.close(self.add(n, self.multiply(z, h - n)))

    def activation(self, name: str, value: Any) -> Array:
        """Evaluated wider, moved by the error it is to have, and rounded to the format."""
        a = self.close(value)
        if name == "relu":
            return np.maximum(a, a.dtype.type(0))
        exact = (self._tanh if name == "tanh" else self._sigmoid)(a.astype(wider(self.dtype)))
        return exact.astype(self.kept)

    def _tanh(self, a: Array) -> Array:
        exact: Array = np.tanh(a)
        if not self.evaluation.erring:
            return exact
        # No tanh reaches 1, where an ulp is twice as large: the wider format only rounds to it.
        ulp = self._ulp(np.minimum(np.abs(exact), 1 - self.fmt.unit_roundoff))
        return np.where(exact == 0, exact, exact + self.evaluation.erring * ulp)

    def _sigmoid(self, a: Array) -> Array:
        """e / (1 + e) or 1 / (1 + e), e = exp(-|a|) within 3 ulp, the quotient within 2.5; or by
        tanh.
        """
        if self.evaluation.sigmoid == "tanh":
            t = self._tanh(a / 2).astype(self.kept)
            return np.asarray((1 + t.astype(a.dtype)) / 2)
        part = self.evaluation.erring / 4  # of what it may err, upwards or downwards
        e: Array = np.exp(-np.abs(a))
        e = e + np.where(a < 0, part, -part) * 3 * self._ulp(e) if part else e
        below = (1 + e) * (1 - part * self.fmt.unit_roundoff)
        found: Array = np.where(a < 0, e, 1) / below
        return found + part * 2 * self._ulp(found) if part else found

    @property
    def fmt(self) -> Format:
        return FORMATS[_NAMES[self.dtype]]

    def _ulp(self, value: Array) -> Array:
        return self.fmt.ulp(value.astype(np.float64))

    def close(self, value: Any) -> Array:
        """A sum, made as the evaluation groups its terms."""
        if not isinstance(value, Open):
            return np.asarray(value)
        pairs = [pair for pair, _ in value.parts]
        biases = [bias for _, bias in value.parts if bias is not None]
        if self.evaluation.kept:
            return np.asarray(
                functools.reduce(np.add, ((a * b).sum(axis=-1) for a, b in pairs + biases))
            )
        if self.evaluation.grouping == "one sum" or not biases:
            return self._sum(pairs + biases)
        if self.evaluation.grouping == "two sums":
            parts = [self._sum([p] if b is None else [p, b]) for p, b in value.parts]
            return np.asarray(functools.reduce(np.add, parts))
        added = [a[..., 0] * b[..., 0] for a, b in biases]
        if self.evaluation.grouping == "biases first":
            added = [functools.reduce(np.add, added)]
        return np.asarray(functools.reduce(np.add, added, self._sum(pairs)))

    def _sum(self, pairs: Sequence[Pair]) -> Array:
        return sum_of(pairs, self.evaluation.order, self.rng)

    def _opened(self, value: Any) -> Open:
        if isinstance(value, Open):
            return value
        array = np.asarray(value)[..., None]
        return Open((((array, np.ones((1, 1, 1), array.dtype)), None),))


def dot(a: Array, b: Array, order: str, rng: np.random.Generator) -> Array:
    """Sum of products over the last axis, which both have in full, in the format of both.

    Raises ValueError for an order that is not one of `ORDERS`.
    """
    dtype = np.result_type(a, b)
    if order == "wide":
        total = (a.astype(wider(dtype)) * b.astype(wider(dtype))).sum(axis=-1)
        return np.asarray(total.astype(dtype))
    if order == "fma":
        shuffled = rng.permutation(a.shape[-1])
        acc = np.zeros(np.broadcast_shapes(a.shape, b.shape)[:-1], dtype)
        for j in shuffled:
            acc = fused(a[..., j], b[..., j], acc)
        return acc
    products = a * b
    if order == "shuffled":
        return _in_turn(products[..., rng.permutation(products.shape[-1])])
    if order in ("descending", "ascending"):
        by_size = np.argsort(np.abs(products), axis=-1, kind="stable")
        products = np.take_along_axis(products, by_size, axis=-1)
        return _in_turn(products[..., ::-1] if order == "descending" else products)
    if order == "lanes":
        count = int(rng.choice([4, 8, 16]))
        lanes = [_in_turn(products[..., k::count]) for k in range(min(count, products.shape[-1]))]
        return _tree(np.stack(lanes, axis=-1))
    if order == "pairwise":
        return _tree(products)
    raise ValueError(f"order = {order!r}, expected one of {ORDERS}")


def sum_of(pairs: Sequence[tuple[Array, Array]], order: str, rng: np.random.Generator) -> Array:
    """One sum of products over several pairs of factors, each (..., n); all shapes broadcast."""
    shapes = [np.broadcast_shapes(a.shape[:-1], b.shape[:-1]) for a, b in pairs]
    shape = np.broadcast_shapes(*shapes)
    left = [np.broadcast_to(a, (*shape, a.shape[-1])) for a, _ in pairs]
    right = [np.broadcast_to(b, (*shape, b.shape[-1])) for _, b in pairs]
    return dot(np.concatenate(left, -1), np.concatenate(right, -1), order, rng)


def fused(a: Array, b: Array, c: Array) -> Array:
    """a * b + c rounded once; in float64 rounded twice (no wider product at hand)."""
    dtype = np.result_type(a, b, c)
    if dtype == np.float64:
        return np.asarray(a * b + c)
    product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + addend
    # Knuth's two-sum: what rounding the sum to float64 lost.
    part = total - product
    lost = (product - (total - part)) + (addend - part)
    even = (total.view(np.int64) & 1) == 0
    towards = np.where(lost > 0, np.inf, -np.inf)
    odd = np.where((lost != 0) & even, np.nextafter(total, towards), total)
    return odd.astype(dtype)


def _in_turn(terms: Array) -> Array:
    total: Array = terms[..., 0]
    for j in range(1, terms.shape[-1]):
        total = total + terms[..., j]
    return total


def _tree(terms: Array) -> Array:
    while terms.shape[-1] > 1:
        count = terms.shape[-1] // 2
        pairs = terms[..., 0 : 2 * count : 2] + terms[..., 1 : 2 * count : 2]
        terms = np.concatenate([pairs, terms[..., 2 * count :]], axis=-1)
    return np.asarray(terms[..., 0])
