"""Config ids: they round-trip, select with pytest -k, and say what is wrong with a bad one."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.config
from harness.aspects import ASPECTS, CALL, LIFE
from harness.config import (
    COTANGENTS,
    DTYPES,
    LAYOUTS,
    LENGTHS,
    MEMORIES,
    MODES,
    ONE_STATE,
    SIZES,
    Config,
    ConfigError,
)
from harness.corpus import SAMPLE, load_corpus
from harness.layers import LAYERS, Option, registered
from harness.strategies import configs

PINNED = {config.id for config in (*load_corpus(), *load_corpus(SAMPLE))}


@given(configs(max_steps=99_999))
def test_id_round_trips(config: Config) -> None:
    assert Config.parse(config.id) == config
    assert re.fullmatch("[a-z0-9.-]+", config.id)


@given(configs())
def test_an_id_starts_with_the_layer_and_leaves_defaults_out(config: Config) -> None:
    default = Config.of(config.layer)
    assert config.id == "-".join(word for word, stands in config.words.values() if stands)
    assert config.id.partition("-")[0] == config.layer
    for name, (_, stands) in config.words.items():
        if config.life and name == "aspect":  # which the life says
            assert not stands
            continue
        always = name in ("layer", "seed", *SIZES)
        assert stands == (always or getattr(config, name) != getattr(default, name)), name


def test_nothing_but_sizes_and_seed_stands_in_the_id_of_a_default_config() -> None:
    assert Config.of("rnn").id == "rnn-i00001-h00001-b00001-t00001-s000000"
    gradient = Config.of("rnn", aspect="gradient", data="plain", scale=1, lengths="ragged")
    assert gradient.id == "rnn-gradient-ragged-plain-i00001-h00001-b00001-t00001-s000000"


@pytest.fixture
def _any_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.config, "MOST_NUMBERS", 10**40)


MANY = (1, 9, 10, 999, 12_345, 65_535, 99_999, 100_000, 654_321, 999_999, 10**6, 10**12, 10**17)


KNOWN = ", ".join(LAYERS)


def tokens(layer: str) -> set[str]:
    """Every word of every field of a layer's configs; of sizes some of each number of digits."""
    record = LAYERS[layer]
    values: dict[str, Any] = {
        "layout": LAYOUTS,
        "lengths": LENGTHS,
        "dtype": DTYPES,
        "memory": MEMORIES,
        **dict.fromkeys(("bidirectional", "bias", "states"), (True, False)),
        "dropout": range(100),
        "mode": MODES,
        "cotangents": (*COTANGENTS, *ONE_STATE),
        "scale": range(1, 17),
        "num_layers": (*range(1, 101), 12_345),
        **dict.fromkeys((*SIZES, "seed"), MANY),
        **{option.name: option.words for option in record.options},
    }
    fitting = {option.name for option in record.options if option.fits is not None}
    found = {layer, *(kind.name for kind in record.data), *ASPECTS} - {LIFE}
    found |= {f"{CALL}{name}" for name in record.calls}
    for name, these in values.items():
        for value in these:
            changed = {"layout": "timefirst", "lengths": "nolengths", "steps": 2, name: value}
            if name in fitting:
                changed["hidden_size"] = 9
            if name in ("mode", "cotangents"):
                changed["aspect"] = "gradient"
            if value in ONE_STATE and len(record.cell(Config.of(layer)).states) == 1:
                continue
            if record.single_step and (name in record.fixed or value == "batchfirst"):
                continue  # which it cannot choose
            found.add(Config.of(layer, **{**changed, **record.fixed}).words[name][0])
    return found


@pytest.mark.usefixtures("_any_memory")
def test_no_token_is_contained_in_another() -> None:
    """So that `pytest -k token` selects exactly the configs that carry the token.

    But for a cell's name: `-k "gru and not cell"` leaves GRUCell out.
    """
    every = {token for config_id in PINNED for token in config_id.split("-")}
    every = every.union(*map(tokens, LAYERS))
    assert [token for token in every if not re.fullmatch("[a-z0-9.]+", token)] == []
    cells = {(name.removesuffix("cell"), name) for name, one in LAYERS.items() if one.single_step}
    contained = {(a, b) for a, b in itertools.permutations(every, 2) if a in b}
    assert contained == cells


@pytest.mark.usefixtures("_any_memory")
@given(
    one=st.sampled_from((*SIZES, "seed", "num_layers")),
    other=st.sampled_from((*SIZES, "seed", "num_layers")),
    numbers=st.tuples(st.integers(1, 10**18 - 1), st.integers(1, 10**18 - 1)),
)
def test_tokens_of_two_numbers_do_not_contain_each_other(
    one: str, other: str, numbers: tuple[int, int]
) -> None:
    def word(name: str, value: Any) -> str:
        return str(Config.of(**{name: value}).words[name][0])

    a, b = map(word, (one, other), numbers)
    assert a == b or (a not in b and b not in a)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [65_535, 100_000, 1_048_576])
def test_sizes_are_limited_by_memory_alone(name: str, value: int) -> None:
    size: dict[str, Any] = {name: value}
    if name == "hidden_size":  # of which the weights are the square
        with pytest.raises(ConfigError, match="too large, expected at most 33,554,432 numbers"):
            Config.of(**size)
        size = {name: 4_000}
    config = Config.of(**size)
    assert Config.parse(config.id) == config
    assert getattr(Config.parse(config.id), name) == size[name]


@given(configs())
def test_the_size_of_a_config_is_that_of_its_arrays(config: Config) -> None:
    weights = sum(math.prod(shape) for shape in config.parameter_shapes().values())
    states = config.num_layers * config.directions * config.hidden_size
    assert config.numbers == weights + config.steps * config.batch * (config.input_size + states)


@given(configs())
def test_an_option_added_later_changes_no_id(config: Config) -> None:
    record = LAYERS[config.layer]
    later = Option("peephole", {False: "nopeephole", True: "peephole"}, False)
    for options in ((*record.options, later), (later, *record.options)):
        wider = dataclasses.replace(record, name="wider", options=options)
        with registered(wider):
            same = Config.of("wider", **fields_of(config))
            assert same.id.replace("wider", config.layer, 1) == config.id
            assert fields_of(Config.parse.__wrapped__(Config, same.id)) == {
                **fields_of(config),
                "peephole": False,
            }
            other = same.replace(peephole=True)
            assert set(other.id.split("-")) - set(same.id.split("-")) == {"peephole"}


def fields_of(config: Config) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.words if name != "layer"}


IDS = Path(__file__).with_name("data") / "ids_of_0_4.txt"
"""The ids of the corpus of version 0.4.0, and what they are today."""


def id_of_0_4(config: Config) -> str:
    """As version 0.4.0 wrote it: all fields, in a fixed order."""
    words = {
        "emptyrows": "empties",
        "fulllengths": "alllens",
        "nolengths": "nolens",
        "initial": "fresh",
        "checkpoint": "files",
        "repeated": "steady",
    }
    asked = words.get(config.aspect, config.aspect)
    tokens = (
        *([] if asked == "values" else [asked]),
        config.nonlinearity,
        f"l{config.num_layers}",
        "bidir" if config.bidirectional else "unidir",
        "biased" if config.bias else "biasless",
        config.layout,
        f"drop{config.dropout:02}",
        "withh0" if config.states else "noh0",
        words.get(config.lengths, config.lengths),
        config.dtype,
        f"i{config.input_size:03}-h{config.hidden_size:03}-b{config.batch:05}",
        f"t{config.steps:04}-w{config.scale:02}-{config.data}-s{config.seed:06}",
    )
    return "-".join(tokens)


def test_what_version_0_4_pinned_stays_pinned() -> None:
    pairs = [line.split() for line in IDS.read_text("utf-8").splitlines()]
    assert len({old for old, _ in pairs}) == len({new for _, new in pairs}) == len(pairs) == 1079
    for old, new in pairs:
        assert id_of_0_4(Config.parse(new)) == old
    assert [new for _, new in pairs if new not in PINNED] == []


DEFAULT = Config.of().id


@pytest.mark.parametrize(
    ("config_id", "message"),
    [
        ("", f"begins with '', expected a layer: {KNOWN}"),
        ("tanh-l02", f"begins with 'tanh', expected a layer: {KNOWN}"),
        (DEFAULT.upper(), f"expected {DEFAULT}"),
        (f"rnn-gelu{DEFAULT[3:]}", "token 'gelu' is none of a layer rnn; did you mean 'relu'?"),
        ("rnn-tanh" + DEFAULT[3:], f"expected {DEFAULT}"),
        ("rnn-bidri" + DEFAULT[3:], "token 'bidri' is none of a layer rnn; did you mean 'bidir'?"),
        ("rnn-bidir-unidir" + DEFAULT[3:], "'unidir' says bidirectional a second time"),
        (
            "lsmt" + DEFAULT[3:],
            "expected a layer: gru, grucell, lstm, lstmcell, rnn, rnncell; did ",
        ),
        (DEFAULT.replace("t00001", "t1"), f"expected {DEFAULT}"),
        (DEFAULT.replace("t00001", "t6.12345"), "token 't6.12345' is none of a layer rnn"),
        (DEFAULT.replace("t00001", "t5.12345"), "token 't5.12345' is none of a layer rnn"),
        (DEFAULT.replace("i00001", "i19.1" + "0" * 18), "is none of a layer rnn"),
        (DEFAULT.replace("i00001", "i5000." + "9" * 5000), "is none of a layer rnn"),
        (DEFAULT.replace("i00001", "i٠٠٠٠١"), "is none of a layer rnn"),
        (DEFAULT.replace("i00001", "i00000"), "input_size = 0, expected an integer from 1"),
        (DEFAULT.replace("rnn", "rnn-l00"), "num_layers = 0, expected an integer from 1"),
        (DEFAULT.replace("rnn", "rnn-scale17"), "scale = 17, expected an integer in 1..16"),
        (DEFAULT.replace("rnn", "rnn-l01"), f"expected {DEFAULT}"),
        (DEFAULT.replace("rnn", "rnn-l02-relu"), "expected rnn-relu-l02-"),
        (DEFAULT + "\n", f"expected {DEFAULT}"),
        (DEFAULT.removesuffix("-s000000"), f"expected {DEFAULT}"),
    ],
)
def test_malformed_ids_say_what_was_expected(config_id: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Config.parse(config_id)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layer": "cnn"}, f"layer = 'cnn', expected one of {KNOWN}"),
        ({"proj_size": 3}, "proj_size = 3, expected no such option of a layer rnn"),
        ({"nonlinearity": "gelu"}, "nonlinearity = 'gelu', expected one of 'tanh', 'relu'"),
        ({"layout": "unbatched", "batch": 2}, "expected batch = 1"),
        ({"layout": "unbatched", "lengths": "ragged"}, "expected no lengths"),
        ({"data": "ints"}, "expected nonlinearity = 'relu'"),
        ({"data": "ints", "nonlinearity": "relu", "scale": 2}, "expected scale = 1"),
        ({"input_size": 999, "batch": 65536, "steps": 999}, "too large, expected at most"),
        ({"data": "page"}, "expected aspect values, input_size 2, hidden_size 3"),
        ({"data": "sweep"}, "expected batch 65536"),
        ({"data": "spam"}, "data = 'spam', expected"),
        ({"num_layers": True}, "num_layers = True, expected an integer"),
        ({"bias": 1}, "bias = 1, expected one of True, False"),
        ({"dtype": "fp8"}, "dtype = 'fp8', expected one of 'fp32', 'fp16', 'fp64', 'bf16'"),
        ({"aspect": "backward"}, "aspect = 'backward', expected one of 'values', 'gradient'"),
        ({"aspect": "call.x.flat"}, "expected data = 'plain' and dtype = 'fp32'"),
        (
            {"aspect": "call.x.flat", "data": "plain", "layout": "unbatched"},
            "expected layout timefirst or batchfirst",
        ),
        ({"aspect": "gradient", "data": "special"}, "aspect gradient, expected data = 'plain' or"),
        ({"aspect": "initial"}, "aspect initial, expected data = 'plain'"),
        (
            {"aspect": "training", "data": "plain", "lengths": "emptyrows"}
            | {"num_layers": 2, "dropout": 50},
            "expected no empty rows where anything is dropped",
        ),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Config.of(**fields)


def test_of_many_words_the_nearest_is_said() -> None:
    """A hundred would be cut off before it; of a few all are said."""
    with pytest.raises(ConfigError) as caught:
        Config.of(aspect="call.lengths.beyont", data="plain")
    assert str(caught.value).endswith("words; did you mean 'call.lengths.beyond'?")
    with pytest.raises(ConfigError, match="expected one of 'nolengths', "):
        Config.of(lengths="raged")
