"""The pinned corpus: what it covers, and that its generator still writes it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.aspects import ASPECTS, CALL, VALUES
from harness.build_corpus import allowed, build, build_sample, factors_of
from harness.config import Config, ConfigError
from harness.corpus import CORPUS, SAMPLE, load_corpus
from harness.layers import LAYERS

CONFIGS = load_corpus()

each_layer = pytest.mark.parametrize("layer", LAYERS)
each_thorough = pytest.mark.parametrize(
    "layer", [name for name, record in LAYERS.items() if record.thorough]
)


def of_layer(layer: str) -> list[Config]:
    return [config for config in CONFIGS if config.layer == layer]


@each_layer
def test_has_many_different_configs(layer: str) -> None:
    configs = of_layer(layer)
    assert len({config.id for config in configs}) == len(configs)
    assert len(configs) >= (1000 if LAYERS[layer].thorough else 150)


def uncovered(
    layer: str, configs: list[Config], factors: dict[str, list[Any]], strength: int
) -> list[dict[str, Any]]:
    """Allowed values of so many options that stand together in no config."""
    missing = []
    for names in itertools.combinations(factors, strength):
        covered = {tuple(getattr(c, n) for n in names) for c in configs}
        for values in itertools.product(*(factors[n] for n in names)):
            row = dict(zip(names, values, strict=True))
            if allowed(layer, row) and values not in covered:
                missing.append(row)
    return missing


@each_layer
def test_all_allowed_option_values_stand_together(layer: str) -> None:
    """Triples of them, and pairs in other precisions; of a modest corpus one less."""
    strength = 3 if LAYERS[layer].thorough else 2
    values = [c for c in of_layer(layer) if c.aspect == VALUES]
    fp32 = [c for c in values if c.dtype == "fp32"]
    assert uncovered(layer, fp32, factors_of(layer), strength) == []
    others = [c for c in values if c.dtype != "fp32"]
    precisions = factors_of(layer, dtype=["fp16", "fp64", "bf16"])
    assert uncovered(layer, others, precisions, strength - 1) == []


@pytest.mark.parametrize(
    "degenerate",
    [
        lambda c: c.steps == 1 and c.batch > 1,
        lambda c: c.batch == 1 and c.layout != "unbatched",
        lambda c: c.hidden_size == 1 and c.input_size > 1,
        lambda c: c.input_size == 1 and c.hidden_size > 1,
        lambda c: c.input_size == c.hidden_size > 1,
        lambda c: c.lengths == "fulllengths",
        lambda c: c.lengths == "emptyrows" and c.batch == 1,
        lambda c: c.batch == c.steps == c.input_size == c.hidden_size == 4,
        lambda c: c.steps == 100,
        lambda c: c.steps == 1000,
    ],
    ids=["T1", "B1", "H1", "I1", "I-is-H", "all-T", "all-empty", "cube", "100", "1000"],
)
@each_thorough
def test_has_degenerate_sizes(layer: str, degenerate: Callable[[Config], bool]) -> None:
    assert any(degenerate(config) for config in of_layer(layer))


@each_layer
def test_has_every_kind_of_data(layer: str) -> None:
    assert {config.data for config in of_layer(layer)} == {k.name for k in LAYERS[layer].data}


def test_is_what_its_generator_writes() -> None:
    """Fails after an upgrade of covertable too: look at the change, then write it anew."""
    assert CORPUS.read_text("utf-8").splitlines() == build()
    assert SAMPLE.read_text("utf-8").splitlines() == build_sample()


@each_layer
@pytest.mark.parametrize("path", [CORPUS, SAMPLE], ids=["corpus", "sample"])
def test_asks_everything(path: Path, layer: str) -> None:
    """No verdict rests on a single config; of a modest corpus all aspects are asked, and every call
    of what all configs ask of.
    """
    counts = Counter(config.aspect for config in load_corpus(path) if config.layer == layer)
    calls = [f"{CALL}{name}" for name in LAYERS[layer].calls]
    if LAYERS[layer].thorough:
        asked, least = [*ASPECTS, *calls], 2
    else:
        asked, least = [*ASPECTS, *(calls if path == CORPUS else ())], 1
    assert {aspect for aspect in asked if counts[aspect] < least} == set()


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text(f"# good\n{Config.of().id}\nrnn-quite\n")
    with pytest.raises(
        ConfigError, match=r"corpus.txt, line 3: config id 'rnn-quite': token 'quite' is none"
    ):
        load_corpus(path)
