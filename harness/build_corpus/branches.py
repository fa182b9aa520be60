"""Sizes, lengths and layouts at which kernels go other ways, met with the options that matter.

For layers with a smaller corpus: each of these has a config of its own here, where the others
meet it in designs of many hundred configs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.build_corpus.covering import config_of, of_sizes
from harness.config import Config
from harness.layers import LAYERS

__all__ = ["branches", "long_in_double"]


def branches(layer: str) -> Iterator[Config]:
    """Of a layer of several steps; the seeds follow the order."""
    for number, changes in enumerate((*_values(), *_precisions(layer), *_memories())):
        yield config_of(layer, states=True, seed=840 + number, **changes)
    for number, changes in enumerate(_gradients()):
        yield config_of(
            layer, states=True, aspect="gradient", data="plain", seed=880 + number, **changes
        )
    yield config_of(  # so small that some hundred calls are made: masks of a pool are seen
        layer,
        **of_sizes(2, 16, 10, 1),
        aspect="training",
        num_layers=2,
        dropout=50,
        data="plain",
        seed=890,
    )


def long_in_double(layer: str, steps: int) -> Config:
    """Where a framework's float32 activation errs, only another precision shows what many steps do;
    with lengths, without which one framework computes in float32.
    """
    return config_of(
        layer, **of_sizes(3, 5, 3, steps), dtype="fp64", lengths="fulllengths", seed=891
    )


Changes = Iterator[dict[str, Any]]


def _values() -> Changes:
    # Many units, and more than one step.
    yield of_sizes(3, 256, 2, 3)
    yield {**of_sizes(2, 300, 2, 2), "bidirectional": True, "lengths": "ragged"}
    # In reverse, a multiple of some steps and one more; rows of every length up to that.
    yield {**of_sizes(3, 4, 3, 9), "bidirectional": True}
    yield {**of_sizes(2, 3, 30, 17), "bidirectional": True, "lengths": "ragged"}
    yield {**of_sizes(4, 5, 2, 33), "bidirectional": True, "num_layers": 2}
    # As many inputs as units: layers may share what they have made.
    yield {**of_sizes(6, 6, 3, 4), "num_layers": 2}
    yield {**of_sizes(8, 8, 5, 3), "num_layers": 3, "layout": "batchfirst", "lengths": "ragged"}
    # Stacks of many steps, a multiple of 128 steps, many features with the batch first.
    yield {**of_sizes(3, 4, 2, 68), "num_layers": 2}
    yield {**of_sizes(1, 3, 5, 128), "lengths": "emptyrows"}
    yield {**of_sizes(200, 7, 4, 2), "layout": "batchfirst"}
    # One unit more than a block of 32; many units in a stack; many rows of several lengths.
    yield {**of_sizes(5, 33, 3, 3), "bidirectional": True}
    yield {**of_sizes(2, 67, 9, 2), "num_layers": 2, "layout": "batchfirst"}
    yield {**of_sizes(3, 4, 43, 4), "lengths": "ragged"}
    # NaN among many units, and in a stack of them.
    yield {**of_sizes(9, 40, 3, 2), "data": "special", "lengths": "fulllengths"}
    yield {**of_sizes(3, 64, 12, 2), "data": "lone", "num_layers": 2}


def _precisions(layer: str) -> Changes:
    """Options of the layer's own that not every size takes, in values of other precisions."""
    for option in LAYERS[layer].options:
        for dtype in ("fp64", "fp16", "bf16") if option.fits else ():
            more = {option.name: list(option.words)[-1], "dtype": dtype}
            yield {**of_sizes(4, 5, 4, 4), **more, "bidirectional": True, "num_layers": 2}
    yield {**of_sizes(4, 5, 4, 6), "dtype": "fp64", "bidirectional": True, "lengths": "ragged"}


def _memories() -> Changes:
    """Every turn of unlike layouts in memory, with lengths and without."""
    for turn in range(5):
        both = {"num_layers": 2, "bidirectional": True, "lengths": "ragged"} if turn % 2 else {}
        yield {**of_sizes(3, 4, 5, 3), "memory": "unlike", "data": "plain", **both}


def _gradients() -> Changes:
    yield of_sizes(3, 257, 2, 2)
    yield {**of_sizes(3, 4, 3, 17), "bidirectional": True, "lengths": "ragged"}
    yield {**of_sizes(2, 3, 2, 33), "bidirectional": True}
    yield {**of_sizes(5, 5, 4, 4), "num_layers": 3}
    yield {**of_sizes(3, 4, 3, 9), "num_layers": 2, "layout": "batchfirst"}
    yield {**of_sizes(2, 4, 33, 1), "num_layers": 2}
    yield {**of_sizes(2, 3, 1, 130), "scale": 1}
