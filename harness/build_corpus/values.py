"""Configs of values and gradients: the page's example, activations alone, covering arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.aspects import VALUES
from harness.build_corpus.covering import config_of, covering, factors_of, kinds_of, only_with
from harness.config import Config
from harness.layers import LAYERS

__all__ = ["gradient_factors", "gradients", "page", "special", "sweeps"]


def page(layer: str) -> Iterator[Config]:
    """The examples of the layer's mapping page."""
    for seed, values in enumerate(LAYERS[layer].examples):
        yield config_of(layer, **values, data="page", seed=seed)


def sweeps(layer: str, dtypes: Iterable[str], aspect: str = VALUES) -> Iterator[Config]:
    """The activations of a layer alone, where it can be made to show them."""
    record = LAYERS[layer]
    if record.sweep is None:
        return
    for dtype in dtypes:
        for activation in record.activations:
            yield record.sweep(activation, dtype, aspect)


def special(layer: str, strength: int, dtypes: list[str]) -> Iterator[Config]:
    factors = {k: v for k, v in factors_of(layer).items() if k not in ("scale", "data")}
    factors |= {"dtype": dtypes, "data": ["special"], "scale": [1]}
    for config in covering(layer, factors, strength, 1):
        yield config.replace(seed=config.seed + 300)


def gradient_factors(layer: str, dtypes: list[str]) -> dict[str, list[Any]]:
    return factors_of(layer) | {
        "data": kinds_of(layer, "gradient", "plain", "mixed", "ints"),
        "scale": [1, 2],
        "dropout": [0],
        "dtype": dtypes,
    }


def gradients(layer: str, strength: int, dtypes: list[str]) -> Iterator[Config]:
    factors = gradient_factors(layer, dtypes)
    plain = [only_with(("data", "plain"), ("scale", 1))]
    for config in covering(layer, factors, strength, 1, plain):
        yield config.replace(aspect="gradient")
