"""Configs in which classes of sizes meet options: always the most useful for its cost.

A covering array of every two classes of sizes with every two options would take a thousand configs
for each aspect. So as many as a run can afford are chosen greedily from a pool (what is covered is
a submodular function of the choice: Nemhauser, Wolsey and Fisher, Math. Program. 14 (1978)), and
`python -m harness.build_corpus --strength` says how much they cover.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.build_corpus.combinations import DATA, Combinations, Goal, sensible
from harness.build_corpus.covering import allowed
from harness.build_corpus.size_classes import KINDS, sizes_of_kind
from harness.config import SIZES, Config, ConfigError

__all__ = ["GOALS", "Limits", "sized"]

POOL = 3000

GOALS = (
    Goal(options=2, sizes=2, fine=False, weight=3),
    Goal(options=2, sizes=1, fine=True, weight=3),
    Goal(options=1, sizes=2, fine=True, weight=2),
    Goal(options=2, sizes=2, fine=True, weight=1),
    Goal(options=2, sizes=0, fine=True, weight=200),
    Goal(options=3, sizes=0, fine=True, weight=1),
)
"""What is to be covered: so many options and sizes together, by magnitude or by finer classes."""


@dataclass(frozen=True)
class Limits:
    """What a config may cost: steps of all layers, multiplications, weights, other numbers.

    It has so many `elements` of output and `least_steps` at least. So many steps of a layer as
    `calls` cost as much as all else of a config.
    """

    steps: int = 260
    products: float = 2.2e6
    weights: float = 1.2e6
    numbers: float = 2e4
    elements: int = 1
    least_steps: int = 1
    calls: int = 60

    def cost(self, config: Config) -> float:
        return 1 + config.steps * config.directions * config.num_layers / self.calls

    def admit(self, row: dict[str, Any]) -> bool:
        sides = 1 + row["bidirectional"]
        hidden, calls = row["hidden_size"], row["batch"] * row["steps"]
        above = (row["num_layers"] - 1) * (sides + 1) * hidden
        weights = sides * hidden * (row["input_size"] + hidden + above)
        return (
            self.least_steps <= row["steps"] <= self.steps / (sides * row["num_layers"])
            and weights * calls <= self.products
            and weights <= self.weights
            and calls * (row["input_size"] + sides * row["num_layers"] * hidden) <= self.numbers
            and calls * hidden * sides >= self.elements
            and (row.get("data") != "ints" or row["input_size"] <= 40)
        )


def _stays_finite(config: Config) -> bool:
    """Whether relu's states, which grow by up to scale / sqrt(3) a step, are numbers to the end."""
    growth = math.log10(config.scale / 3**0.5)
    exponent = {"fp16": 2, "fp64": 250}.get(config.dtype, 18)
    steps = config.steps + config.num_layers
    return "relu" not in config.cell.activations or growth * steps < exponent


def _is_kept(config: Config) -> bool:
    """Whether what gets through all dropouts differs from 0 in float16."""
    kept = (1 - config.dropout / 100) ** (config.num_layers - 1)
    return config.aspect != "training" or config.dtype != "fp16" or kept > 0.01


def sized(
    layer: str,
    factors: dict[str, list[Any]],
    count: int,
    limits: Limits,
    *,
    seed: int,
    before: Iterable[Config] = (),
    goals: Sequence[Goal] = GOALS,
    kinds: Sequence[str] = KINDS,
    but: Sequence[str] = DATA,
    **fixed: Any,
) -> Iterator[Config]:
    """So many configs; what the configs `before` cover need not be covered again.

    Sizes are of these `kinds`; values of the factors `but` need not meet others.
    """
    drawn = random.Random(seed)
    pool = [_candidate(layer, factors, limits, drawn, fixed, kinds) for _ in range(POOL)]
    covered = Combinations(layer, factors, goals, but)
    covered.add(list(before))
    rows = covered.encoded(pool)
    # A gain never grows: what was computed earlier is an upper bound.
    waiting = [(-math.inf, place) for place in range(POOL)]
    for number in range(count):
        while True:
            _, place = heapq.heappop(waiting)
            gain = covered.gain(rows, place) / limits.cost(pool[place])
            if not waiting or gain >= -waiting[0][0]:
                break
            heapq.heappush(waiting, (-gain, place))
        covered.cover(rows, place)
        yield pool[place].replace(seed=seed + number)


def _candidate(
    layer: str,
    factors: dict[str, list[Any]],
    limits: Limits,
    drawn: random.Random,
    fixed: dict[str, Any],
    kinds: Sequence[str],
) -> Config:
    while True:
        row = {name: drawn.choice(values) for name, values in factors.items()}
        chosen = {name: drawn.choice(kinds) for name in SIZES}
        row |= {name: drawn.choice(sizes_of_kind(name, kind)) for name, kind in chosen.items()}
        if row["layout"] == "unbatched":
            row["batch"] = 1
        if limits.admit(row) and sensible(row) and allowed(layer, row):
            try:
                config = Config.of(layer, **row, **fixed)
            except ConfigError:
                continue
            if _stays_finite(config) and _is_kept(config):
                return config
