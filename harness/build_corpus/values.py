"""Configs of values and gradients: the page's example, activations alone, covering arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from harness.activation import sweep_config
from harness.aspects import FORWARD
from harness.build_corpus.covering import FACTORS, covering, only_with
from harness.config import Config

__all__ = ["gradients", "page", "special", "sweeps"]


def page() -> Iterator[Config]:
    for seed, (nonlinearity, bias) in enumerate(
        (("relu", False), ("relu", True), ("tanh", False), ("relu", False))
    ):
        yield Config(
            nonlinearity=nonlinearity,
            num_layers=4,
            bias=bias,
            h_0=True,
            input_size=2,
            hidden_size=3,
            data="page",
            seed=seed,
        )


def sweeps(dtypes: Iterable[str], aspect: str = FORWARD) -> Iterator[Config]:
    for dtype in dtypes:
        for nonlinearity in ("tanh", "relu"):
            yield sweep_config(nonlinearity, dtype, aspect)


def special(strength: int, dtypes: list[str]) -> Iterator[Config]:
    factors = {k: v for k, v in FACTORS.items() if k not in ("scale", "data")}
    factors |= {"dtype": dtypes, "data": ["special"], "scale": [1]}
    for config in covering(factors, strength, 1):
        yield dataclasses.replace(config, seed=config.seed + 300)


def gradients(strength: int, dtypes: list[str]) -> Iterator[Config]:
    factors = {
        **FACTORS,
        "data": ["plain", "mixed", "ints"],
        "scale": [1, 2],
        "dropout": [0],
        "dtype": dtypes,
    }
    plain = [only_with(("data", "plain"), ("scale", 1))]
    for config in covering(factors, strength, 1, plain):
        yield dataclasses.replace(config, aspect="gradient")
