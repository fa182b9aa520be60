"""Config ids: they round-trip, select with pytest -k, and say what is wrong with a bad one."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given

from harness.config import _TOKENS, Config, ConfigError
from harness.corpus import SAMPLE, load_corpus
from harness.strategies import configs


@given(configs(max_steps=9999))
def test_id_round_trips(config: Config) -> None:
    assert Config.parse(config.id) == config
    assert re.fullmatch("[a-z0-9.-]+", config.id)


def test_an_id_without_an_aspect_is_about_values() -> None:
    config = Config.of(aspect="gradient", data="plain")
    assert config.id == "gradient-" + Config.of(data="plain").id
    assert Config.parse(config.id.removeprefix("gradient-")).aspect == "forward"


def test_no_token_is_contained_in_another() -> None:
    """So that `pytest -k token` selects exactly the configs that carry the token."""
    tokens = {token for config in load_corpus() for token in config.id.split("-")}
    tokens |= {token for config in load_corpus(SAMPLE) for token in config.id.split("-")}
    tokens |= {w for t in _TOKENS.values() for w in t.example.split(" or ") if t.kind is not int}
    contained = [(a, b) for a, b in itertools.permutations(tokens, 2) if a in b]
    assert contained == []


@pytest.mark.parametrize(
    ("config_id", "message"),
    [
        ("", "has 1 tokens, expected 16"),
        ("tanh-l2", "has 2 tokens, expected 16 joined by '-', for example tanh-l1-"),
        (
            Config.of().id.replace("tanh", "gelu"),
            "token 'gelu', expected nonlinearity as tanh or relu",
        ),
        (Config.of().id.replace("t0001", "t1"), "token 't1', expected steps as t0001 to t9999"),
        (Config.of().id.replace("l1", "l0"), "num_layers = 0, expected an integer in 1..9"),
        (Config.of().id.replace("w01", "w17"), "scale = 17, expected an integer in 1..16"),
        (Config.of().id.upper(), "token 'TANH', expected nonlinearity"),
        (Config.of().id + "\n", "expected seed as s000000 to s999999"),
        (Config.of().id.replace("i001", "i٠٠١"), "expected input_size"),
    ],
)
def test_malformed_ids_say_what_was_expected(config_id: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Config.parse(config_id)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"layout": "unbatched", "batch": 2}, "expected batch = 1"),
        ({"layout": "unbatched", "lengths": "ragged"}, "expected lengths = 'nolens'"),
        ({"data": "ints"}, "expected nonlinearity = 'relu'"),
        ({"data": "ints", "nonlinearity": "relu", "scale": 2}, "expected scale = 1"),
        ({"input_size": 999, "batch": 65536, "steps": 999}, "too large, expected at most"),
        ({"data": "page"}, "expected input_size 2, hidden_size 3"),
        ({"data": "sweep"}, "expected batch 65536"),
        ({"num_layers": True}, "num_layers = True, expected an integer"),
        ({"bias": 1}, "bias = 1, expected one of True, False"),
        ({"dtype": "fp8"}, "dtype = 'fp8', expected one of 'fp32', 'fp16', 'fp64', 'bf16'"),
        ({"aspect": "backward"}, "aspect = 'backward', expected one of 'forward', 'gradient'"),
        ({"aspect": "call.x.flat"}, "expected data = 'plain' and dtype = 'fp32'"),
        (
            {"aspect": "call.x.flat", "data": "plain", "layout": "unbatched"},
            "expected layout timefirst or batchfirst",
        ),
        ({"aspect": "gradient", "data": "special"}, "expected data = 'plain', 'mixed', 'ints'"),
        ({"aspect": "initial"}, "aspects training, fresh and files make their own numbers"),
        (
            {"aspect": "training", "data": "plain", "lengths": "ragged"}
            | {"num_layers": 2, "dropout": 50},
            "expected lengths = 'nolens' or 'alllens'",
        ),
    ],
)
def test_contradictions_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Config.of(**values)  # type: ignore[arg-type]
