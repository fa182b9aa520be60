"""Configs of lives: what people do with a layer, crossed with the options."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from harness.build_corpus.covering import config_of, of_sizes
from harness.config import Config

__all__ = ["dropping_lives", "few_lives", "lives"]

LIVES = (
    # Weights that change after a call: every training loop does it.
    ("f0.w1.f0.g0", "f0.w8.f0.w9.f0", "g0.w1.g0.f0", "f0.g0.w2.g0.w3.f0.r"),
    # The first gradients of a layer, and gradients of another shape after.
    ("g0.g2.g4.f0", "g4.g0.g5.g3.g1", "g9.g6.g7.f0.g8.f9.f0", "g7.f0.g2.f0.f7.g6.g0"),
    # Gradients in training mode; evaluation after training after evaluation.
    ("t.g0.g1.f0.e.g0.f0", "f0.t.f0.e.f0.t.g0.f0.e.f0", "t.t.f0.e.f0.g0", "t.f0.w1.f0.e.f0.r"),
    # The same seed before two calls.
    ("t.s1.f0.s1.f0.s2.f0", "t.f0.s1.f0.g0.s1.f0.g0.e.f0", "f0.t.s1.f1.w1.s1.f1.w0.s1.f1.e.f0"),
    # An ordinary call after a refused one.
    ("f0.x0.f0.x1.f1.x2.f6.f7", "x0.g0.x1.g1.x2.f0", "f0.x3.f0.x4.r.x2.f0.g0", "g0.x4.g0.x2.f7.f0"),
    # Many calls.
    ("n0.f1.n1.f0", "n2.f0.g1.f1.n1.g0", "t.n0.e.n0.f0", "f1.n2.g1"),
    # Weights that are read.
    ("f0.r.g0.r.w1.r.t.f0.r.e.r", "r.w2.f0.r.w0.r"),
    # Files.
    ("k.f0.w1.f0.l.f0.g0.r", "f0.w1.k.w2.f0.l.f0.r", "t.f0.k.w2.e.f0.l.f0.r", "w1.k.w2.g0.l.g0.f0"),
    # Copies.
    ("f0.c0.f0.w1.f0.g0", "c1.f0.r.g0.k.w2.l.f0", "t.c0.f0.e.f0.c1.g0.f0"),
    # Another layer beside it.
    ("f0.b0.f0.b1.f0.g0", "b0.g0.b1.g1.w1.b0.f0", "t.f0.b0.f1.e.b0.f0"),
    # Arrays that are written to after the call.
    ("f0.a0.f0.a1.f0.f1", "n0.a0.f0.r", "f6.a1.f0.f6.f0.g0"),
    # Calls of other shapes, with other states and lengths.
    ("f9.f0.f2.f3.f4.f5.f0", "f7.f0.f8.f0.f6.f0.f1", "g1.f0.g0.f0.g8.f7"),
)
"""By what each of them is there for."""

DROPPING = {"num_layers": 2, "dropout": 50}

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {**DROPPING, "states": True, "layout": "batchfirst"},
    {"nonlinearity": "relu", "states": True, "bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "lengths": "ragged", "states": True},
    {**DROPPING, "nonlinearity": "relu", "bidirectional": True},
    {"bias": False, "lengths": "ragged", "layout": "batchfirst"},
    {"dtype": "fp64", "bidirectional": True},
    {"num_layers": 3, "nonlinearity": "relu", "lengths": "fulllengths", "bias": False},
    {"layout": "unbatched", "states": True, "batch": 1},
    {**DROPPING, "lengths": "ragged", "states": True},
    {"dtype": "fp16", "states": True},
    {"bidirectional": True, "lengths": "emptyrows"},
)

SIZES = ((3, 4, 3, 3), (2, 5, 4, 2), (4, 3, 3, 4))
"""Input, hidden, batch, steps."""


def lives(layer: str) -> Iterator[Config]:
    """Every life with one set of options, every other one with a second; in training mode with one
    that drops, and with one that does not. After each comes another life, so that none is asked
    once only: what fails is shortened.
    """
    dropping = [one for one in OPTIONS if one.get("dropout")]
    others = [one for one in OPTIONS if not one.get("dropout")]
    for number, life in enumerate(EVERY):
        asked = [others[number % len(others)]]
        if _trains(life):
            asked.append(dropping[number % len(dropping)])
        elif number % 4 == 0:
            asked.append(OPTIONS[-1 - number % len(OPTIONS)])
        for time, options in enumerate(asked):
            second = _second(life, number + 17 * time, options)
            mode = ".e." if _trains(life) else "."
            yield _config(layer, f"{life}{mode}{second}", options, number)
    for number, (life, place) in enumerate(CROSSED):
        yield _config(layer, life, OPTIONS[place], 200 + number)
    for number, (life, options) in enumerate(ON_THE_SAME_LAYER):
        yield _config(layer, life, options, 220 + number)
    yield from dropping_lives(layer)


CROSSED = (
    # A training loop that never leaves training mode.
    ("t.g0.w1.g0.w2.f0.g0.e.f0.g0", 0),
    ("t.f0.w1.g1.w0.g1.w8.g0", 5),
    # Files and refused calls between two calls that drop.
    ("t.k.f0.w1.l.f0.k.f0.e.f0", 1),
    ("t.x0.f0.x1.f1.x3.f0.e.f0", 9),
    # Copies in the other mode.
    ("c0.f0.t.c1.f0.e.f0", 1),
    ("t.f0.c0.f0.c1.f0.e.c1.f0.c0.f0", 9),
    # A second file, of other weights.
    ("k.f0.w1.k.w2.f0.l.f0.r", 0),
    ("w1.k.w2.k.w3.k.w0.l.f0.g0.r", 3),
)
"""Lives of several kinds, and the options that they have."""

LONG = {"input_size": 3, "hidden_size": 5, "batch": 9, "steps": 33}

ON_THE_SAME_LAYER: tuple[tuple[str, dict[str, Any]], ...] = (
    # What a call gave goes into the next: in loops that generate, and in parts of a long sequence.
    ("h0.f1.h2.f0.h3.g0", {"input_size": 4, "hidden_size": 4}),
    (
        "h2.h0.g0.h3.w1.h0",
        {**OPTIONS[2], "layout": "batchfirst", "input_size": 6, "hidden_size": 3},
    ),
    ("g0.h3.h1.w1.h3", OPTIONS[3]),
    ("t.h0.h3.h1.e.h0.h3", OPTIONS[1]),
    # One step, one row, short rows, after many.
    ("f0.o0.f0.o1.o2.o3.o4", {**LONG, "lengths": "ragged", "states": True}),
    ("h1.o0.g0.o3.o2", {**OPTIONS[5], **LONG, "steps": 40}),
    ("f0.o1.o4.o2.o0", {**LONG, "layout": "batchfirst", "lengths": "ascending"}),
    # Gradients that are refused.
    ("g0.x5.g0.x6.g1.f0", {"states": True}),
    ("t.g0.x6.g1.x5.g1.e.x5.g0", {**OPTIONS[5], "nonlinearity": "relu"}),
    # Other threads.
    ("f0.d0.d1.w1.d1.d0.g0", {"num_layers": 2, "states": True}),
    ("t.d0.f0.d1.d0.e.d0.f0", OPTIONS[1]),
    ("d1.d0.t.d1.d0.e.g0", {**OPTIONS[4], "lengths": "ragged"}),
    # The same without gradients, which not every implementation offers.
    ("h0.f1.h2.f0.d0.h1", {"input_size": 4, "hidden_size": 4, "states": True}),
    ("f0.o0.f1.o1.h1", {**OPTIONS[2], **LONG}),
    ("f0.o2.d0.o2.w1.h0", {**LONG, "num_layers": 2, "lengths": "ragged"}),
)
"""Lives of what is done to one layer again and again, and what else is given."""

FEW_ELEMENTS: tuple[dict[str, Any], ...] = (
    {**DROPPING, "hidden_size": 4, "states": True},
    {**OPTIONS[1], "hidden_size": 3, "bidirectional": True, "lengths": "emptyrows"},
    {"num_layers": 3, "dropout": 75, "hidden_size": 3, "nonlinearity": "relu"},
    {**DROPPING, "hidden_size": 6, "states": True, "lengths": "emptyrows"},
)
"""Of one step: every mask of what is dropped is tried, so that later layers are judged too."""

EVERY = tuple(itertools.chain(*LIVES))


def dropping_lives(layer: str) -> Iterator[Config]:
    """What is dropped is any of few elements."""
    for number, options in enumerate(FEW_ELEMENTS):
        values = {**options, "steps": 1, "batch": 5}
        yield _config(layer, "t.f0.w1.f1.t.f0.e.f0", values, 240 + number)


def _trains(life: str) -> bool:
    return "t" in life.split(".")


def _second(first: str, number: int, options: dict[str, Any]) -> str:
    """Another life; where anything is dropped, one in training mode."""
    others = [one for one in EVERY if one != first and "n1" not in one]
    among = [one for one in others if _trains(one)] if options.get("dropout") else others
    return among[(5 * number + 11) % len(among)]


def few_lives(layer: str) -> Iterator[Config]:
    """For backends of which a call is expensive: one of each kind, without many shapes."""
    chosen = (
        ("f0.w1.f0.g0.w2.g0", 2),
        ("g0.f0.g1", 5),
        ("t.g0.e.g0.f0", 0),
        ("f0.t.f0.e.f0", 1),
        ("f0.x0.f0.x4.f0.r", 5),
        ("n0.f1", 2),
        ("f0.k.w1.l.f0.r", 1),
        ("f0.b0.f0.b0", 0),
    )
    for number, (life, place) in enumerate(chosen):
        yield _config(layer, life, OPTIONS[place], 100 + number)
    yield _config(layer, "h0.h1.h3", {"states": True}, 120)
    yield _config(layer, "f0.o0.o1.x5.g0", {**LONG, "steps": 8}, 121)
    yield _config(layer, "t.d0.d1.e.d0", OPTIONS[1], 122)
    yield _config(layer, "t.f0.w1.f0", {**FEW_ELEMENTS[0], "steps": 1, "batch": 5}, 123)


def _config(layer: str, life: str, options: dict[str, Any], number: int) -> Config:
    values = {"data": "plain", "seed": 60_000 + number, **options}
    sizes = of_sizes(*SIZES[number % len(SIZES)]) | values
    return config_of(layer, life=tuple(life.split(".")), **sizes)
