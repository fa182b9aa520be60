"""Layers as people have them: what the other parts ask of a few units, at 16 units and rows.

Vectors, blocks and packed weights begin there, so kernels are others than those of toys. Of each
kind of config there are a few; where a fault shows in one option alone, the other parts have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.build_corpus.covering import config_of, of_sizes
from harness.config import Config
from harness.layers import LAYERS

__all__ = ["ordinary"]

Changes = dict[str, Any]

PADDED: Changes = {"num_layers": 2, "bidirectional": True, "lengths": "ragged"}
LIVES = ("f0.w1.f0.g0.w2.g0", "f0.t.f0.e.f0.g0", "f0.c0.f0.w1.f0.g0")


def ordinary(layer: str) -> Iterator[Config]:
    """Seeds follow the order."""
    record = LAYERS[layer]
    several = [] if record.single_step else [*_stacks(), *_dropping()]
    own = [more for option in record.options if option.numbered for more in _numbered(option.name)]
    lasting = [] if record.kind("lasting") is None else _lasting()
    every = [*_every_layer(record.single_step), *several, *own, *lasting]
    for number, changes in enumerate(every):
        values = {"data": "plain", "states": True, "seed": 94000 + number, **changes}
        yield config_of(layer, **values)


def _every_layer(single: bool) -> Iterator[Changes]:
    sizes = of_sizes(16, 33, 17, 1) if single else of_sizes(16, 16, 17, 17)
    few = of_sizes(16, 16, 5, 1 if single else 4)
    for more in ({}, {"dtype": "fp16"}, {"dtype": "fp64"}):
        yield {**sizes, "aspect": "gradient", **more}
        yield {**few, **more}
    for memory in ("fortran", "strided"):
        yield {**few, "memory": memory}
    yield {**few, "aspect": "gradient", "data": "missing"}
    for life in LIVES:
        yield {**of_sizes(16, 16, 3, 1 if single else 3), **_living(life)}


def _stacks() -> Iterator[Changes]:
    yield of_sizes(16, 64, 8, 16)
    yield {**of_sizes(8, 16, 5, 9), **PADDED}
    yield {**of_sizes(8, 16, 5, 12), **PADDED, "aspect": "gradient"}
    yield {
        **of_sizes(8, 16, 5, 4),
        "aspect": "gradient",
        "lengths": "ragged",
        "layout": "batchfirst",
        "mode": "training",
    }


def _dropping() -> Iterator[Changes]:
    yield {**of_sizes(4, 16, 5, 4), **_rate(2, 50), "aspect": "gradient", "mode": "training"}
    for sizes, depth, percent in (
        ((40, 64, 2), 2, 10),
        ((20, 16, 12), 2, 50),
        ((40, 64, 2), 4, 25),
        ((64, 64, 20), 2, 50),
    ):
        more = {**_rate(depth, percent), "aspect": "training", "states": False}
        yield {**of_sizes(2, *sizes), **more}


def _lasting() -> Iterator[Changes]:
    """Final states depend on the first step, however many follow."""
    lasting: Changes = {"aspect": "gradient", "data": "lasting", "cotangents": "final"}
    yield {**of_sizes(2, 3, 2, 160), **lasting}
    yield {**of_sizes(3, 16, 3, 48), **lasting, "lengths": "ragged"}
    yield {**of_sizes(3, 8, 2, 40), **lasting, "bidirectional": True}


def _living(life: str) -> Changes:
    return {"aspect": "life", "life": tuple(life.split("."))}


def _rate(layers: int, percent: int) -> Changes:
    return {"num_layers": layers, "dropout": percent}


def _numbered(option: str) -> Iterator[Changes]:
    """An option that is any number, with one that has no word."""
    three: Changes = {option: 3, "lengths": "ragged"}
    for more in ({}, {"dtype": "fp16"}, {"dtype": "fp64"}):
        yield {**of_sizes(4, 8, 5, 9), **three, **more}
    yield {**of_sizes(4, 8, 5, 9), **three, "aspect": "gradient"}
    yield {**of_sizes(3, 8, 3, 3), option: 3, "bidirectional": True, "aspect": "checkpoint"}
    few = {option: 2, "bidirectional": True, "states": True}
    yield {**of_sizes(3, 4, 3, 3), **few, **_living(LIVES[-1])}
    yield {**of_sizes(4, 9, 2, 2), option: 2, "bidirectional": True, "aspect": "checkpoint"}
    wide = {option: 20, **_rate(2, 50), "aspect": "training", "states": False}
    yield {**of_sizes(2, 40, 64, 2), **wide}
    for dtype in ("fp16", "fp64"):
        yield {**of_sizes(4, 8, 5, 9), **three, "dtype": dtype, "aspect": "gradient"}
