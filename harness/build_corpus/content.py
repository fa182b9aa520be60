"""What stands in the two files of the corpus, in its order."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

from harness.build_corpus.covering import FACTORS, covering
from harness.build_corpus.other_aspects import CALL_BASES, calls, parameters, steady
from harness.build_corpus.sizes import between, degenerate, doubles, large, large_gradients, long
from harness.build_corpus.training import small_training, training
from harness.build_corpus.values import gradients, page, special, sweeps
from harness.config import DTYPES, Config
from harness.corpus import CORPUS

__all__ = ["RESEEDED", "build", "build_sample"]

RESEEDED = {
    config_id: int(seed)
    for config_id, seed in map(str.split, CORPUS.with_name("reseeded.txt").read_text().splitlines())
}
"""Configs that would see nothing of a common fault with the seed that their place gives them (dead
relu units, saturated ones, NaN), and the seed that they have instead; `make power` shows such."""


def build() -> list[str]:
    """The lines of the corpus file: comments, and config ids."""
    precisions = {**FACTORS, "dtype": ["fp16", "fp64", "bf16"]}
    return _lines(
        ("the mapping page's Code Example 1", page()),
        ("the activations alone", sweeps(DTYPES)),
        ("covering array, strength 3, fp32", covering(FACTORS, 3, 3)),
        ("covering array, strength 2, other precisions", covering(precisions, 2, 1)),
        ("degenerate sizes", degenerate()),
        ("longer, wider, deeper", large()),
        ("sizes in between", between()),
        ("NaN, infinities, subnormals", special(2, ["fp32", "fp16", "fp64"])),
        ("the activations' derivatives alone", sweeps(DTYPES, "gradient")),
        ("gradients, float32", gradients(3, ["fp32"])),
        ("gradients, longer and wider", large_gradients()),
        ("gradients, other precisions", gradients(2, ["fp16", "fp64", "bf16"])),
        ("dropout in training mode", training(2, [0, 1, 10, 25, 50, 75, 90, 99])),
        ("initial weights", parameters("fresh")),
        ("weights through files", parameters("files")),
        ("calls", calls(CALL_BASES)),
        ("the same call again and again", steady()),
    )


def build_sample() -> list[str]:
    """The same for backends of which a run asks for a small selection only."""
    small = {"num_layers": 1, "steps": 2}
    few = {**FACTORS, "scale": [1, 4], "num_layers": [1, 2], "dropout": [0]}
    return _lines(
        ("the mapping page's Code Example 1", itertools.islice(page(), 2)),
        ("the activations alone", sweeps(("fp32", "fp16"))),
        ("covering array, strength 2, fp32", covering(few, 2, 1)),
        (
            "other precisions",
            covering({**few, "num_layers": [1], "dtype": ["fp16", "fp64", "bf16"]}, 1, 2),
        ),
        ("float64, rounding visible", doubles()),
        ("longer", long(100)),
        ("NaN, infinities, subnormals", itertools.islice(special(2, ["fp32"]), 6)),
        ("the activations' derivatives alone", sweeps(("fp32", "fp16"), "gradient")),
        ("gradients", itertools.islice(gradients(2, ["fp32"]), 8)),
        ("dropout in training mode", small_training()),
        ("initial weights", itertools.islice(parameters("fresh"), 4)),
        ("weights through files", itertools.islice(parameters("files"), 3)),
        ("calls", calls({**base, **small} for base in CALL_BASES[:2])),
        ("the same call again and again", itertools.islice(steady(), 2)),
    )


def _lines(*parts: tuple[str, Iterable[Config]]) -> list[str]:
    lines, seen = [], set()
    for title, configs in parts:
        lines.append(f"# {title}")
        for config in map(_reseeded, configs):
            if config.id not in seen:
                seen.add(config.id)
                lines.append(config.id)
    return lines


def _reseeded(config: Config) -> Config:
    return dataclasses.replace(config, seed=RESEEDED.get(config.id, config.seed))
