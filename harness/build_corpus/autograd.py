"""Gradients as training asks for them: in training mode, with dropout, for losses of every kind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import covertable

from harness.build_corpus.covering import (
    SIZES,
    config_of,
    covering,
    dropping_biases,
    factors_of,
    kinds_of,
    never,
    of_sizes,
)
from harness.config import COTANGENTS, MODES, ONE_STATE, Config
from harness.layers import LAYERS

__all__ = ["dropping", "few_gradients", "losses", "losses_of_one_state"]


def losses(layer: str) -> Iterator[Config]:
    """Every pair of a kind of loss, a mode, and any other option; nothing is dropped."""
    factors = {
        **factors_of(layer),
        "aspect": ["gradient"],
        "data": kinds_of(layer, "gradient", "plain", "ints"),
        "scale": [1],
        "dropout": [0],
        "num_layers": [1, 2],
        "dtype": ["fp32", "fp32", "fp16", "fp64"],
        "mode": list(MODES),
        "cotangents": list(COTANGENTS),
    }
    usual = [never(("cotangents", "all"), ("mode", "evaluation"))]  # other configs have these
    for number, config in enumerate(covering(layer, factors, 2, 1, usual)):
        yield config.replace(seed=50000 + number)
    yield config_of(
        layer,
        aspect="gradient",
        mode="training",
        dropout=50,  # which one layer ignores
        lengths="ragged",
        states=True,
        data="plain",
        **of_sizes(3, 4, 5, 4),
        seed=50100,
    )


def losses_of_one_state(layer: str) -> Iterator[Config]:
    """A loss of h_n or c_n alone, where a layer has both."""
    if len(LAYERS[layer].cell(Config.of(layer)).states) == 1:
        return
    changes: list[dict[str, Any]] = [
        {},
        {"steps": 1, "states": True, "mode": "training"},
        {"num_layers": 2, "bidirectional": True, "lengths": "ragged"},
        {"layout": "unbatched", "batch": 1, "bidirectional": True, "states": True},
        {"layout": "batchfirst", "lengths": "emptyrows", "proj_size": 2, "mode": "training"},
        {"num_layers": 3, "bias": False, "dtype": "fp64", "lengths": "descending"},
        {"num_layers": 2, "proj_size": 1, "dtype": "fp16"},
    ]
    of_cell = changes[:2] if LAYERS[layer].single_step else changes
    for number, (state, changed) in enumerate(itertools.product(ONE_STATE, of_cell)):
        values = {"data": "plain", **of_sizes(2, 5, 4, 4), **changed}
        yield config_of(layer, aspect="gradient", cotangents=state, seed=50500 + number, **values)


def dropping(layer: str) -> Iterator[Config]:
    """Layers that drop: of two layers all steps, of three one step, in which masks are seen."""
    if LAYERS[layer].pass_through is None:
        return
    factors: dict[str, list[Any]] = {
        **{option.name: list(option.of_any_size) for option in LAYERS[layer].options},
        "bidirectional": [False, True],
        "bias": dropping_biases(layer),
        "layout": ["timefirst", "batchfirst"],
        "dropout": [25, 50, 75],
        "states": [False, True],
        "lengths": ["nolengths", "ragged"],
        "dtype": ["fp32", "fp32", "fp16"],
        "cotangents": ["all", "output", "final", "sparse"],
    }
    for count, row in enumerate(covertable.make(factors, strength=2, salt="0")):
        yield _dropping(
            layer,
            **row,
            num_layers=2,
            **of_sizes(*SIZES[count % len(SIZES)]),
            seed=50200 + count,
        )
    for number, dropout in enumerate((25, 50)):
        yield _dropping(
            layer,
            num_layers=3,
            bidirectional=number == 1,
            dropout=dropout,
            states=True,
            **of_sizes(3, 5, 6, 1),
            seed=50300 + number,
        )


def few_gradients(layer: str) -> Iterator[Config]:
    """Small ones: each compiles half a dozen graphs."""
    for number, (cotangents, mode, lengths) in enumerate(
        (
            ("output", "evaluation", "nolengths"),
            ("final", "training", "ragged"),
            ("zero", "evaluation", "nolengths"),
            ("sparse", "training", "nolengths"),
        )
    ):
        yield config_of(
            layer,
            aspect="gradient",
            mode=mode,
            cotangents=cotangents,
            lengths=lengths,
            states=number % 2 == 1,
            data="plain",
            **of_sizes(2, 3, 4, 3),
            seed=50400 + number,
        )
    if LAYERS[layer].pass_through is not None:
        for number in range(2):
            yield _dropping(
                layer,
                num_layers=2,
                dropout=50,
                states=number == 1,
                **of_sizes(2, 4, 5, 2),
                seed=50410 + number,
            )


def _dropping(layer: str, **values: Any) -> Config:
    return config_of(layer, aspect="gradient", mode="training", data="plain", **values)
