"""Configs of calls, parameters, files, and the same call again and again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from harness.aspects import CALL, Documented
from harness.build_corpus.covering import config_of, own_values
from harness.calls import make_call
from harness.config import Config
from harness.layers import LAYERS

__all__ = ["CALL_BASES", "calls", "crossed", "growing", "parameters", "repeated", "typed"]

CALL_BASES = (
    {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 6, "seed": 101},
    {
        "nonlinearity": "relu",
        "num_layers": 2,
        "bidirectional": True,
        "layout": "batchfirst",
        "dropout": 50,
        "states": True,
        "lengths": "ragged",
        "input_size": 4,
        "hidden_size": 3,
        "batch": 6,
        "steps": 5,
        "seed": 102,
    },
    {
        "nonlinearity": "relu",
        "bias": False,
        "states": True,
        "lengths": "fulllengths",
        "input_size": 5,
        "hidden_size": 5,
        "batch": 5,
        "steps": 4,
        "seed": 103,
    },
)


def calls(layer: str, bases: Iterable[dict[str, Any]]) -> Iterator[Config]:
    """Every call, changed from each of these."""
    for base in bases:
        for name in LAYERS[layer].calls:
            yield config_of(layer, aspect=f"{CALL}{name}", data="plain", **base)


ONE = {"input_size": 1, "hidden_size": 1, "batch": 1, "steps": 1}
CROSSED: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("input.", "hidden.", "layers.", "lengths.", "h0.", "x."), {**ONE, "seed": 111}),
    (
        ("lengths.", "h0.", "x."),
        {
            "num_layers": 2,
            "bidirectional": True,
            "states": True,
            "lengths": "ragged",
            "input_size": 3,
            "hidden_size": 4,
            "batch": 1,
            "steps": 5,
            "seed": 112,
        },
    ),
    (
        ("h0.", "x."),
        {
            **ONE,
            "nonlinearity": "relu",
            "bidirectional": True,
            "layout": "batchfirst",
            "states": True,
            "batch": 4,
            "seed": 113,
        },
    ),
    (
        ("lengths.", "x."),
        {
            "bidirectional": True,
            "lengths": "ragged",
            "input_size": 3,
            "hidden_size": 2,
            "batch": 4,
            "steps": 5,
            "seed": 114,
        },
    ),
)
"""Calls by the beginnings of their names, and what else is given: a size that is wrong may be
broadcast to one of 1."""


def crossed(layer: str) -> Iterator[Config]:
    """Invalid calls at sizes of 1, with lengths, states and both directions, and without."""
    for beginnings, base in CROSSED:
        for name, (about, _) in LAYERS[layer].calls.items():
            if about.documented is Documented.INVALID and name.startswith(beginnings):
                config = config_of(layer, aspect=f"{CALL}{name}", data="plain", **base)
                if _counts(name) and make_call(config) is not None:
                    yield config


def typed(layer: str) -> Iterator[Config]:
    """Calls with an x of another type and nothing else that has one: no states, no lengths."""
    sizes = {"input_size": 3, "hidden_size": 4, "batch": 5, "steps": 2, "seed": 116}
    for name, (about, _) in LAYERS[layer].calls.items():
        if about.documented is Documented.INVALID and name.startswith("x.") and not _counts(name):
            kind = f"{CALL}{name}"
            yield config_of(layer, aspect=kind, data="plain", nonlinearity="relu", **sizes)


def _counts(name: str) -> bool:
    """Whether the sizes may matter to whether it is noticed; what has another type is noticed."""
    kinds = ("text", "none", "list", "float", "bool", "half", "double")
    return name.partition(".")[2] not in (*kinds, "int32", "int64", "truth", "complex")


def parameters(layer: str, aspect: str) -> Iterator[Config]:
    options: tuple[dict[str, Any], ...] = (
        {"hidden_size": 16, "input_size": 20},
        {"hidden_size": 7, "input_size": 3, "num_layers": 2, "bidirectional": True},
        {"hidden_size": 1, "input_size": 9},
        {"hidden_size": 40, "input_size": 1, "bias": False},
        {"hidden_size": 12, "num_layers": 3, "nonlinearity": "relu", "layout": "batchfirst"},
        {"hidden_size": 9, "input_size": 9, "dtype": "fp16"},
        {"hidden_size": 9, "input_size": 4, "dtype": "fp64", "bidirectional": True},
        {"hidden_size": 9, "input_size": 4, "dtype": "bf16", "bidirectional": True},
        {"hidden_size": 64, "input_size": 33, "num_layers": 2, "dropout": 50},
    )
    for count, changes in enumerate(options):
        yield config_of(
            layer, aspect=aspect, data="plain", batch=2, steps=2, seed=50000 + count, **changes
        )


def repeated(layer: str) -> Iterator[Config]:
    """Ordinary, subnormal and special numbers; small, and large enough for several threads."""
    base = config_of(layer, aspect="repeated", states=True, lengths="ragged", seed=17)
    small = {"input_size": 3, "hidden_size": 5, "batch": 6, "steps": 3}
    large = {"input_size": 70, "hidden_size": 130, "batch": 90, "steps": 3}
    for number, (sizes, nonlinearity, data) in enumerate(
        itertools.product((small, large), ("tanh", "relu"), ("plain", "mixed", "special"))
    ):
        more: dict[str, Any] = {
            **sizes,
            "nonlinearity": nonlinearity,
            "data": data,
            "num_layers": 1 + number % 2,
            "bidirectional": number % 3 == 0,
            "layout": ("timefirst", "batchfirst")[number // 2 % 2],
        }
        yield base.replace(**own_values(layer, more))
        if number in (1, 3):  # evaluation mode ignores it, in every thread
            yield base.replace(**own_values(layer, {**more, "dropout": 50}))
    of_large: dict[str, Any] = {**large, "dtype": "fp64", "lengths": "nolengths", "data": "plain"}
    of_small: dict[str, Any] = {**small, "dtype": "fp16"}
    yield base.replace(**own_values(layer, of_large))
    yield base.replace(**own_values(layer, of_small))
    # Few rows and many: a product may be shared out among threads by rows, or by units.
    for number, (batch, hidden) in enumerate(((6, 64), (90, 33))):
        of_few: dict[str, Any] = {"input_size": 6, "hidden_size": hidden, "batch": batch}
        more = {**of_few, "lengths": "nolengths", "data": "plain", "steps": 3}
        more["nonlinearity"] = ("tanh", "relu")[number]
        yield base.replace(**own_values(layer, more))


def growing(layer: str) -> Iterator[Config]:
    """Outputs so large that the process grows visibly if calls keep them; with lengths, too."""
    base = config_of(layer, aspect="repeated", states=True, data="plain", seed=17)
    batch = 5600 if LAYERS[layer].single_step else 1400  # many rows: little arithmetic
    sizes: dict[str, Any] = {"input_size": 4, "hidden_size": 16, "batch": batch, "steps": 4}
    for nonlinearity, lengths in (
        ("tanh", "nolengths"),
        ("relu", "nolengths"),
        ("tanh", "fulllengths"),
    ):
        more = {**sizes, "nonlinearity": nonlinearity, "lengths": lengths}
        yield base.replace(**own_values(layer, more))
