"""What stands in the two files of the corpus, in its order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from harness.build_corpus.arrays_given import (
    few_given,
    lengths,
    lone,
    memories,
    nan_gradients,
    of_one_feature,
    strewn,
    together,
)
from harness.build_corpus.autograd import dropping, few_gradients, losses
from harness.build_corpus.backwards import long_gradients, one_step
from harness.build_corpus.covering import covering, factors_of
from harness.build_corpus.designs import (
    sized_gradients,
    sized_precisions,
    sized_sample,
    sized_special,
    sized_training,
    sized_values,
)
from harness.build_corpus.lives import few_lives, lives
from harness.build_corpus.modest import Part, modest, modest_few
from harness.build_corpus.other_aspects import (
    CALL_BASES,
    calls,
    crossed,
    growing,
    parameters,
    repeated,
    typed,
)
from harness.build_corpus.sizes import between, degenerate, doubles, large, large_gradients, long
from harness.build_corpus.training import DROPOUTS, small_training, training
from harness.build_corpus.values import gradients, page, special, sweeps
from harness.config import DTYPES, Config
from harness.corpus import CORPUS
from harness.layers import LAYERS

__all__ = ["RESEEDED", "build", "build_sample"]

RESEEDED = {
    config_id: int(seed)
    for config_id, seed in map(str.split, CORPUS.with_name("reseeded.txt").read_text().splitlines())
}
"""Configs that would see nothing of a common fault with the seed that their place gives them (dead
relu units, saturated ones, NaN), and the seed that they have instead; `make power` shows such."""


def build() -> list[str]:
    """The lines of the corpus file: comments, and config ids."""
    return _lines(
        part
        for layer, record in LAYERS.items()
        for part in (_parts(layer) if record.thorough else modest(layer))
    )


def _parts(layer: str) -> Iterator[Part]:
    everything = factors_of(layer)
    precisions = factors_of(layer, dtype=["fp16", "fp64", "bf16"])
    yield "the mapping page's Code Example 1", page(layer)
    yield "the activations alone", sweeps(layer, DTYPES)
    options = list(covering(layer, everything, 3, 3))
    yield "covering array, strength 3, fp32", options
    yield "classes of sizes with options, fp32", sized_values(layer, options)
    yield "covering array, strength 2, other precisions", covering(layer, precisions, 2, 1)
    yield "classes of sizes with options, other precisions", sized_precisions(layer)
    yield "degenerate sizes", degenerate(layer)
    yield "longer, wider, deeper", large(layer)
    yield "sizes in between", between(layer)
    yield "NaN, infinities, subnormals", special(layer, 2, ["fp32", "fp16", "fp64"])
    yield "NaN, infinities, subnormals, classes of sizes", sized_special(layer)
    yield "the activations' derivatives alone", sweeps(layer, DTYPES, "gradient")
    derived = list(gradients(layer, 3, ["fp32"]))
    yield "gradients, float32", derived
    yield "gradients, classes of sizes with options", sized_gradients(layer, derived)
    yield "gradients, longer and wider", large_gradients(layer)
    yield "gradients, other precisions", gradients(layer, 2, ["fp16", "fp64", "bf16"])
    lost = list(losses(layer))
    yield "gradients, every kind of loss, both modes", lost
    yield (
        "gradients, one step with every kind of loss",
        one_step(layer, [*derived, *lost, *lengths(layer), *memories(layer), *together(layer)]),
    )
    yield "gradients, longer than 128 and 256 steps", long_gradients(layer)
    yield "gradients of layers that drop", dropping(layer)
    yield "dropout in training mode", training(layer, 2, DROPOUTS)
    yield "dropout, classes of sizes with options", sized_training(layer)
    yield "initial weights", parameters(layer, "initial")
    yield "checkpoint round trips", parameters(layer, "checkpoint")
    yield "memory layouts of what is given", memories(layer)
    yield "arrays that lie in memory otherwise than each other, or in each other", together(layer)
    yield "lengths: all shorter than T, all equal, sorted", lengths(layer)
    yield "one NaN or infinity a row of x", lone(layer)
    yield "NaN and infinities strewn over x", strewn(layer)
    yield "NaN and infinities in x of one feature", of_one_feature(layer)
    yield "gradients where x has NaN", nan_gradients(layer)
    yield "calls", calls(layer, CALL_BASES)
    yield "calls crossed with sizes of 1 and other options", crossed(layer)
    yield "calls with x of another type alone", typed(layer)
    yield "the same call again and again", repeated(layer)
    yield "so many calls that the process grows if they keep anything", growing(layer)
    yield "lives", lives(layer)


def build_sample() -> list[str]:
    """The same for backends of which a run asks for a small selection only."""
    return _lines(
        part
        for layer, record in LAYERS.items()
        for part in (_few(layer) if record.thorough else modest_few(layer))
    )


def _few(layer: str) -> Iterator[Part]:
    small: dict[str, Any] = {"num_layers": 1, "steps": 2}
    few = factors_of(layer, scale=[1, 4], num_layers=[1, 2], dropout=[0])
    other = {**few, "num_layers": [1], "dtype": ["fp16", "fp64", "bf16"]}
    yield "the mapping page's Code Example 1", itertools.islice(page(layer), 2)
    yield "the activations alone", sweeps(layer, ("fp32", "fp16"))
    yield "covering array, strength 2, fp32", covering(layer, few, 2, 1)
    yield "other precisions", covering(layer, other, 1, 2)
    yield "float64, rounding visible", doubles(layer)
    yield "longer", long(layer, 100)
    yield "classes of sizes with options", sized_sample(layer)
    yield "NaN, infinities, subnormals", itertools.islice(special(layer, 2, ["fp32"]), 6)
    yield "the activations' derivatives alone", sweeps(layer, ("fp32", "fp16"), "gradient")
    yield "gradients", itertools.islice(gradients(layer, 2, ["fp32"]), 8)
    yield "gradients, kinds of losses, both modes", few_gradients(layer)
    yield "dropout in training mode", small_training(layer)
    yield "initial weights", itertools.islice(parameters(layer, "initial"), 4)
    yield "checkpoint round trips", itertools.islice(parameters(layer, "checkpoint"), 3)
    yield "how arrays are given", few_given(layer)
    yield "gradients where x has NaN", itertools.islice(nan_gradients(layer), 3, 4)
    yield "calls", calls(layer, ({**base, **small} for base in CALL_BASES[:2]))
    yield "calls with x of another type alone", typed(layer)
    few_repeated = (*itertools.islice(repeated(layer), 2), *growing(layer))
    yield "the same call again and again", few_repeated
    yield "lives", few_lives(layer)


def _lines(parts: Iterable[Part]) -> list[str]:
    lines, seen = [], set()
    for title, configs in parts:
        lines.append(f"# {title}")
        for config in map(_reseeded, configs):
            if config.id not in seen:
                seen.add(config.id)
                lines.append(config.id)
    return lines


def _reseeded(config: Config) -> Config:
    return config.replace(seed=RESEEDED.get(config.id, config.seed))
