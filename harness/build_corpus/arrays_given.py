"""Configs of how arrays are given: memory layouts, kinds of lengths, NaN and infinities in x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.build_corpus.covering import config_of, of_sizes
from harness.config import MEMORIES, Config
from harness.layers import LAYERS

__all__ = [
    "few_given",
    "lengths",
    "lone",
    "memories",
    "nan_gradients",
    "of_one_feature",
    "strewn",
    "together",
]

LAYOUTS = ("timefirst", "batchfirst")
SHORTENED = ("shorter", "descending", "equal", "ascending")


def memories(layer: str) -> Iterator[Config]:
    """Every layout twice for values, once for gradients; values that repeat along each axis."""
    for number, memory in enumerate((*tuple(MEMORIES)[:9], "broadcast", "broadcast")):
        if memory == "contiguous":
            continue
        base: dict[str, Any] = {"memory": memory, "data": "plain", "seed": 60000 + number}
        wide = of_sizes(3, 4, 6, 5)
        yield config_of(
            layer,
            **base,
            **wide,
            num_layers=2,
            bidirectional=True,
            layout=LAYOUTS[number % 2],
            states=True,
            lengths=("ragged", *SHORTENED)[number % 5],
        )
        yield config_of(
            layer,
            **base,
            nonlinearity="relu",
            bias=number % 3 > 0,
            layout=("unbatched", *LAYOUTS)[number % 3],
            states=number % 2 == 0,
            **of_sizes(4, 3, 1 if number % 3 == 0 else 5, 4),
        )
        yield config_of(
            layer,
            **base,
            **wide,
            aspect="gradient",
            num_layers=1 + number % 2,
            bidirectional=number % 3 == 0,
            layout=LAYOUTS[number // 2 % 2],
            states=True,
            lengths=("nolengths", *SHORTENED)[number % 5],
        )
    half = {**of_sizes(3, 4, 6, 5), "data": "plain"}
    for number, memory in enumerate(("strided", "permuted")):
        yield config_of(
            layer, dtype="fp16", memory=memory, states=True, seed=60100 + number, **half
        )


def together(layer: str) -> Iterator[Config]:
    """Arrays that lie in memory otherwise than each other, in each other, or in themselves."""
    base: dict[str, Any] = {"data": "plain", "states": True, "input_size": 3, "hidden_size": 4}
    for number, (memory, changes) in enumerate(
        (
            ("unlike", {"num_layers": 2, "batch": 5, "steps": 4, "lengths": "shorter"}),
            ("unlike", {"num_layers": 2, "batch": 5, "steps": 4, "lengths": "ascending"}),
            ("windows", {"layout": "batchfirst", "batch": 4, "steps": 5, "lengths": "descending"}),
            ("shared", {"input_size": 4, "batch": 3, "steps": 1, "layout": "timefirst"}),
        )
    ):
        more: dict[str, Any] = {**base, **changes, "memory": memory}
        cotangents = ("output", "final", "sparse", "all")[number]
        yield config_of(
            layer, **more, aspect="gradient", cotangents=cotangents, seed=60600 + 2 * number
        )
    for number, (memory, layout) in enumerate((("unlike", "batchfirst"), ("windows", "unbatched"))):
        sizes = {"batch": 1 if layout == "unbatched" else 6, "steps": 7}
        more = {**base, **sizes, "memory": memory, "layout": layout, "seed": 60611 + 2 * number}
        yield config_of(layer, **more)


def lengths(layer: str) -> Iterator[Config]:
    """All shorter than T; all one length, each of 1 to T - 1; sorted; for gradients too."""
    kinds = ("equal", "equal", "equal", "shorter", "descending", "ascending", "shorter")
    for number, kind in enumerate(kinds):
        more: dict[str, Any] = {
            "lengths": kind,
            "layout": LAYOUTS[number // 2 % 2],
            "states": number % 3 > 0,
            "num_layers": 1 + number % 2,
            "bidirectional": number % 4 > 1,
            **of_sizes(3, 5, 6 + number % 3, 4),
            "seed": 60201 + number,
        }
        yield config_of(layer, **more, nonlinearity=("tanh", "relu")[number // 3 % 2])
        yield config_of(
            layer,
            **more,
            aspect="gradient",
            data="plain",
            nonlinearity=("relu", "tanh")[number // 3 % 2],
        )
    for kind in ("emptyrows", "ragged"):
        yield config_of(
            layer,
            aspect="gradient",
            lengths=kind,
            states=True,
            bidirectional=True,
            data="plain",
            **of_sizes(2, 3, 5, 4),
            seed=60220,
        )


def lone(layer: str) -> Iterator[Config]:
    """A single special value a row; rows sweep its place, configs what else is given."""
    for number in range(10):
        yield config_of(
            layer,
            nonlinearity=("tanh", "tanh", "relu")[number % 3],
            num_layers=1 + number // 2 % 2,
            bidirectional=number % 4 in (1, 2),
            layout=("timefirst", "batchfirst", "unbatched")[number % 5 % 3],
            states=number % 2 == 0,
            lengths=("nolengths", "ragged", "shorter")[number % 4 % 3]
            if number % 5 % 3 != 2
            else "nolengths",
            data="lone",
            **of_sizes(
                (3, 4, 1)[number % 3],
                3,
                1 if number % 5 % 3 == 2 else (9, 1, 12, 2)[number // 3],
                (5, 4)[number % 2],
            ),
            seed=60300 + number,
        )
    # A row alone, of one feature: whatever the seed, it has a NaN.
    yield config_of(
        layer,
        data="missing",
        states=True,
        **of_sizes(1, 3, 1, 6),
        seed=60310,
    )


def of_one_feature(layer: str) -> Iterator[Config]:
    """Steps that are NaN or an infinity as a whole, since there is one feature."""
    for number, (data, layout) in enumerate(
        (("lone", "timefirst"), ("strewn", "batchfirst"), ("strewn", "unbatched"))
    ):
        yield config_of(
            layer,
            data=data,
            layout=layout,
            bidirectional=number == 2,
            states=number != 1,
            lengths="ragged" if layout == "batchfirst" else "nolengths",
            input_size=1,
            hidden_size=3,
            batch=1 if layout == "unbatched" else 9,
            steps=6,
            seed=60350 + number,
        )


def nan_gradients(layer: str) -> Iterator[Config]:
    """NaN in x and no infinity, with which every gradient that it reaches is NaN."""
    if LAYERS[layer].single_step:
        of_one = {"states": True, **of_sizes(3, 3, 5, 1)}
        yield config_of(layer, aspect="gradient", data="missing", seed=60370, **of_one)
        return
    base = config_of(layer, aspect="gradient", data="missing", hidden_size=3, steps=4, seed=60370)
    yield base.replace(states=True, input_size=3, batch=2)
    yield base.replace(num_layers=2, layout="batchfirst", input_size=2, batch=2)
    yield base.replace(states=True, layout="unbatched", bidirectional=True)
    yield base.replace(lengths="ragged", hidden_size=1, steps=2)
    two: dict[str, Any] = {"num_layers": 2, "layout": "batchfirst", "input_size": 2, "batch": 3}
    yield base.replace(lengths="ragged", **two)
    yield base.replace(lengths="descending", cotangents="final", bidirectional=True, batch=5)
    yield base.replace(cotangents="output", mode="training", states=True, dtype="fp64", **two)
    yield base.replace(cotangents="large", mode="training", dtype="fp16", input_size=2, batch=3)


def strewn(layer: str) -> Iterator[Config]:
    """NaN and infinities all over x, ordinary states and weights."""
    for number in range(5):
        yield config_of(
            layer,
            nonlinearity=("tanh", "relu")[number % 2],
            num_layers=1 + number % 2,
            bidirectional=number > 2,
            layout=LAYOUTS[number // 2 % 2],
            states=number % 3 == 0,
            lengths=("nolengths", "ascending", "ragged")[number % 3],
            data="strewn",
            **of_sizes(4, 3, 7, 5),
            seed=60400 + number,
        )


def few_given(layer: str) -> Iterator[Config]:
    """A few of them, small, for backends that compile each."""
    small: dict[str, Any] = of_sizes(3, 4, 5, 2)
    for number, memory in enumerate(("fortran", "strided", "broadcast", "offset")):
        base: dict[str, Any] = {"memory": memory, "data": "plain", "states": True}
        yield config_of(layer, **base, **small, lengths="ragged", seed=60500 + number)
    yield config_of(layer, lengths="equal", states=True, seed=60510, **small)
    yield config_of(layer, data="lone", states=True, seed=60511, **small)
