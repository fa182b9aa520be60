"""Drawing configs."""

from __future__ import annotations

import json
import subprocess
import sys

from harness.config import LENGTHS, MEMORIES
from harness.strategies import configs, draw_configs


def test_draws_as_many_different_configs_as_asked_for() -> None:
    drawn = draw_configs(configs(), 300, seed=1)
    assert len({config.id for config in drawn}) == 300


def test_the_same_seed_draws_the_same_configs() -> None:
    assert draw_configs(configs(), 50, seed=4) == draw_configs(configs(), 50, seed=4)
    assert draw_configs(configs(), 50, seed=4) != draw_configs(configs(), 50, seed=5)


def test_the_same_seed_draws_the_same_configs_whatever_is_loaded() -> None:
    """From the command line and from Python: the modules of a program are none of a seed's."""
    program = (
        "import sys, json; {}\n"
        "from harness.strategies import configs, draw_configs\n"
        "print(json.dumps([c.id for c in draw_configs(configs(), 60, 4)]))"
    )
    loaded = ("", "import harness.cli, harness.build_corpus.covering")
    answers = [
        subprocess.run(
            [sys.executable, "-c", program.format(what)], capture_output=True, text=True, check=True
        ).stdout
        for what in loaded
    ]
    here = [config.id for config in draw_configs(configs(), 60, seed=4)]
    assert json.loads(answers[0]) == json.loads(answers[1]) == here


def test_every_option_value_is_drawn() -> None:
    drawn = draw_configs(configs(layers=("rnn",)), 900, seed=2)
    for name, values in {
        "nonlinearity": {"tanh", "relu"},
        "num_layers": {1, 2, 3},
        "bidirectional": {True, False},
        "bias": {True, False},
        "layout": {"timefirst", "batchfirst", "unbatched"},
        "dropout": {0, 1, 10, 25, 50, 75, 90, 99},
        "states": {True, False},
        "lengths": set(LENGTHS),
        "memory": set(MEMORIES),
        "dtype": {"fp32", "fp16", "fp64", "bf16"},
        "scale": {1, 2, 4, 8, 16},
        "data": {"mixed", "ints", "plain", "special", "lone", "missing", "strewn"},
        "mode": {"evaluation", "training"},
        "cotangents": {"all", "output", "final", "zero", "sparse", "large"},
    }.items():
        assert {getattr(config, name) for config in drawn} == values, name
    assert any(config.drops for config in drawn)
    assert any(config.aspect == "gradient" and config.data == "missing" for config in drawn)
    assert any(config.steps > 50 for config in drawn)
    assert any(config.input_size == config.hidden_size for config in drawn)
