"""Covering arrays over the options: every pair, or triple, of values stands together somewhere."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import covertable

from harness.config import LAYOUTS, LENGTHS, Config, ConfigError
from harness.config import SIZES as SIZE_NAMES
from harness.layers import LAYERS

__all__ = [
    "allowed",
    "config_of",
    "covering",
    "dropping_biases",
    "factors_of",
    "kinds_of",
    "never",
    "of_sizes",
    "only_with",
    "own_values",
]

SCALES = [1, 2, 4, 8, 16]


def factors_of(layer: str, **changes: list[Any]) -> dict[str, list[Any]]:
    """The values of every option of a layer; some of them changed."""
    record = LAYERS[layer]
    kinds = [kind for kind in ("mixed", "ints") if record.kind(kind)]
    return {
        **{option.name: list(option.of_any_size) for option in record.options},
        "num_layers": [1, 2, 3],
        "bidirectional": [False, True],
        "bias": [True, False],
        "layout": list(LAYOUTS),
        "dropout": [0, 50],
        "states": [False, True],
        "lengths": list(LENGTHS[:4]),
        "scale": SCALES,
        "data": kinds,
    } | _chosen(layer, changes)


def _chosen(layer: str, changes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Other values of factors; a layer has one of those that it cannot choose."""
    record = LAYERS[layer]
    fixed = {name: [value] for name, value in record.fixed.items() if name not in SIZE_NAMES}
    layouts = {"layout": ["timefirst", "unbatched"]} if record.single_step else {}
    return {**layouts, **changes, **fixed}


def only_with(one: tuple[str, str], other: tuple[str, Any]) -> dict[str, Any]:
    """The first factor has its value only where the second one has its own."""
    return {
        "operator": "or",
        "conditions": [
            {"operator": "ne", "left": one[0], "value": one[1]},
            {"operator": "eq", "left": other[0], "value": other[1]},
        ],
    }


def never(one: tuple[str, Any], other: tuple[str, Any]) -> dict[str, Any]:
    """The two factors never have these values together."""
    return {
        "operator": "or",
        "conditions": [
            {"operator": "ne", "left": one[0], "value": one[1]},
            {"operator": "ne", "left": other[0], "value": other[1]},
        ],
    }


def _constraints(layer: str, factors: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """What the arrays must respect."""
    found = [only_with(("layout", "unbatched"), ("lengths", "nolengths"))]
    if LAYERS[layer].kind("ints"):
        found.append(only_with(("data", "ints"), ("scale", 1)))
        for name in _deciding(layer):
            for value in dict.fromkeys(factors.get(name, ())):
                ways = (
                    {**one, "states": states, name: value}
                    for one in _all_own(layer)
                    for states in (False, True)
                )
                if not any(_takes_integers(layer, **way) for way in ways):
                    found.append(never(("data", "ints"), (name, value)))
    return found


def _deciding(layer: str) -> list[str]:
    """The factors that may rule integers out."""
    return [*(option.name for option in LAYERS[layer].options), "bias", "states", "dtype"]


def kinds_of(layer: str, aspect: str, *kinds: str) -> list[str]:
    """Of these kinds of data those that the layer takes for an aspect, some way."""
    record = LAYERS[layer]
    taken = [kind for kind in kinds if record.kind(kind)]
    return [
        kind
        for kind in taken
        if kind != "ints"
        or any(_takes_integers(layer, **one, aspect=aspect) for one in _all_own(layer))
    ]


def dropping_biases(layer: str) -> list[bool]:
    """With biases, and without where layers can be made to pass on their input without."""
    record = LAYERS[layer]
    return [bias for bias in (True, False) if record.passes(Config.of(layer, bias=bias))]


@functools.cache
def _takes_integers(layer: str, **values: Any) -> bool:
    try:
        Config.of(layer, data="ints", **values)
    except ConfigError:
        return False
    return True


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


def allowed(layer: str, row: dict[str, Any]) -> bool:
    """Whether option values contradict each other; a row may be partial."""
    if row.get("layout") == "unbatched" and row.get("lengths", "nolengths") != "nolengths":
        return False
    own = {name: row[name] for name in _deciding(layer) if name in row}
    return row.get("data") != "ints" or (
        row.get("scale", 1) == 1
        and any(_takes_integers(layer, **{**one, **own}) for one in _all_own(layer))
    )


def _all_own(layer: str) -> Iterator[dict[str, Any]]:
    """Every combination of the layer's own options."""
    options = LAYERS[layer].options
    for values in itertools.product(*(option.of_any_size for option in options)):
        yield dict(zip((option.name for option in options), values, strict=True))


def covering(
    layer: str,
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
            constraints=[*_constraints(layer, factors), *(more or [])],
        )
        for count, row in enumerate(rows):
            sizes = SIZES[(count + time) % len(SIZES)]
            yield _config(
                layer, row, sizes, seed=1000 * (time + 1) + 10000 * (strength == 2) + count
            )


def _config(layer: str, row: dict[str, Any], sizes: tuple[int, int, int, int], seed: int) -> Config:
    batch = 1 if row["layout"] == "unbatched" else sizes[2]
    of_row = {**row, **of_sizes(sizes[0], sizes[1], batch, sizes[3])}
    return Config.of(layer, **own_values(layer, of_row), seed=seed)


def of_sizes(*sizes: int) -> dict[str, Any]:
    """I, H, B and T by the names of a config."""
    return dict(zip(SIZE_NAMES, sizes, strict=True))


def config_of(layer: str, **values: Any) -> Config:
    """A config of these values, without the options that the layer does not have."""
    return Config.of(layer, **own_values(layer, values))


def own_values(layer: str, values: dict[str, Any]) -> dict[str, Any]:
    """Values without the options that the layer does not have; what it cannot choose as it is."""
    record = LAYERS[layer]
    others = {o.name for one in LAYERS.values() for o in one.options}
    others -= {o.name for o in record.options}
    own = {name: value for name, value in values.items() if name not in others}
    if record.single_step and own.get("layout") == "batchfirst":
        own["layout"] = "timefirst"
    states = {"states": True} if record.single_step else {}  # of which one framework needs some
    return {**states, **own, **record.fixed}
