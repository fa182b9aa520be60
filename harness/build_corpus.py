"""Writes the pinned corpus: `python -m harness.build_corpus` (needs the extra `test`).

A covering array of strength 3 over all options (every triple of option values stands together
in at least one config that the constraints allow), three times with other sizes and seeds;
one of strength 2 with the other precisions; and configs whose sizes are degenerate. What it
writes is committed: the corpus changes when somebody runs this and reviews the change, never
because a library was upgraded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import covertable

from harness.activation import sweep_config
from harness.config import DTYPES, LAYOUTS, LENGTHS, Config
from harness.corpus import CORPUS

__all__ = ["FACTORS", "allowed", "build"]

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


def _only_with(one: tuple[str, str], other: tuple[str, Any]) -> dict[str, Any]:
    """The first factor has its value only where the second one has its own."""
    return {
        "operator": "or",
        "conditions": [
            {"operator": "ne", "left": one[0], "value": one[1]},
            {"operator": "eq", "left": other[0], "value": other[1]},
        ],
    }


CONSTRAINTS = [
    _only_with(("layout", "unbatched"), ("lengths", "nolens")),
    _only_with(("data", "ints"), ("nonlinearity", "relu")),
    _only_with(("data", "ints"), ("scale", 1)),
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


def build() -> list[str]:
    """The lines of the corpus file: comments, and config ids."""
    lines, seen = [], set()
    for title, configs in (
        ("the mapping page's Code Example 1", _page()),
        ("the activations alone", _sweeps()),
        ("covering array, strength 3, fp32", _covering(FACTORS, 3, 3)),
        (
            "covering array, strength 2, other precisions",
            _covering({**FACTORS, "dtype": ["fp16", "fp64"]}, 2, 1),
        ),
        ("degenerate sizes", _degenerate()),
        ("longer, wider, deeper", _large()),
    ):
        lines.append(f"# {title}")
        for config in configs:
            if config.id not in seen:
                seen.add(config.id)
                lines.append(config.id)
    return lines


def _page() -> Iterator[Config]:
    yield Config(
        nonlinearity="relu",
        num_layers=4,
        bias=False,
        h_0=True,
        input_size=2,
        hidden_size=3,
        data="page",
    )


def _sweeps() -> Iterator[Config]:
    for dtype in DTYPES:
        for nonlinearity in ("tanh", "relu"):
            yield sweep_config(nonlinearity, dtype)


def _covering(factors: dict[str, list[Any]], strength: int, times: int) -> Iterator[Config]:
    for time in range(times):
        rows = covertable.make(
            factors,
            strength=strength,
            salt=str(time),
            constraints=CONSTRAINTS,
        )
        for count, row in enumerate(rows):
            sizes = SIZES[(count + time) % len(SIZES)]
            yield _config(row, sizes, seed=1000 * (time + 1) + 10000 * (strength == 2) + count)


def _config(row: dict[str, Any], sizes: tuple[int, int, int, int], seed: int) -> Config:
    batch = 1 if row["layout"] == "unbatched" else sizes[2]
    return Config(
        **row, input_size=sizes[0], hidden_size=sizes[1], batch=batch, steps=sizes[3], seed=seed
    )


def _degenerate() -> Iterator[Config]:
    base = Config(
        h_0=True, input_size=3, hidden_size=4, batch=6, steps=5, scale=4, lengths="ragged", seed=7
    )
    for sizes in (
        {"steps": 1},
        {"batch": 1},
        {"batch": 2},
        {"hidden_size": 1},
        {"input_size": 1},
        {"input_size": 4},
        {"input_size": 4, "steps": 4, "batch": 4},
        {"input_size": 1, "hidden_size": 1, "batch": 16},
        {"input_size": 1, "hidden_size": 1, "batch": 1, "steps": 1},
        {"lengths": "alllens"},
        {"lengths": "empties"},
        {"lengths": "empties", "batch": 1},
    ):
        for number, options in enumerate(
            (
                {"nonlinearity": "tanh", "num_layers": 1},
                {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True},
                {"nonlinearity": "tanh", "num_layers": 2, "bidirectional": True, "bias": False},
                {"nonlinearity": "relu", "num_layers": 1, "bias": False, "layout": "batchfirst"},
            )
        ):
            changes: dict[str, Any] = {**sizes, **options}
            yield dataclasses.replace(base, **changes, seed=7 + number)


def _large() -> Iterator[Config]:
    base = Config(h_0=True, input_size=5, hidden_size=7, batch=6, steps=100, scale=2, seed=11)
    yield base
    for changes in (
        {"nonlinearity": "relu", "scale": 1, "lengths": "ragged"},
        {"bidirectional": True, "scale": 16, "lengths": "ragged"},
        {"num_layers": 2, "steps": 40},
        {"steps": 5, "input_size": 33, "hidden_size": 65, "batch": 40},
        {"steps": 3, "input_size": 100, "hidden_size": 128, "batch": 17, "nonlinearity": "relu"},
        {"num_layers": 6, "steps": 4, "bidirectional": True},
        {"num_layers": 8, "steps": 2, "nonlinearity": "relu", "scale": 1, "batch": 3},
        {"steps": 60, "layout": "batchfirst", "lengths": "ragged", "nonlinearity": "relu"},
        {"steps": 60, "layout": "batchfirst", "bias": False, "dtype": "fp16"},
        {"steps": 2, "hidden_size": 150, "layout": "batchfirst", "lengths": "ragged"},
        {"steps": 2, "hidden_size": 150, "dtype": "fp16", "scale": 1},
    ):
        more: dict[str, Any] = changes
        yield dataclasses.replace(base, **more)


def main() -> None:
    lines = build()
    CORPUS.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{sum(not line.startswith('#') for line in lines)} configs in {CORPUS}")


if __name__ == "__main__":
    main()
