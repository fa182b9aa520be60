"""Correct evaluations of an RNN in a format, in every order that an implementation may choose.

Whatever these give, an implementation may give; a bound that one of them exceeds is wrong. All
sums go through `dot`, in one of these orders:

    shuffled, descending, ascending    one after the other; by magnitude in the last two
    pairwise                           a tree
    lanes                              4 to 16 partial sums side by side, then those
    fma                                one after the other, products not rounded
    wide                               in a wider format, rounded once

Operations are those of NumPy's own formats, each rounded to nearest. A fused multiply-add of
float16 or float32 is a float64 product, which is exact, and a float64 sum rounded to odd, which
then rounds correctly to the format (S. Boldo and G. Melquiond, "Emulation of a FMA and correctly
rounded sums: proved algorithms using rounding to odd", IEEE Transactions on Computers 57, 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.case import Case
from harness.data import NUMPY_DTYPES
from reference import FORMATS
from reference.arrays import Array, BoolArray

ORDERS = ("shuffled", "descending", "ascending", "pairwise", "lanes", "fma", "wide")

GROUPINGS = ("one sum", "two sums", "biases first", "biases last")
"""How a step's terms are grouped: all in one sum; input and state apart, each with its bias;
the biases added to each other first, and to the rest at the end; or each added at the end."""


@dataclass(frozen=True)
class EvaluationOrder:
    """In which order sums are evaluated, how their terms are grouped, and in which precision.

    `kept`: states stay in the wider format, and are rounded only where they are given out (with
    order "wide"). `erring`: each tanh errs by this many ulp, besides rounding.
    """

    order: str
    grouping: str = "one sum"
    kept: bool = False
    erring: int = 0

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
    """`outputs` of every layer (T, B, D * H), and `h_n` (L * D, B, H), in the case's format.

    `inside` are the outputs as later steps and layers saw them: wider, where they were kept.
    """

    outputs: tuple[Array, ...]
    h_n: Array
    inside: tuple[Array, ...]


def states(case: Case, evaluation: EvaluationOrder, rng: np.random.Generator) -> EvaluatedStates:
    """Every state of a case. The padding is zero; a row of length 0 keeps its h_0."""
    config, dtype = case.config, case.x.dtype
    below: Array = np.where(case.valid[:, :, None], case.x, dtype.type(0))
    outputs, last, inside = [], [], []
    for layer in range(config.num_layers):
        sides, seen = [], []
        for side in range(config.directions):
            index = layer * config.directions + side
            h = case.start("h", index)
            parameters = [case.weights[name] for name in parameter_names(case, layer, side)]
            out, h = _scan(
                below, h, parameters, case.valid, config.nonlinearity, evaluation, side, rng
            )
            sides.append(out)
            seen.append(out.astype(dtype))
            last.append(h.astype(dtype))
        below = np.concatenate(sides, axis=2)
        inside.append(below)
        outputs.append(np.concatenate(seen, axis=2))
    return EvaluatedStates(tuple(outputs), np.stack(last), tuple(inside))


def parameter_names(case: Case, layer: int, side: int) -> list[str]:
    """Of one direction of one layer: W_ih, W_hh, and the biases where there are any."""
    kinds = ("weight_ih", "weight_hh", *("bias_ih", "bias_hh")[: 2 * case.config.bias])
    return [f"{kind}_l{layer}" + "_reverse" * side for kind in kinds]


def _scan(
    below: Array,
    h: Array,
    parameters: Sequence[Array],
    valid: BoolArray,
    nonlinearity: str,
    evaluation: EvaluationOrder,
    side: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    dtype = parameters[0].dtype
    kept = wider(dtype) if evaluation.kept else dtype
    output = np.zeros((*valid.shape, h.shape[1]), kept)
    steps = range(len(valid))
    h = h.astype(kept)
    for t in reversed(steps) if side else steps:
        a = _pre_activation(below[t], h, parameters, evaluation, rng)
        value = _activation(nonlinearity, a, dtype, evaluation)
        keep = valid[t][:, None]
        h = np.where(keep, value, h)
        output[t] = np.where(keep, value, 0)
    return output, h


def _pre_activation(
    x: Array,
    h: Array,
    parameters: Sequence[Array],
    evaluation: EvaluationOrder,
    rng: np.random.Generator,
) -> Array:
    """(B, H), in the format, or in the wider one where states are kept in that."""
    w_ih, w_hh, *biases = parameters
    rows = (x[:, None, :], h[:, None, :])
    if evaluation.kept:
        wide = h.dtype
        total = (rows[0].astype(wide) * w_ih).sum(axis=2) + (rows[1] * w_hh).sum(axis=2)
        for b in biases:
            total = total + b
        return np.asarray(total)

    one = np.ones((1, 1, 1), w_ih.dtype)
    terms = [(rows[0], w_ih[None]), (rows[1], w_hh[None])]
    bias_terms = [(one, b[None, :, None]) for b in biases]
    if evaluation.grouping == "one sum" or not biases:
        return sum_of(terms + bias_terms, evaluation.order, rng)
    if evaluation.grouping == "two sums":
        return sum_of([terms[0], bias_terms[0]], evaluation.order, rng) + sum_of(
            [terms[1], bias_terms[1]], evaluation.order, rng
        )
    if evaluation.grouping == "biases first":
        return sum_of(terms, evaluation.order, rng) + (biases[0] + biases[1])
    return sum_of(terms, evaluation.order, rng) + biases[0] + biases[1]


def _activation(
    nonlinearity: str, a: Array, dtype: np.dtype[Any], evaluation: EvaluationOrder
) -> Array:
    """tanh is evaluated wider, moved by the error it is to have, and rounded to the format."""
    if nonlinearity == "relu":
        return np.maximum(a, a.dtype.type(0))
    exact = np.tanh(a.astype(wider(dtype)))
    if evaluation.erring:
        # No tanh reaches 1, where an ulp is twice as large: the wider format only rounds to it.
        fmt = FORMATS[_NAMES[dtype]]
        ulp = fmt.ulp(np.minimum(np.abs(exact), 1 - fmt.unit_roundoff).astype(np.float64))
        exact = np.where(exact == 0, exact, exact + evaluation.erring * ulp)
    return np.asarray(exact if evaluation.kept else exact.astype(dtype))


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
