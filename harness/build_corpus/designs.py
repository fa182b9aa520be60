"""How many configs of each aspect are there for their sizes, and what they may cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.build_corpus.covering import factors_of
from harness.build_corpus.sized import Limits, sized
from harness.build_corpus.training import DROPOUTS, training_factors
from harness.build_corpus.values import gradient_factors
from harness.config import Config

__all__ = [
    "FIRST_SEED",
    "sized_gradients",
    "sized_precisions",
    "sized_sample",
    "sized_special",
    "sized_training",
    "sized_values",
]

FIRST_SEED = 70000
"""Seeds of configs that are there for their sizes begin here."""

DEAR = Limits(steps=130, products=1.2e6, numbers=1.2e4)
"""Where more than a few calls are made, or derivatives bounded."""


LONG = Limits(least_steps=64, calls=1000)
"""Calls of many steps would never be the most useful for their cost."""


def sized_values(
    layer: str, before: Iterable[Config], counts: tuple[int, int] = (110, 22)
) -> Iterator[Config]:
    """So many of any length, and so many long ones."""
    factors, earlier = factors_of(layer), list(before)
    for number, (count, limits) in enumerate(zip(counts, (Limits(), LONG), strict=True)):
        seed = FIRST_SEED + 500 * number
        found = list(sized(layer, factors, count, limits, before=earlier, seed=seed))
        earlier += found
        yield from found


def sized_gradients(layer: str, before: Iterable[Config]) -> Iterator[Config]:
    factors, earlier = gradient_factors(layer, ["fp32"]), list(before)
    for number, (count, limits) in enumerate(((40, DEAR), (8, LONG))):
        more: dict[str, Any] = {"seed": FIRST_SEED + 1000 + 500 * number, "aspect": "gradient"}
        found = list(sized(layer, factors, count, limits, before=earlier, **more))
        earlier += found
        yield from found


def sized_special(layer: str) -> Iterator[Config]:
    factors = {k: v for k, v in factors_of(layer).items() if k not in ("scale", "data")}
    factors["dtype"] = ["fp32", "fp32", "fp16", "fp64"]
    yield from sized(layer, factors, 12, DEAR, seed=FIRST_SEED + 2000, data="special")


def sized_precisions(layer: str) -> Iterator[Config]:
    factors = factors_of(layer, dtype=["fp16", "fp64", "bf16"])
    yield from sized(layer, factors, 12, DEAR, seed=FIRST_SEED + 3000)


def sized_training(layer: str) -> Iterator[Config]:
    """Elements enough for exact tests, in stacks of up to four layers."""
    factors = training_factors(layer, DROPOUTS) | {"num_layers": [1, 2, 3, 4]}
    limits = Limits(steps=36, products=1.2e6, numbers=1.2e4, elements=1500, calls=12)
    more: dict[str, Any] = {"seed": FIRST_SEED + 4000, "aspect": "training"}
    yield from sized(layer, factors, 14, limits, **more)


def sized_sample(layer: str) -> Iterator[Config]:
    """Few shapes, and few steps: a graph is compiled for each."""
    factors = factors_of(layer, num_layers=[1, 2], scale=[1, 2], dropout=[0], states=[False])
    limits = Limits(steps=12, products=1.2e6, numbers=1e4)
    yield from sized(layer, factors, 6, limits, seed=FIRST_SEED + 5000)
    gradient = gradient_factors(layer, ["fp32"]) | {"num_layers": [1, 2]}
    yield from sized(layer, gradient, 2, limits, seed=FIRST_SEED + 6000, aspect="gradient")
