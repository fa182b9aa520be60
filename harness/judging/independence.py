"""Fresh weights have nothing to do with each other: not with neighbours or other parameters.

Of two independent numbers, both symmetric about 0, the signs agree with probability 1/2; so do the
answers to whether they are larger than half the limit. Each number is in one pair of a test at
most, so counts are binomial, exactly. b_hh = -b_ih agrees never, or always.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from harness.causes import Cause
from harness.comparison import Comparison
from harness.significance import binomial
from harness.verdicts import Verdict
from reference.arrays import Array, BoolArray

__all__ = ["independence_tests"]

Pairs = tuple[Array, Array]


def independence_tests(layers: Iterable[Mapping[str, Array]], limit: float) -> Iterator[Comparison]:
    """One comparison for each way to pair numbers."""
    found: dict[str, list[Pairs]] = defaultdict(list)
    for layer in layers:
        exact = {name: array.astype(np.float64) for name, array in layer.items()}
        for what, pairs in (*_neighbours(exact), *_parameters(exact)):
            found[what].append(pairs)
    for what, several in sorted(found.items()):
        one, two = (np.concatenate([pairs[k].ravel() for pairs in several]) for k in (0, 1))
        yield _judged(f"signs of {what}", (one > 0) == (two > 0))
        half = limit / 2
        yield _judged(f"sizes of {what}", (np.abs(one) > half) == (np.abs(two) > half))


def _neighbours(layer: Mapping[str, Array]) -> Iterator[tuple[str, Pairs]]:
    """Rows and columns 0 and 1, 2 and 3, ... of every matrix; elements of every vector."""
    for name, array in layer.items():
        kind = name.partition("_l")[0]
        for axis, what in ((0, "rows"), (1, "columns"))[: array.ndim]:
            half = array.shape[axis] // 2
            even, odd = (np.take(array, 2 * np.arange(half) + k, axis) for k in (0, 1))
            if half:
                yield (
                    f"neighbouring {what if array.ndim == 2 else 'elements'} of {kind}",
                    (even, odd),
                )


def _parameters(layer: Mapping[str, Array]) -> Iterator[tuple[str, Pairs]]:
    """Kinds of parameters with each other, and one kind in successive places of the stack."""
    by_place: dict[str, dict[str, Array]] = defaultdict(dict)
    by_kind: dict[str, list[Array]] = defaultdict(list)
    for name, array in layer.items():
        kind, _, place = name.partition("_l")
        by_place[place][kind] = array
        by_kind[kind].append(array)
    for kinds in by_place.values():
        for (first, one), (second, two) in itertools.combinations(kinds.items(), 2):
            yield f"{first} and {second}", _begun_alike(one, two)
    for kind, arrays in by_kind.items():
        for one, two in zip(arrays[::2], arrays[1::2], strict=False):
            yield f"{kind} of two layers or directions", _begun_alike(one, two)


def _begun_alike(one: Array, two: Array) -> Pairs:
    """As many elements as both have, in their order."""
    size = min(one.size, two.size)
    return one.ravel()[:size], two.ravel()[:size]


def _judged(part: str, alike: BoolArray) -> Comparison:
    count, same = alike.size, int(alike.sum())
    test = binomial(same, count, 0.5)
    if not test.ratio <= 1:
        message = f"{same} of {count} pairs are alike: probability {test.p_value:.1e} by chance"
        return Comparison(part, Verdict.FAIL, count, message, Cause.UNEXPLAINED, ratio=test.ratio)
    if not test.powerful:
        return Comparison(
            part, Verdict.INCONCLUSIVE, count, f"{count} pairs are too few", ratio=test.ratio
        )
    return Comparison(part, Verdict.PASS, count, f"p = {test.p_value:.2g}", ratio=test.ratio)
