"""Configs for their sizes: all sizes alike, deep, long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.build_corpus.covering import config_of, own_values
from harness.config import Config

__all__ = ["degenerate", "doubles", "large", "large_gradients", "long"]


def degenerate(layer: str) -> Iterator[Config]:
    base = config_of(
        layer,
        states=True,
        input_size=3,
        hidden_size=4,
        batch=6,
        steps=5,
        scale=4,
        lengths="ragged",
        seed=7,
    )
    for sizes in (
        {"input_size": 4, "steps": 4, "batch": 4},
        {"input_size": 1, "hidden_size": 1, "batch": 1, "steps": 1},
        {"lengths": "emptyrows", "batch": 1},
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
            yield base.replace(**own_values(layer, changes), seed=7 + number)


def large(layer: str) -> Iterator[Config]:
    base = config_of(
        layer, states=True, input_size=5, hidden_size=7, batch=6, steps=100, scale=2, seed=11
    )
    yield base
    for changes in (
        {"nonlinearity": "relu", "scale": 1, "lengths": "ragged"},
        {"bidirectional": True, "scale": 16, "lengths": "ragged"},
        {"num_layers": 6, "steps": 4, "bidirectional": True},
        {"num_layers": 8, "steps": 2, "nonlinearity": "relu", "scale": 1, "batch": 3},
        {"steps": 60, "layout": "batchfirst", "bias": False, "dtype": "fp16"},
        {"steps": 2, "hidden_size": 150, "dtype": "fp16", "scale": 1},
    ):
        more: dict[str, Any] = changes
        yield base.replace(**own_values(layer, more))
    yield from long(layer, 1000)


def long(layer: str, steps: int) -> Iterator[Config]:
    base = config_of(layer, input_size=3, hidden_size=5, batch=3, steps=steps, scale=2, seed=13)
    for changes in (
        {"states": True},
        {"nonlinearity": "relu", "scale": 1, "layout": "batchfirst"},
        {"nonlinearity": "relu", "scale": 1, "states": True, "lengths": "ragged"},
        {"bidirectional": True, "lengths": "ragged"},
    ):
        more: dict[str, Any] = changes
        yield base.replace(**own_values(layer, more))


def large_gradients(layer: str) -> Iterator[Config]:
    base = config_of(
        layer,
        aspect="gradient",
        input_size=3,
        hidden_size=5,
        batch=3,
        steps=40,
        states=True,
        data="plain",
        seed=61,
    )
    for changes in (
        {"steps": 100},
        {"steps": 7, "hidden_size": 9, "bidirectional": True, "lengths": "ragged"},
        {"steps": 12, "hidden_size": 12, "num_layers": 2, "layout": "batchfirst"},
    ):
        more: dict[str, Any] = changes
        yield base.replace(**own_values(layer, more))


def doubles(layer: str) -> Iterator[Config]:
    """Without h_0, which MindSpore documents in float32 and float16 only."""
    for seed, nonlinearity in enumerate(("tanh", "relu")):
        yield config_of(
            layer,
            nonlinearity=nonlinearity,
            dtype="fp64",
            input_size=3,
            hidden_size=4,
            batch=4,
            steps=3,
            seed=70 + seed,
        )
