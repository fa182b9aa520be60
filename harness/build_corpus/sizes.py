"""Configs for their sizes: degenerate, large, in between, long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.build_corpus.covering import config_of, of_sizes, own_values
from harness.config import Config

__all__ = ["between", "degenerate", "doubles", "large", "large_gradients", "long"]


def degenerate(layer: str) -> Iterator[Config]:
    base = config_of(
        layer,
        states=True,
        **of_sizes(3, 4, 6, 5),
        scale=4,
        lengths="ragged",
        seed=7,
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
        of_sizes(1, 1, 1, 1),
        {"lengths": "fulllengths"},
        {"lengths": "emptyrows"},
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
    base = config_of(layer, states=True, **of_sizes(5, 7, 6, 100), scale=2, seed=11)
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
        {"steps": 3, "batch": 130, "scale": 1},
        {"steps": 4, "hidden_size": 16, "nonlinearity": "relu", "scale": 1, "lengths": "ragged"},
        {"steps": 4, "hidden_size": 32, "scale": 1, "bidirectional": True, "layout": "batchfirst"},
        {"steps": 3, "hidden_size": 64, "nonlinearity": "relu", "scale": 1, "bias": False},
        {"steps": 4, "scale": 1, "bias": False, "layout": "batchfirst"},
    ):
        more: dict[str, Any] = changes
        yield base.replace(**own_values(layer, more))
    yield from long(layer, 1000)


def between(layer: str) -> Iterator[Config]:
    """Kernels change with sizes, at powers of two and elsewhere: no wide gap is left untried."""
    base = config_of(layer, states=True, data="mixed", seed=19)
    both, ragged, first = {"bidirectional": True}, {"lengths": "ragged"}, {"layout": "batchfirst"}
    relu: dict[str, Any] = {"nonlinearity": "relu"}
    for (inputs, hidden, batch, steps), changes in (
        ((3, 8, 6, 7), {}),
        ((9, 10, 5, 9), {**both, **ragged}),
        ((4, 11, 9, 8), {**relu, **ragged}),
        ((12, 13, 10, 3), {**both, **first}),
        ((5, 14, 12, 4), {"bias": False, "scale": 2}),
        ((16, 15, 3, 10), {**relu, **first, **ragged}),
        ((2, 17, 15, 11), {**ragged, "scale": 4}),
        ((6, 20, 18, 5), {**both, **ragged, **first}),
        ((10, 24, 24, 3), {**relu, **ragged}),
        ((3, 6, 4, 13), {"num_layers": 2}),
        ((7, 5, 20, 16), ragged),
        ((4, 3, 5, 20), {**both, **first}),
        ((5, 9, 3, 25), {**relu, **ragged}),
        ((3, 7, 4, 32), {**first, "scale": 2}),
        ((8, 48, 5, 2), {**both, **ragged}),
        ((20, 200, 4, 2), {**relu, "scale": 1}),
        ((3, 12, 1, 6), {**both, **first}),
        ((4, 5, 1, 9), {**both, **ragged}),
        ((5, 12, 6, 4), {"dtype": "fp64"}),
        ((9, 33, 7, 3), {**relu, "dtype": "fp64", "scale": 1}),
    ):
        more: dict[str, Any] = dict(changes)
        more |= of_sizes(inputs, hidden, batch, steps)
        yield base.replace(**own_values(layer, more))


def long(layer: str, steps: int) -> Iterator[Config]:
    base = config_of(layer, **of_sizes(3, 5, 3, steps), scale=2, seed=13)
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
        **of_sizes(3, 5, 3, 40),
        states=True,
        data="plain",
        seed=61,
    )
    for changes in (
        {},
        {"nonlinearity": "relu", "lengths": "ragged"},
        {"bidirectional": True, "layout": "batchfirst"},
        {"steps": 4, "hidden_size": 40, "input_size": 30},
        {"steps": 4, "hidden_size": 40, "batch": 20, "nonlinearity": "relu", "num_layers": 2},
        {"steps": 100},
        {"steps": 4, "hidden_size": 16, "batch": 40, "nonlinearity": "relu"},
        {"steps": 1},
        {"steps": 1, "nonlinearity": "relu", "bidirectional": True, "num_layers": 2},
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
            **of_sizes(3, 4, 4, 3),
            seed=70 + seed,
        )
