"""The configs that a self-test asks: a small part of the pinned corpus, everything in it asked."""

from __future__ import annotations

import functools
from collections.abc import Callable

from harness.aspects import CALL, LIFE, VALUES
from harness.config import Config
from harness.corpus import load_corpus
from harness.layers import LAYERS

__all__ = ["is_slow", "own_selection", "selection", "selection_of"]


def _crashes(config: Config) -> bool:
    """Whether it may end the process of a real framework: not for trials, which share one."""
    if config.aspect in ("call.x.nosteps", "call.x.norows"):
        return True
    of_states = config.aspect.startswith(("call.h0.", "call.c0."))
    return of_states and len(config.cell.states) > 1 and config.lengths != "nolengths"


IN_BETWEEN = 19
"""Seed of the corpus's sizes in between, of which others need not be instances."""

TAKEN = (f"{CALL}x.flat", f"{CALL}lengths.list")
"""Calls that some take, of which more is asked than of most: what do they leave in the layer?"""

_SHORTENED = ("shorter", "equal", "descending", "ascending")
SIZED = range(70000, 79000)
"""Seeds of the configs that are there for their sizes (`harness.build_corpus.designs`)."""

ONE_STEP = range(64000, 64030)
"""Seeds of the gradients of one step with every kind of loss (`harness.build_corpus.backwards`)."""

ORDINARY = range(94000, 95000)
"""Seeds of the layers as people have them (`harness.build_corpus.ordinary`)."""

_Kind = tuple[int, Callable[[Config], bool]]


def _asks(aspect: str, config: Config) -> bool:
    return config.aspect == aspect


def _plain_values(config: Config) -> bool:
    return config.aspect == VALUES and config.data in ("mixed", "page") and config.dtype == "fp32"


KINDS: tuple[_Kind, ...] = (
    (99, lambda c: c.seed in ORDINARY),
    (99, lambda c: c.memory in ("unlike", "windows", "shared")),
    (6, lambda c: c.cell.projection is not None),
    (9, lambda c: c.aspect == "gradient" and c.data == "missing"),
    (9, lambda c: c.input_size == 1 and c.data in ("lone", "strewn") and not _relu(c)),
    (9, lambda c: c.aspect == "gradient" and c.steps > 128),
    (11, lambda c: c.aspect == "gradient" and c.seed in ONE_STEP),
    (9, lambda c: c.aspect == VALUES and c.memory != "contiguous" and c.num_layers == 2),
    (9, lambda c: c.aspect == VALUES and c.memory != "contiguous"),
    (6, lambda c: c.aspect == "gradient" and c.memory != "contiguous"),
    (5, lambda c: c.aspect == VALUES and c.lengths in _SHORTENED),
    (5, lambda c: c.aspect == "gradient" and c.lengths in _SHORTENED),
    (4, lambda c: c.data == "lone" and not _relu(c)),
    (1, lambda c: c.aspect == VALUES and c.data == "missing"),
    (2, lambda c: c.data == "lone"),
    (2, lambda c: c.data == "strewn"),
    (1, lambda c: c.aspect == "repeated" and c.batch == 256),
    (2, lambda c: c.aspect in TAKEN and not c.states),
    (99, lambda c: c.is_call and 1 in (c.input_size, c.hidden_size, c.batch)),
    (9, lambda c: c.aspect.startswith("call.x.") and c.lengths == "ragged" and not c.states),
    (3, lambda c: c.aspect == VALUES and c.seed == IN_BETWEEN),
    (1, lambda c: c.aspect == "gradient" and c.steps in (1, 7, 12) and c.seed == 61),
    (12, lambda c: c.aspect == VALUES and _is_sized(c) and c.dtype == "fp32"),
    (4, lambda c: c.aspect == "gradient" and _is_sized(c)),
    (1, lambda c: _is_long(c) and _relu(c) and c.lengths == "ragged"),
    (1, lambda c: _is_long(c) and not _relu(c) and c.lengths == "nolengths"),
    (0, lambda c: _is_long(c)),
    (10, lambda c: c.aspect == VALUES and c.data == "mixed" and _is_large(c)),
    (5, lambda c: _plain_values(c) and c.steps == c.batch > 1),
    (8, lambda c: _plain_values(c) and c.seed in range(7, 11)),
    (26, _plain_values),
    (8, lambda c: c.aspect == VALUES and c.data == "ints" and c.dtype == "fp32"),
    (4, lambda c: _is_deep_nan(c) and c.layout != "unbatched"),
    (6, lambda c: c.aspect == VALUES and c.data == "special"),
    (4, lambda c: c.aspect == VALUES and c.dtype == "fp16" and c.data == "mixed"),
    (4, lambda c: c.aspect == VALUES and c.dtype == "fp64" and c.data == "mixed"),
    (2, lambda c: c.aspect == VALUES and c.data == "sweep" and c.dtype == "fp32"),
    (6, lambda c: c.drops),
    (8, lambda c: c.mode == "training"),
    (4, lambda c: c.cotangents == "sparse" and c.steps > 1),
    (12, lambda c: c.cotangents != "all"),
    (2, lambda c: c.aspect == "gradient" and c.data == "sweep" and c.dtype == "fp32"),
    (12, lambda c: c.aspect == "gradient" and c.data != "sweep" and c.dtype == "fp32"),
    (2, lambda c: c.aspect == "gradient" and c.dtype == "fp64"),
    (2, lambda c: c.aspect == "training" and c.lengths == "ragged"),
    (2, lambda c: c.aspect == "training" and (c.layout == "unbatched" or c.dtype == "fp64")),
    (1, lambda c: c.aspect == "repeated" and c.dropout > 0),
    (3, lambda c: _drops(c) and c.dropout == 50 and c.num_layers > 1),
    (2, lambda c: _drops(c) and c.num_layers == 3 and c.dropout in (25, 50, 75)),
    (2, lambda c: _drops(c) and c.num_layers > 3 and c.dropout in (10, 25, 50, 75)),
    (6, lambda c: _drops(c)),
    (4, lambda c: c.aspect == "initial" and c.dtype == "fp32"),
    (1, lambda c: c.aspect == "initial" and c.dtype == "fp16"),
    (4, lambda c: c.aspect == "repeated" and c.hidden_size < 65 and c.dtype == "fp32"),
    (3, lambda c: c.aspect == "checkpoint" and c.dtype == "fp32"),
    (9, lambda c: c.aspect == LIFE and c.steps == 1 and c.dropout > 0),
    (99, functools.partial(_asks, LIFE)),
    *(
        (1, functools.partial(_asks, f"{CALL}{name}"))
        for name in dict.fromkeys(name for record in LAYERS.values() for name in record.calls)
    ),
)


def _is_sized(config: Config) -> bool:
    return config.seed in SIZED


def _drops(config: Config) -> bool:
    return config.aspect == "training" and config.dtype == "fp32"


def _is_deep_nan(config: Config) -> bool:
    return config.data == "special" and not _relu(config) and config.num_layers > 1


def _relu(config: Config) -> bool:
    return "relu" in config.cell.activations


def _is_long(config: Config) -> bool:
    return config.aspect == VALUES and config.steps >= 1000


def _is_large(config: Config) -> bool:
    return (
        config.steps >= 100
        or config.hidden_size >= 65
        or config.num_layers >= 6
        or config.batch >= 17
    )


def is_slow(config: Config) -> bool:
    return config.data == "sweep" or config.steps >= 100


def selection() -> tuple[Config, ...]:
    """Of the layers of which everything is asked: what shows faults of any layer."""
    return selection_of(*(name for name, record in LAYERS.items() if record.thorough))


def own_selection() -> tuple[Config, ...]:
    """Of each other layer: what shows faults that it alone can have."""
    others = (name for name, record in LAYERS.items() if not record.thorough)
    return tuple(config for name in others for config in selection_of(name))


@functools.cache
def selection_of(*layers: str) -> tuple[Config, ...]:
    """Evenly spaced configs of each kind, the kinds interleaved, the slow ones last."""
    left = [one for one in load_corpus() if one.layer in layers and not _crashes(one)]
    chosen: list[tuple[float, Config]] = []
    for count, is_of_kind in KINDS:
        kind = [config for config in left if is_of_kind(config)]
        left = [config for config in left if not is_of_kind(config)]
        count = min(count, len(kind))
        for number in range(count):
            place = (number + 0.5) / count
            chosen.append((place + is_slow(kind[0]), kind[int(place * len(kind))]))
    chosen.sort(key=lambda one: (one[0] + is_slow(one[1]), one[1].id))
    return tuple(config for _, config in chosen)
