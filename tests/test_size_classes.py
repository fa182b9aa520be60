"""Classes of sizes, what configs cover of their combinations, and how they are chosen."""

from __future__ import annotations

from typing import Any

import pytest

from harness.build_corpus.combinations import Combinations, Goal, Table
from harness.build_corpus.covering import factors_of
from harness.build_corpus.size_classes import (
    KINDS,
    LARGEST,
    MAGNITUDES,
    kind_of,
    magnitude_of,
    sizes_of_kind,
)
from harness.build_corpus.sized import Limits, sized
from harness.build_corpus.strength import strengths
from harness.config import SIZES, Config


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("1", (1,)),
        ("2 to 9", (2, 8, 9)),
        ("128 n", (128, 256, 512, 1024)),
        ("32 n", (32, 96, 608)),
        ("8 n", (16, 24, 1000)),
        ("4 n", (12, 100, 516)),
        ("32 n - 1", (31, 63, 255, 1023)),
        ("32 n + 1", (33, 65, 257, 1025)),
        ("prime", (11, 17, 101, 997)),
        ("other", (10, 15, 105, 750)),
    ],
)
def test_kinds_of_sizes(kind: str, sizes: tuple[int, ...]) -> None:
    assert {kind_of(size) for size in sizes} == {kind}


@pytest.mark.parametrize("dimension", SIZES)
def test_every_kind_has_sizes_of_its_own(dimension: str) -> None:
    for kind in KINDS:
        sizes = sizes_of_kind(dimension, kind)
        assert sizes
        assert {kind_of(size) for size in sizes} == {kind}
        assert max(sizes) <= LARGEST[dimension]


def test_magnitudes() -> None:
    of = [magnitude_of(size) for size in (1, 2, 9, 10, 63, 64, 1000)]
    assert of == [MAGNITUDES[place] for place in (0, 1, 1, 2, 2, 3, 3)]


FACTORS: dict[str, list[Any]] = {
    "bidirectional": [False, True],
    "layout": ["timefirst", "unbatched"],
}


def test_possible_combinations_leave_out_what_cannot_be() -> None:
    table = Table("rnn", {**FACTORS, "lengths": ["nolengths", "ragged"]}, fine=False)
    columns = {name: place for place, name in enumerate(table.names)}

    def possible(*names: str) -> int:
        return table.possible([columns[name] for name in names])

    assert possible("bidirectional", "hidden_size") == 2 * 4
    assert possible("layout", "lengths") == 3
    assert possible("layout", "batch") == 4 + 1
    assert possible("lengths", "steps") == 4 + 3
    assert possible("layout", "lengths", "batch", "hidden_size") == (2 * 4 + 1) * 4


def test_what_configs_cover_is_counted() -> None:
    combinations = Combinations("rnn", FACTORS, [Goal(options=1, sizes=1, fine=False)])
    combinations.add([Config.of(batch=2, steps=5), Config.of(batch=20, hidden_size=70)])
    # One direction, time first: with I = 1; H = 1, 70; B = 2, 20; T = 5, 1. Possible: of two
    # directions all four magnitudes of four sizes; of layouts all, but B > 1 unbatched.
    assert combinations.share(0) == 2 * 7 / (2 * 16 + 2 * 16 - 3)


def test_what_is_chosen_keeps_to_its_limits_and_is_useful() -> None:
    limits = Limits(steps=40, products=1e5, numbers=3e3, least_steps=2, elements=50)
    found = list(sized("rnn", factors_of("rnn"), 12, limits, seed=5))
    assert len({config.id for config in found}) == 12
    assert [config.seed for config in found] == list(range(5, 17))
    for config in found:
        stack = config.directions * config.num_layers
        assert 2 <= config.steps <= 40 / stack
        states = config.batch * config.steps * stack * config.hidden_size
        assert states + config.batch * config.steps * config.input_size <= 3e3
        assert config.batch * config.steps * config.directions * config.hidden_size >= 50
    assert len({kind_of(config.hidden_size) for config in found}) >= 5


def test_the_corpus_has_the_strength_that_the_pages_state() -> None:
    found = dict(strengths(["rnn", "rnncell"]))
    single, pair_of_options, pair_of_sizes, both = found[
        "rnn, values, fp32: magnitudes with options"
    ]
    assert single == 1
    assert min(pair_of_options, pair_of_sizes) > 0.96
    assert both > 0.8
    assert found["rnn, values, fp32: options"][:3] == [1, 1, 1]
    assert found["rnn, gradients: options"][:3] == [1, 1, 1]
    # Of a cell there are not six options: NaN.
    assert not any(share > 1 for shares in found.values() for share in shares)
