"""Sums of products in a format, in every order that an implementation may choose.

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
from typing import Any

import numpy as np

from reference.arrays import Array

ORDERS = ("shuffled", "descending", "ascending", "pairwise", "lanes", "fma", "wide")

Pair = tuple[Array, Array]
"""Factors (..., n), whose products are terms."""


def wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """float64 for float16 and float32; for float64 the platform's longest."""
    return np.dtype(np.longdouble if dtype == np.float64 else np.float64)


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
