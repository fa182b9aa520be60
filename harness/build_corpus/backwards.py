"""Gradients of long sequences, and of one step where every option meets every kind of loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from harness.build_corpus.combinations import Goal
from harness.build_corpus.covering import config_of, factors_of, of_sizes, own_values
from harness.build_corpus.sized import Limits, sized
from harness.config import COTANGENTS, LENGTHS, MODES, Config
from harness.layers import LAYERS

__all__ = ["FIRST_SEED", "long_gradients", "loss_factors", "one_step"]

FIRST_SEED = 64000

LOSSES = (
    Goal(options=2, sizes=0, fine=False, weight=100),
    Goal(options=1, sizes=1, fine=False, weight=100),
    Goal(options=2, sizes=1, fine=False, weight=4),
    Goal(options=1, sizes=2, fine=False, weight=4),
    Goal(options=3, sizes=0, fine=False, weight=2),
    Goal(options=3, sizes=1, fine=False, weight=1),
)
"""Pairs first, then triples, then three options with a size."""


def loss_factors(layer: str) -> dict[str, list[Any]]:
    """What a loss meets, besides sizes."""
    names = ("bidirectional", "layout", "states")
    return {
        **{name: values for name, values in factors_of(layer).items() if name in names},
        "lengths": list(LENGTHS),
        "dtype": ["fp32", "fp16", "fp64"],
        "mode": list(MODES),
        "cotangents": list(COTANGENTS),
    }


def one_step(layer: str, before: Iterable[Config]) -> Iterator[Config]:
    """One step with h_0 and each loss but the usual one, in each layout; then what else is new."""
    given = [*_unbatched(layer), *_batched(layer)]
    yield from given
    factors = loss_factors(layer) | {"num_layers": [1], "dropout": [0], "data": ["plain"]}
    more: dict[str, Any] = {"seed": FIRST_SEED + 20, "aspect": "gradient", "scale": 1}
    more |= {"goals": LOSSES, "kinds": ("1", "2 to 9"), "but": ("data",)}
    small = Limits(steps=9, numbers=250)
    yield from sized(layer, factors, 2, small, before=[*before, *given], **more)
    values: dict[str, Any] = {**of_sizes(2, 4, 3, 1), "states": True, "data": "plain"}
    values |= {"aspect": "gradient", "mode": "training", "cotangents": "output"}
    for number, lengths in enumerate(("nolengths", "fulllengths")):
        yield config_of(layer, **values, lengths=lengths, seed=FIRST_SEED + 30 + number)


def _unbatched(layer: str) -> Iterator[Config]:
    for number, cotangents in enumerate(COTANGENTS[1:]):
        yield config_of(
            layer,
            aspect="gradient",
            nonlinearity=("tanh", "relu")[number % 2],
            layout="unbatched",
            states=True,
            cotangents=cotangents,
            mode=MODES[1 - number // 2 % 2],
            bidirectional=number % 3 == 2,
            dtype="fp16" if cotangents == "sparse" else "fp32",
            data="plain",
            input_size=(2, 1, 3)[number % 3],
            hidden_size=(4, 3, 1)[number % 3],
            seed=FIRST_SEED + number,
        )


def _batched(layer: str) -> Iterator[Config]:
    lengths = ("descending", "ascending", "nolengths", "ascending", "descending", "emptyrows")
    for number, kind in enumerate(lengths):
        yield config_of(
            layer,
            aspect="gradient",
            nonlinearity=("tanh", "relu")[number // 2 % 2],
            bidirectional=number % 4 == 3,
            layout=("timefirst", "batchfirst")[number % 2],
            states=True,
            lengths=kind,
            dtype=("fp32", "fp16", "fp32")[number % 3],
            mode=MODES[number // 3 % 2],
            cotangents=("output", "final", "sparse")[number // 2],
            data="plain",
            input_size=(1, 3, 2)[number % 3],
            hidden_size=(3, 1, 2)[number % 3],
            batch=(1, 3, 2)[number // 2 % 3] if number % 2 else 4,
            seed=FIRST_SEED + 10 + number,
        )


def long_gradients(layer: str) -> Iterator[Config]:
    """Longer than a tape, or a window, of 128 or 256 steps."""
    base = config_of(layer, aspect="gradient", states=True)
    far: dict[str, Any] = {"hidden_size": 3, "batch": 2, "steps": 300, "nonlinearity": "relu"}
    if LAYERS[layer].kind("lasting") is not None:  # whose h_n depends on all steps
        far |= {"cotangents": "final", "data": "lasting"}
        yield base.replace(seed=FIRST_SEED + 100, **own_values(layer, far))
    both: dict[str, Any] = {"bidirectional": True, "steps": 150}
    for number, changes in enumerate(
        (
            both,
            {**both, "steps": 300, "layout": "unbatched", "cotangents": "output"},
            {"steps": 150, "lengths": "ragged", "layout": "batchfirst", "batch": 3},
            {"steps": 150, "mode": "training", "cotangents": "output"},
        )
    ):
        sizes: dict[str, Any] = {"input_size": 2, "hidden_size": 3, "data": "plain"}
        yield base.replace(**sizes, **changes, seed=FIRST_SEED + 101 + number)
