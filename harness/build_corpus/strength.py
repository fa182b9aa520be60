"""How much of what could stand together does: `python -m harness.build_corpus --strength`.

A t-way combination is a choice of t columns (options of the layer, and the classes of its four
sizes) and a value of each. Counted exactly: all combinations that the constraints allow stand in
the denominator, those that stand in at least one config of the aspect in the numerator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from harness.aspects import VALUES
from harness.build_corpus.backwards import loss_factors
from harness.build_corpus.combinations import DATA, Table, sensible
from harness.build_corpus.covering import factors_of
from harness.build_corpus.training import DROPOUTS, training_factors
from harness.build_corpus.values import gradient_factors
from harness.config import Config
from harness.corpus import load_corpus
from harness.layers import LAYERS

__all__ = ["print_strengths", "strengths"]

LONGEST = 6


def _of_training(layer: str) -> dict[str, list[Any]]:
    return training_factors(layer, DROPOUTS) | {"num_layers": [1, 2, 3, 4]}


Aspect = tuple[str, Callable[[Config], bool], Callable[[str], dict[str, list[Any]]]]

_ASPECTS: tuple[Aspect, ...] = (
    ("values, fp32", lambda c: c.aspect == VALUES and c.dtype == "fp32", factors_of),
    ("values, other precisions", lambda c: c.aspect == VALUES and c.dtype != "fp32", factors_of),
    ("special values", lambda c: c.aspect == VALUES and c.data == "special", factors_of),
    ("gradients", lambda c: c.aspect == "gradient", lambda n: gradient_factors(n, [])),
    ("gradients, losses", lambda c: c.aspect == "gradient", loss_factors),
    ("dropout", lambda c: c.aspect == "training", _of_training),
)


def strengths(layers: Iterable[str]) -> Iterator[tuple[str, list[float]]]:
    """For each layer and aspect what is measured, and the shares that the corpus covers."""
    corpus = load_corpus()
    for layer, (title, belongs, factors_for) in itertools.product(layers, _ASPECTS):
        some = [
            c
            for c in corpus
            if c.layer == layer and c.data != "sweep" and belongs(c) and sensible(vars(c))
        ]
        factors = factors_for(layer)
        but = () if "cotangents" in factors else DATA
        coarse, fine = (Table(layer, factors, fine=one, but=but) for one in (False, True))
        name = f"{layer}, {title}"
        ways = range(1, LONGEST + 1)
        yield f"{name}: options", [_share(fine, some, [(t, 0)]) for t in ways]
        for table, classes in ((coarse, "magnitudes"), (fine, "classes")):
            mixed = [[(t - s, s) for s in range(min(4, t) + 1)] for t in ways]
            yield f"{name}: options and {classes}", [_share(table, some, one) for one in mixed]
        pairs = [[(1, 1)], [(2, 1)], [(1, 2)], [(2, 2)]]
        for table, classes in ((coarse, "magnitudes"), (fine, "classes")):
            yield f"{name}: {classes} with options", [_share(table, some, one) for one in pairs]


def _share(table: Table, configs: Sequence[Config], chosen: Sequence[tuple[int, int]]) -> float:
    """Of all combinations of so many options and so many sizes, the share in these configs."""
    rows = table.rows(configs)
    rows = rows[(rows >= 0).all(axis=1)]
    covered = possible = 0
    for options, sizes in chosen:
        for columns in table.choices(options, sizes):
            radix = np.cumprod([1, *(table.counts[c] for c in columns[:-1])])
            covered += len(np.unique(rows[:, columns] @ radix))
            possible += table.possible(columns)
    return covered / possible if possible else float("nan")


def print_strengths() -> None:
    """A table; the last rows of an aspect are of 1 + 1, 2 + 1, 1 + 2 and 2 + 2."""
    print(f"{'share covered of all combinations of so many':60}", *(f"{t:7}" for t in range(1, 7)))
    print(f"{'or of options + sizes':60}", *(f"{both:>7}" for both in ("1+1", "2+1", "1+2", "2+2")))
    for title, shares in strengths(LAYERS):
        print(f"{title:60}", *(f"{share:7.1%}" for share in shares if share == share))
