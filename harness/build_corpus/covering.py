"""Covering arrays over the options: every pair, or triple, of values stands together somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import covertable

from harness.config import LAYOUTS, LENGTHS, Config

__all__ = ["FACTORS", "allowed", "covering", "only_with"]

FACTORS: dict[str, list[Any]] = {
    "nonlinearity": ["tanh", "relu"],
    "num_layers": [1, 2, 3],
    "bidirectional": [False, True],
    "bias": [True, False],
    "layout": list(LAYOUTS),
    "dropout": [0, 50],
    "h_0": [False, True],
    "lengths": list(LENGTHS),
    "scale": [1, 2, 4, 8, 16],
    "data": ["mixed", "ints"],
}


def only_with(one: tuple[str, str], other: tuple[str, Any]) -> dict[str, Any]:
    """The first factor has its value only where the second one has its own."""
    return {
        "operator": "or",
        "conditions": [
            {"operator": "ne", "left": one[0], "value": one[1]},
            {"operator": "eq", "left": other[0], "value": other[1]},
        ],
    }


CONSTRAINTS = [
    only_with(("layout", "unbatched"), ("lengths", "nolens")),
    only_with(("data", "ints"), ("nonlinearity", "relu")),
    only_with(("data", "ints"), ("scale", 1)),
]


# Distinct, so that swapped axes show: input_size, hidden_size, batch, steps.
SIZES = (
    (3, 4, 6, 5),
    (5, 3, 7, 4),
    (2, 5, 6, 3),
    (7, 2, 5, 6),
    (4, 6, 8, 3),
    (6, 7, 5, 2),
    (8, 3, 5, 4),
)


def allowed(row: dict[str, Any]) -> bool:
    """Whether option values contradict each other; a row may be partial."""
    if row.get("layout") == "unbatched" and row.get("lengths", "nolens") != "nolens":
        return False
    return row.get("data") != "ints" or (
        row.get("nonlinearity", "relu") == "relu" and row.get("scale", 1) == 1
    )


def covering(
    factors: dict[str, list[Any]],
    strength: int,
    times: int,
    more: list[dict[str, Any]] | None = None,
) -> Iterator[Config]:
    for time in range(times):
        rows = covertable.make(
            factors,
            strength=strength,
            salt=str(time),
            constraints=[*CONSTRAINTS, *(more or [])],
        )
        for count, row in enumerate(rows):
            sizes = SIZES[(count + time) % len(SIZES)]
            yield _config(row, sizes, seed=1000 * (time + 1) + 10000 * (strength == 2) + count)


def _config(row: dict[str, Any], sizes: tuple[int, int, int, int], seed: int) -> Config:
    batch = 1 if row["layout"] == "unbatched" else sizes[2]
    return Config(
        **row, input_size=sizes[0], hidden_size=sizes[1], batch=batch, steps=sizes[3], seed=seed
    )
