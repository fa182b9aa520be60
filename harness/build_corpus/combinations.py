"""Which combinations of values of options and classes of sizes stand together in configs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.build_corpus.covering import allowed
from harness.build_corpus.size_classes import KINDS, MAGNITUDES, kind_of, magnitude_of
from harness.config import SIZES, Config
from reference.arrays import BoolArray, IntArray

__all__ = ["DATA", "Combinations", "Goal", "Table", "sensible"]

DATA = ("scale", "data", "dtype")
"""Factors that are no options of a layer: they say which numbers it gets."""


@dataclass(frozen=True)
class Goal:
    """So many options and sizes together; sizes by `KINDS` if `fine`, else by `MAGNITUDES`."""

    options: int
    sizes: int
    fine: bool
    weight: int = 1


class Table:
    """Configs as rows of small integers: a column for each option and each size, none for `but`."""

    def __init__(
        self,
        layer: str,
        factors: Mapping[str, Sequence[Any]],
        *,
        fine: bool,
        but: Sequence[str] = DATA,
    ) -> None:
        self.layer = layer
        self.options = {
            name: list(dict.fromkeys(values))
            for name, values in factors.items()
            if name not in but and len(set(values)) > 1
        }
        self.classes: tuple[str, ...] = KINDS if fine else MAGNITUDES
        self.class_of: Callable[[int], str] = kind_of if fine else magnitude_of
        self.names = (*self.options, *SIZES)
        self.counts = [len(v) for v in self.options.values()] + [len(self.classes)] * len(SIZES)

    def rows(self, configs: Sequence[Config]) -> IntArray:
        """(configs, columns); -1 where a value is none of the factor's."""
        return np.array([self._row(config) for config in configs], int).reshape(-1, len(self.names))

    def _row(self, config: Config) -> list[int]:
        options = [
            values.index(value) if (value := getattr(config, name)) in values else -1
            for name, values in self.options.items()
        ]
        return options + [self.classes.index(self.class_of(getattr(config, n))) for n in SIZES]

    def choices(self, options: int, sizes: int) -> Iterator[tuple[int, ...]]:
        """Columns of so many options and so many sizes."""
        first = len(self.options)
        for some in itertools.combinations(range(first), options):
            for others in itertools.combinations(range(first, len(self.names)), sizes):
                yield (*some, *others)

    def possible(self, columns: Sequence[int]) -> int:
        """How many combinations of values there can be."""
        free = [c for c in columns if self.names[c] not in _BOUND]
        bound = [c for c in columns if self.names[c] in _BOUND]
        ranges = [range(self.counts[c]) for c in bound]
        several = sum(
            self._can_be({self.names[c]: v for c, v in zip(bound, values, strict=True)})
            for values in itertools.product(*ranges)
        )
        return several * math.prod(self.counts[c] for c in free)

    def _can_be(self, places: Mapping[str, int]) -> bool:
        row = {n: self.options[n][v] for n, v in places.items() if n in self.options}
        sizes = {n: 1 + v for n, v in places.items() if n in SIZES}
        return allowed(self.layer, row) and sensible({"batch": 1, "steps": 2, **row, **sizes})


_BOUND = ("layout", "lengths", "batch", "steps")


def sensible(row: Mapping[str, Any]) -> bool:
    """Whether there is a row only where x is unbatched, and padding where lengths are ragged."""
    if row.get("layout") == "unbatched" and row["batch"] > 1:
        return False
    return row.get("lengths") != "ragged" or row["steps"] > 1


class _Bitmap:
    """What is covered of one goal."""

    def __init__(self, table: Table, goal: Goal) -> None:
        self.table, self.goal = table, goal
        chosen = list(table.choices(goal.options, goal.sizes))
        self.columns = np.array(chosen)
        counts = np.array(table.counts)[self.columns]
        after = np.cumprod(counts[:, ::-1], axis=1)[:, ::-1]
        self.radix = np.concatenate([after[:, 1:], np.ones_like(after[:, :1])], axis=1)
        self.start = np.concatenate([[0], np.cumsum(after[:-1, 0])])
        self.covered: BoolArray = np.zeros(int(after[:, 0].sum()), bool)

    def codes(self, rows: IntArray) -> IntArray:
        """(rows, choices of columns)."""
        found: IntArray = (rows[:, self.columns] * self.radix).sum(axis=2) + self.start
        return found


class Combinations:
    """What configs cover of several goals."""

    def __init__(
        self,
        layer: str,
        factors: Mapping[str, Sequence[Any]],
        goals: Sequence[Goal],
        but: Sequence[str] = DATA,
    ) -> None:
        tables = {fine: Table(layer, factors, fine=fine, but=but) for fine in (False, True)}
        self.maps = [_Bitmap(tables[goal.fine], goal) for goal in goals]

    def add(self, configs: Sequence[Config]) -> None:
        for one in self.maps:
            rows = one.table.rows(configs)
            one.covered[one.codes(rows[(rows >= 0).all(axis=1)])] = True

    def encoded(self, configs: Sequence[Config]) -> list[IntArray]:
        """For each goal (configs, combinations): the places of what a config covers."""
        return [one.codes(one.table.rows(configs)) for one in self.maps]

    def gain(self, encoded: Sequence[IntArray], place: int) -> int:
        """How much the config at a place covers that is not covered yet."""
        return sum(
            one.goal.weight * int((~one.covered[codes[place]]).sum())
            for one, codes in zip(self.maps, encoded, strict=True)
        )

    def cover(self, encoded: Sequence[IntArray], place: int) -> None:
        for one, codes in zip(self.maps, encoded, strict=True):
            one.covered[codes[place]] = True

    def share(self, number: int) -> float:
        """How much of a goal is covered."""
        one = self.maps[number]
        return int(one.covered.sum()) / sum(map(one.table.possible, map(tuple, one.columns)))
