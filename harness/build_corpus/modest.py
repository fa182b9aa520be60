"""The corpus of a layer that shares most of its code with one of which everything is asked.

Every part that the others have, with fewer combinations.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from harness.aspects import CALL
from harness.build_corpus.arrays_given import (
    few_given,
    lengths,
    lone,
    memories,
    nan_gradients,
    strewn,
    together,
)
from harness.build_corpus.autograd import dropping, few_gradients, losses, losses_of_one_state
from harness.build_corpus.backwards import one_step
from harness.build_corpus.branches import branches, long_in_double
from harness.build_corpus.covering import config_of, covering, factors_of, of_sizes
from harness.build_corpus.designs import sized_gradients, sized_values
from harness.build_corpus.lives import dropping_lives, few_lives, lives
from harness.build_corpus.ordinary import ordinary
from harness.build_corpus.other_aspects import CALL_BASES, calls, growing, parameters, repeated
from harness.build_corpus.sizes import between, degenerate, doubles, large, large_gradients
from harness.build_corpus.training import alone, padded_dropping, small_training
from harness.build_corpus.values import gradients, page, special, sweeps
from harness.calls import make_call
from harness.config import DTYPES, Config, ConfigError
from harness.layers import LAYERS

__all__ = ["Part", "modest", "modest_few"]

Part = tuple[str, Iterable[Config]]


def _every(step: int, configs: Iterable[Config]) -> Iterator[Config]:
    """One of so many, from the first on."""
    yield from itertools.islice(configs, 0, None, step)


def _full_lengths(configs: Iterable[Config]) -> Iterator[Config]:
    """Other code may run with lengths."""
    yield from (config.replace(lengths="fulllengths") for config in configs)


def not_every_size(layer: str) -> Iterator[Config]:
    """Options of the layer's own that depend on its size, with the others, for values and
    gradients.
    """
    for option in LAYERS[layer].options:
        values = [value for value in option.words if value != option.default]
        if option.fits is None:
            continue
        changes = {option.name: values, "scale": [1, 2], "dropout": [0]}
        for number, config in enumerate(covering(layer, factors_of(layer, **changes), 1, 2)):
            yield config
            if config.data != "ints":
                yield config.replace(aspect="gradient", seed=config.seed + 500 + number)


def numbered(layer: str) -> Iterator[Config]:
    """Options that are any number, with others than have a word."""
    for option in LAYERS[layer].options:
        if not option.numbered:
            continue
        for number, (value, hidden) in enumerate(((3, 4), (5, 9), (8, 16), (31, 33), (64, 96))):
            changes: dict[str, Any] = {option.name: value, "states": True, "seed": 800 + number}
            both, padded = number % 2 == 1, ("ragged", "nolengths", "emptyrows")[number % 3]
            base = config_of(
                layer,
                **of_sizes(4 + number, hidden, 5, 4),
                bidirectional=both,
                num_layers=1 + both,
                lengths=padded,
                **changes,
            )
            yield base
            yield base.replace(aspect="gradient", data="plain", seed=810 + number)


def deep(layer: str) -> Iterator[Config]:
    """Values and gradients of four, five and eight layers."""
    changes: list[dict[str, Any]] = [
        {"num_layers": 4, "lengths": "ragged"},
        {"num_layers": 5, "bidirectional": True, "layout": "batchfirst"},
        {"num_layers": 8, "bias": False, "lengths": "emptyrows"},
        {"num_layers": 4, "layout": "unbatched", "batch": 1, "dtype": "fp16"},
    ]
    for number, more in enumerate(changes):
        values = {**of_sizes(3, 4, 5, 3), "states": True, **more}
        base = config_of(layer, seed=820 + number, **values)
        yield base
        yield base.replace(aspect="gradient", data="plain", seed=830 + number)


def modest(layer: str) -> Iterator[Part]:
    """Parts of the corpus, with their titles."""
    parts = [*_values(layer), *_gradients(layer), *_others(layer)]
    yield from parts
    if any(option.fits is not None for option in LAYERS[layer].options):
        every = [config for _, configs in parts for config in configs]
        yield "options that not every size takes, everywhere", _of_sizes_own(layer, every)
    yield "gradients, losses of one state of several", losses_of_one_state(layer)
    yield "numbered options", numbered(layer)
    yield "NaN and infinities in states of many rows", _special_states(layer)
    yield "so many calls that the process grows if they keep anything", growing(layer)
    yield "calls", calls(layer, _bases(layer))
    if not LAYERS[layer].single_step:
        yield "stacks of more than three layers", deep(layer)
        yield "where kernels go other ways", [*branches(layer), long_in_double(layer, 1000)]
        yield "calls with lengths: other code may check what is given", _with_lengths(layer)
        yield "calls with states, padded, of stacks and of one unit", _of_stacks(layer)
    yield "layers as people have them", ordinary(layer)


def _special_states(layer: str) -> Iterator[Config]:
    """So many rows that each state has some, alone in its row, whatever the seed; weights have some
    with odd seeds.
    """
    for seed in (901, 902):
        yield config_of(layer, **of_sizes(1, 2, 600, 1), states=True, data="special", seed=seed)


def _values(layer: str) -> Iterator[Part]:
    others, single = ["fp16", "fp64", "bf16"], LAYERS[layer].single_step
    options = list(covering(layer, factors_of(layer), 2, 1))
    yield "the mapping page's Code Example 1", list(page(layer))
    yield "the activations alone", list(sweeps(layer, DTYPES))
    if not single:
        padded = _full_lengths(sweeps(layer, ("fp32", "fp16")))
        yield "the activations alone, with lengths", list(padded)
    yield "covering array, strength 2, fp32", options
    yield "classes of sizes with options, fp32", list(_sized(layer, options))
    few = covering(layer, factors_of(layer, dtype=others), 1, 2)
    yield "other precisions", list(few)
    yield "float64, rounding visible", list(doubles(layer))
    yield "options that not every size takes", list(not_every_size(layer))
    yield "degenerate sizes", list(_every(8, degenerate(layer)))
    yield "NaN, infinities, subnormals", list(special(layer, 2, ["fp32", "fp16", "fp64"]))
    yield "one NaN or infinity a row of x", list(_every(3, lone(layer)))
    yield "NaN and infinities strewn over x", list(_every(3, strewn(layer)))
    if not single:
        yield "longer, wider, deeper", list(_every(2, large(layer)))
        yield "sizes in between", list(_every(4, between(layer)))
        yield "lengths: all shorter than T, all equal, sorted", list(_every(2, lengths(layer)))
    given = few_given(layer) if single else [*_every(2, memories(layer)), *together(layer)]
    yield "how arrays are given", [*few_given(layer), *given]


def _gradients(layer: str) -> Iterator[Part]:
    others, single = ["fp16", "fp64", "bf16"], LAYERS[layer].single_step
    sweeping = sweeps(layer, ("fp32", "fp16", "fp64"), "gradient")
    yield "the activations' derivatives alone", list(sweeping)
    derived = list(gradients(layer, 2, ["fp32"]))
    yield "gradients, float32", derived
    yield "gradients, other precisions", list(gradients(layer, 1, others))
    yield "gradients, kinds of losses, both modes", list(few_gradients(layer))
    if not single:
        lost = list(losses(layer))
        yield "gradients, every kind of loss", lost
        yield "gradients, one step with every kind of loss", list(one_step(layer, derived + lost))
        sized = _every(2, sized_gradients(layer, derived))
        yield "gradients, classes of sizes with options", list(sized)
        yield "gradients, longer and wider", list(_every(3, large_gradients(layer)))
        yield "gradients of layers that drop", list(_every(4, dropping(layer)))
    yield "gradients where x has NaN", list(_every(2, nan_gradients(layer)))


def _others(layer: str) -> Iterator[Part]:
    single = LAYERS[layer].single_step
    yield "dropout in training mode", list(_every(8 if single else 1, small_training(layer)))
    if not single:
        yield (
            "dropout, padded, alone, in other precisions",
            [*padded_dropping(layer), *alone(layer)],
        )
    yield "initial weights", list(_every(2, parameters(layer, "initial")))
    yield "checkpoint round trips", list(_every(3, parameters(layer, "checkpoint")))
    yield "the same call again and again", list(_every(4, repeated(layer)))
    more = (one for one in lives(layer) if one.dtype == "fp32")
    several = [] if single else [*_every(3, more), *dropping_lives(layer)]
    yield "lives", [*few_lives(layer), *several]


def _of_sizes_own(layer: str, every: Iterable[Config]) -> Iterator[Config]:
    """One of seven configs of every kind again, with an option that not every size takes."""
    for option in LAYERS[layer].options:
        values = itertools.cycle(value for value in option.words if value != option.default)
        for config in _every(7, (one for one in every if one.data not in ("ints", "page"))):
            with contextlib.suppress(ConfigError):
                yield config.replace(**{option.name: next(values)})


def modest_few(layer: str) -> Iterator[Part]:
    """The same for backends of which a run asks for a small selection only."""
    small: dict[str, Any] = {"num_layers": 1, "steps": 2}
    few = factors_of(layer, scale=[1, 4], num_layers=[1, 2], dropout=[0])
    yield "the mapping page's Code Example 1", itertools.islice(page(layer), 1)
    yield "the activations alone", sweeps(layer, ("fp32",))
    yield "options", covering(layer, few, 1, 1)
    yield "other precisions", covering(layer, {**few, "dtype": ["fp16", "fp64"]}, 1, 1)
    yield "bfloat16", itertools.islice(covering(layer, {**few, "dtype": ["bf16"]}, 1, 1), 1)
    yield "float64, rounding visible", itertools.islice(doubles(layer), 1)
    yield "NaN, infinities, subnormals", _shallow(special(layer, 2, ["fp32"]), 2)
    yield "one NaN or infinity a row of x", _few_lone(layer)
    yield "gradients", _shallow(gradients(layer, 2, ["fp32"]), 3)
    yield "gradients, kinds of losses, both modes", _every(3, few_gradients(layer))
    yield "options that not every size takes", itertools.islice(not_every_size(layer), 1)
    yield "dropout in training mode", _few_training(layer)
    yield "initial weights", itertools.islice(parameters(layer, "initial"), 2)
    yield "checkpoint round trips", itertools.islice(parameters(layer, "checkpoint"), 2)
    yield "how arrays are given", itertools.islice(few_given(layer), 2)
    bases = ({**base, **small} for base in _bases(layer)[:1])
    yield "calls, one of each requirement", _one_of_each(layer, calls(layer, bases))
    yield "the same call again and again", _compiled_once(itertools.islice(repeated(layer), 1))
    yield "so many calls that the process grows if they keep anything", _every(9, growing(layer))
    if not LAYERS[layer].single_step:
        yield "longer", [long_in_double(layer, 100)]
        empty: dict[str, Any] = {"states": True, "lengths": "emptyrows", "seed": 892}
        yield "rows without steps", [config_of(layer, **of_sizes(3, 4, 5, 3), **empty)]
    yield "lives", itertools.islice(few_lives(layer), 2)


def _few_lone(layer: str) -> Iterator[Config]:
    """Rows enough for infinities; of a cell with states, without which MindSpore has none."""
    single = LAYERS[layer].single_step
    rows = 12 if single else 9
    few = (one for one in lone(layer) if one.batch == rows and one.states >= single)
    yield from itertools.islice(few, 2)


def _few_training(layer: str) -> Iterator[Config]:
    """Different rates, depths and sizes; of a cell, which drops nothing, one."""
    dropped = list(small_training(layer))
    single = [config for config in dropped if config.num_layers == 1]
    few = [*dropped[::4], *single[:1]]
    yield from dict.fromkeys(_compiled_once(few[:1] if LAYERS[layer].single_step else few))


def _shallow(configs: Iterable[Config], count: int) -> Iterator[Config]:
    """So many of one or two layers, which compile in half the time of three, and of a batch."""
    few = (one for one in configs if one.num_layers < 3 and one.layout != "unbatched")
    yield from itertools.islice(few, count)


def _compiled_once(configs: Iterable[Config]) -> Iterator[Config]:
    """Without states where they come in a tuple and may be left out: MindSpore's graph mode takes
    the arrays in a tuple for constants, and compiles each call of many anew.
    """
    for config in configs:
        several = len(config.cell.states) > 1 and not config.record.single_step
        yield config.replace(states=False) if several else config


def _bases(layer: str) -> list[dict[str, Any]]:
    """What calls are changed from: of a cell one with states, one without, and one of one row."""
    if not LAYERS[layer].single_step:
        return [CALL_BASES[0]]
    given = {**CALL_BASES[0], "states": True}
    return [given, {**given, "states": False}, {**given, "batch": 1}]


def _with_lengths(layer: str) -> Iterator[Config]:
    for batch, about in ((5, ("x.", "h0.", "c0.", "states.")), (1, ("c0.",))):
        base = {**CALL_BASES[0], "lengths": "fulllengths", "batch": batch}
        yield from _about(layer, about, base, 10 * batch)


def _of_stacks(layer: str) -> Iterator[Config]:
    """With rows of several lengths, two layers, options of the layer's own that give states other
    shapes, and sizes of 1.
    """
    sized = [option for option in LAYERS[layer].options if option.fits is not None]
    own = [{option.name: list(option.words)[-1]} for option in sized]
    padded: list[dict[str, Any]] = [{"lengths": "ragged"}, {"lengths": "ragged", "num_layers": 2}]
    changes = padded + [more | one for one in own for more in ({}, padded[-1])]
    for number, more in enumerate(changes):
        yield from _about(layer, ("h0.", "c0.", "states."), CALL_BASES[0] | more, 200 + number)
    ones = {"input_size": 1, "hidden_size": 1, "steps": 1, "lengths": "fulllengths"}
    yield from _about(layer, ("x.", "h0.", "c0.", "states."), CALL_BASES[0] | ones, 300)


def _about(layer: str, about: tuple[str, ...], base: dict[str, Any], seed: int) -> Iterator[Config]:
    """The calls that are named so, where they differ from the base."""
    for config in calls(layer, [base]):
        another = make_call(config) is not None
        if another and config.aspect.removeprefix(CALL).startswith(about):
            yield config.replace(seed=config.seed + seed)


def _sized(layer: str, before: Iterable[Config]) -> Iterator[Config]:
    """Classes of sizes meet options; of a cell, which has few options, some sizes do."""
    if not LAYERS[layer].single_step:
        yield from sized_values(layer, before, (12, 3))
        return
    for number, sizes in enumerate(((1, 1, 1), (70, 130, 33), (3, 257, 2), (512, 64, 5))):
        more: dict[str, Any] = {"bias": number % 2 == 0, "seed": 7 + number}
        yield config_of(layer, **of_sizes(*sizes, 1), **more)


def _one_of_each(layer: str, every: Iterable[Config]) -> Iterator[Config]:
    seen: set[str] = set()
    for config in every:
        requirement = LAYERS[layer].calls[config.aspect.removeprefix(CALL)][0].requirement
        if requirement not in seen:
            seen.add(requirement)
            yield config
