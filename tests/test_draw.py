"""Drawing and shrinking configs."""

from __future__ import annotations

import dataclasses

from harness.config import Config
from harness.draw import draw_configs, shrink_config
from harness.strategies import configs


def test_draws_as_many_different_configs_as_asked_for() -> None:
    drawn = draw_configs(configs(), 300, seed=1)
    assert len({config.id for config in drawn}) == 300


def test_the_same_seed_draws_the_same_configs() -> None:
    assert draw_configs(configs(), 50, seed=4) == draw_configs(configs(), 50, seed=4)
    assert draw_configs(configs(), 50, seed=4) != draw_configs(configs(), 50, seed=5)


def test_every_option_value_is_drawn() -> None:
    drawn = draw_configs(configs(), 900, seed=2)
    for name, values in {
        "nonlinearity": {"tanh", "relu"},
        "num_layers": {1, 2, 3},
        "bidirectional": {True, False},
        "bias": {True, False},
        "layout": {"timefirst", "batchfirst", "unbatched"},
        "dropout": {0, 1, 10, 25, 50, 75, 90, 99},
        "h_0": {True, False},
        "lengths": {"nolens", "alllens", "ragged", "empties"},
        "dtype": {"fp32", "fp16", "fp64", "bf16"},
        "scale": {1, 2, 4, 8, 16},
        "data": {"mixed", "ints", "plain", "special"},
    }.items():
        assert {getattr(config, name) for config in drawn} == values, name
    assert any(config.steps > 50 for config in drawn)
    assert any(config.input_size == config.hidden_size for config in drawn)


def test_shrinks_to_the_smallest_config_that_shows_it() -> None:
    def shows(config: Config) -> bool:
        return config.bidirectional and config.batch >= 3

    drawn = draw_configs(configs(), 100, seed=3)
    judged = {config.id for config in drawn}
    showing = {config.id for config in drawn if shows(config)}
    smallest = shrink_config(configs(), 100, 3, showing, judged, shows, budget=500)
    assert smallest == dataclasses.replace(Config(), bidirectional=True, bias=False, batch=3)


def test_shrinking_keeps_to_its_budget() -> None:
    asked = []

    def shows(config: Config) -> bool:
        asked.append(config.id)
        return config.batch >= 3

    drawn = draw_configs(configs(), 100, seed=3)
    judged = {config.id for config in drawn}
    showing = {config.id for config in drawn if config.batch >= 3}
    smallest = shrink_config(configs(), 100, 3, showing, judged, shows, budget=7)
    assert len(asked) <= 7
    assert smallest is not None
    assert smallest.batch >= 3


def test_nothing_to_shrink_gives_nothing() -> None:
    drawn = draw_configs(configs(), 20, seed=3)
    judged = {config.id for config in drawn}
    assert shrink_config(configs(), 20, 3, set(), judged, lambda _: False, budget=5) is None
