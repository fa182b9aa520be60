"""Configs in training mode: dropout that drops, and where nothing does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import covertable

from harness.build_corpus.covering import config_of, dropping_biases, of_sizes
from harness.config import Config
from harness.layers import LAYERS

__all__ = [
    "DROPOUTS",
    "alone",
    "padded_dropping",
    "small_training",
    "training",
    "training_factors",
]

DROPOUTS = [0, 1, 10, 25, 50, 75, 90, 99]


def training_factors(layer: str, dropouts: list[int]) -> dict[str, list[Any]]:
    return {
        **{option.name: list(option.of_any_size) for option in LAYERS[layer].options},
        "num_layers": [1, 2, 3],
        "bidirectional": [False, True],
        "bias": dropping_biases(layer),
        "layout": ["timefirst", "batchfirst"],
        "dropout": dropouts,
        "states": [False, True],
        "lengths": ["nolengths", "fulllengths"],
        "dtype": ["fp32", "fp32", "fp16"],
        "data": ["plain"],
    }


def training(layer: str, strength: int, dropouts: list[int]) -> Iterator[Config]:
    factors = training_factors(layer, dropouts)
    for count, row in enumerate(covertable.make(factors, strength=strength, salt="0")):
        yield config_of(
            layer,
            aspect="training",
            **row,
            **of_sizes(3, 24, 40, 6),
            seed=40000 + count,
        )
    # One layer, and no dropout, at least twice each whatever the covering array does.
    for seed, changes in enumerate(({"num_layers": 1}, {"dropout": 0}, {"dropout": 99})):
        for layout in ("timefirst", "batchfirst"):
            base = {"dropout": 50, "num_layers": 2, "layout": layout, "seed": 40900 + seed}
            more: dict[str, Any] = {**base, **changes}
            yield config_of(
                layer,
                aspect="training",
                **of_sizes(2, 20, 32, 4),
                data="plain",
                **more,
            )
    yield from _shared_out(layer)
    yield from _padded_training(layer)
    yield from _deep(layer)
    yield from alone(layer)
    yield from padded_dropping(layer)
    # So small that some hundred calls are made: masks that come from a pool are seen.
    yield config_of(
        layer,
        aspect="training",
        num_layers=2,
        dropout=50,
        input_size=2,
        hidden_size=16,
        batch=10,
        steps=1,
        data="plain",
        seed=40995,
    )


def _deep(layer: str) -> Iterator[Config]:
    """With one step final states show the masks of every layer, with several outputs do."""
    for seed, (layers, dropout, steps) in enumerate(((3, 50, 5), (4, 50, 1), (3, 25, 1))):
        yield config_of(
            layer,
            aspect="training",
            num_layers=layers,
            dropout=dropout,
            bidirectional=steps > 1,
            layout=("timefirst", "batchfirst")[seed % 2],
            **of_sizes(2, 18, 42, steps),
            data="plain",
            seed=40970 + seed,
        )


def alone(layer: str) -> Iterator[Config]:
    """A single sequence, which has no batch; and float64."""
    for seed, (layout, dtype) in enumerate((("unbatched", "fp32"), ("batchfirst", "fp64"))):
        yield config_of(
            layer,
            aspect="training",
            num_layers=2,
            dropout=50,
            layout=layout,
            dtype=dtype,
            **of_sizes(2, 20, 32 if seed else 1, 4 if seed else 120),
            data="plain",
            seed=40980 + seed,
        )


def _padded_training(layer: str) -> Iterator[Config]:
    """Nothing drops: training mode is evaluation mode, padding and all."""
    for seed, (layers, dropout, nonlinearity) in enumerate(((1, 50, "tanh"), (2, 0, "relu"))):
        yield config_of(
            layer,
            aspect="training",
            nonlinearity=nonlinearity,
            num_layers=layers,
            bidirectional=layers == 2,
            layout=("timefirst", "batchfirst")[seed],
            lengths="ragged",
            dropout=dropout,
            states=seed == 1,
            **of_sizes(2, 5, 6, 4),
            data="plain",
            seed=40960 + seed,
        )


def padded_dropping(layer: str) -> Iterator[Config]:
    """What is dropped of valid steps is seen, row by row."""
    for seed, (lengths, layers, dropout, bidirectional) in enumerate(
        (("ragged", 2, 50, False), ("shorter", 3, 25, True), ("equal", 2, 75, True))
    ):
        yield config_of(
            layer,
            aspect="training",
            num_layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
            layout=("timefirst", "batchfirst")[seed % 2],
            states=seed == 1,
            lengths=lengths,
            input_size=2,
            hidden_size=20,
            batch=18,
            steps=4,
            data="plain",
            seed=40990 + seed,
        )


def _shared_out(layer: str) -> Iterator[Config]:
    """So many elements that threads share them out."""
    for seed, (layout, dropout) in enumerate((("timefirst", 50), ("batchfirst", 25))):
        yield config_of(
            layer,
            aspect="training",
            num_layers=2,
            layout=layout,
            dropout=dropout,
            **of_sizes(2, 128, 64, 8),
            data="plain",
            seed=40950 + seed,
        )


def small_training(layer: str) -> Iterator[Config]:
    """Few steps and layers: each config compiles half a dozen layers."""
    for count, (dropout, layers, bidirectional, nonlinearity) in enumerate(
        (
            (50, 2, False, "tanh"),
            (25, 2, True, "relu"),
            (75, 2, False, "relu"),
            (50, 3, False, "tanh"),
            (25, 3, True, "relu"),
            (99, 2, False, "tanh"),
            (90, 2, False, "relu"),
            (0, 2, False, "tanh"),
            (0, 2, True, "relu"),
            (50, 1, False, "tanh"),
            (50, 1, True, "relu"),
        )
    ):
        yield config_of(
            layer,
            aspect="training",
            nonlinearity=nonlinearity,
            num_layers=layers,
            bidirectional=bidirectional,
            layout=("timefirst", "batchfirst")[count % 2],
            dropout=dropout,
            states=bool(count % 3),
            **of_sizes(2, 40, 64, 2),
            data="plain",
            seed=41000 + count,
        )
    yield from _shared_out(layer)
    yield from _padded_training(layer)
