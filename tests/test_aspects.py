"""Checks beyond values fail on the fault that they are there for, and pass without one."""

from __future__ import annotations

import dataclasses

import complete
import numpy as np
import pytest
from complete import CompleteBackend, CompleteLayer
from hypothesis import given, settings

from harness.activation import sweep_config
from harness.aspects import CALLS, INVALID, VALID
from harness.calls import _CALLS, make_call
from harness.checks import CHECKS
from harness.config import Config
from harness.judge import Session
from harness.requirements import REQUIREMENTS
from harness.results import Result
from harness.strategies import configs

SIZES = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5}
SPECIAL = Config(**SIZES, data="special", h_0=True, seed=1)
GRADIENT = Config(
    aspect="gradient", **SIZES, num_layers=2, bidirectional=True, h_0=True, data="plain"
)
PADDED = dataclasses.replace(GRADIENT, lengths="ragged", seed=3)
INTS = dataclasses.replace(PADDED, nonlinearity="relu", data="ints")
DROPPING = Config(
    aspect="training",
    input_size=3,
    hidden_size=24,
    batch=40,
    steps=6,
    num_layers=2,
    dropout=50,
    data="plain",
)
DEEP = dataclasses.replace(DROPPING, num_layers=3)
ONE_LAYER = dataclasses.replace(DROPPING, num_layers=1)
FRESH = Config(aspect="fresh", hidden_size=20, input_size=20, num_layers=2, data="plain")
FILES = dataclasses.replace(FRESH, aspect="files")


def asked(name: str, **changes: object) -> Config:
    base = Config(aspect=f"call.{name}", **SIZES, h_0=True, data="plain")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def judged(session: Session, config: Config, check: str) -> list[Result]:
    return [result for result in session.judge(config) if result.check == check]


def alone(fault: object) -> Session:
    backend = fault() if issubclass(fault, CompleteBackend) else CompleteBackend(fault)  # type: ignore[arg-type, type-var]
    return Session({"x": backend})


C = complete
FAULTS = [
    ("special_values", C.ReluOfNan, dataclasses.replace(SPECIAL, nonlinearity="relu")),
    ("special_values", C.TanhOfInfinity, SPECIAL),
    ("gradient", C.NoBiasGradient, GRADIENT),
    ("gradient", C.DetachedState, GRADIENT),
    ("gradient", C.TruncatedInTime, GRADIENT),
    ("gradient", C.FlippedSign, GRADIENT),
    ("gradient", C.IgnoresStateCotangent, PADDED),
    ("gradient", C.SlightlyScaled, GRADIENT),
    ("gradient", C.SlightlyScaled, INTS),
    ("gradient", C.FlippedSign, sweep_config("tanh", "fp32", "gradient")),
    ("gradient_padding", C.PaddingIntoGradients, PADDED),
    ("gradient_padding", C.GradientOfPadding, PADDED),
    ("call", C.AcceptsEverything, asked("x.wider")),
    ("call", C.AcceptsEverything, asked("lengths.beyond")),
    ("call", C.AcceptsEverything, asked("h0.swapped")),
    ("call", C.RefusesTwoDimensions, asked("x.flat")),
    ("call", C.WrongForTwoDimensions, asked("x.flat")),
    ("call", C.OtherDefaults, asked("default.nonlinearity")),
    ("call", C.OtherDefaults, asked("default.every")),
    ("call_contained", C.PoisonedByErrors, asked("x.wider")),
    ("dropout_inert", C.DropsInEvaluation, DROPPING),
    ("dropout_none", C.DropsTheLastLayer, ONE_LAYER),
    ("dropout_none", C.DropsTheLastLayer, dataclasses.replace(ONE_LAYER, dropout=90)),
    ("dropout_values", C.Unscaled, DROPPING),
    ("dropout_values", C.Unscaled, dataclasses.replace(DEEP, bidirectional=True)),
    ("dropout_rate", C.HalfTheRate, DROPPING),
    ("dropout_rate", C.DropsTheLastLayer, DROPPING),
    ("dropout_rate", C.SharedByLayers, DEEP),
    ("dropout_independent", C.ConstantInTime, DROPPING),
    ("dropout_independent", C.SameForAllRows, DROPPING),
    ("dropout_independent", C.SameEveryCall, DROPPING),
    ("dropout_states", C.StatesDropped, DROPPING),
    ("fresh_mode", C.ComesInEvaluation, DROPPING),
    ("fresh_names", C.Renamed, FRESH),
    ("fresh_order", C.ReadsInOtherOrder, FRESH),
    ("fresh_distribution", C.NormalWeights, FRESH),
    ("fresh_distribution", C.WiderWeights, FRESH),
    ("fresh_distribution", C.PositiveWeights, FRESH),
    ("fresh_distribution", C.EqualWeights, FRESH),
    ("fresh_seed", C.IgnoresTheSeed, FRESH),
    ("fresh_seed", C.OneSeed, FRESH),
    ("fresh_side_effects", C.DrawsFromNumpy, FRESH),
    ("own_file", C.LosesSignsOfZero, FILES),
    ("own_file", C.LosesSubnormals, FILES),
]


@pytest.mark.parametrize(
    ("check", "fault", "config"),
    FAULTS,
    ids=[f"{check}-{fault.__name__}-{config.id[:18]}" for check, fault, config in FAULTS],
)
def test_check_fails_on_its_fault(check: str, fault: type, config: Config) -> None:
    failed = [r for r in judged(alone(fault), config, check) if r.verdict == "fail"]
    assert failed
    right = judged(alone(CompleteLayer), config, check)
    assert right, "the check says nothing here"
    assert "pass" in {r.verdict for r in right}
    assert {r.verdict for r in right} <= {"pass", "inconclusive"}


def test_call_parity_fails_where_one_refuses() -> None:
    session = Session(
        {"one": CompleteBackend(), "two": CompleteBackend(C.RefusesTwoDimensions, "two")}
    )
    (result,) = judged(session, asked("x.flat"), "call_parity")
    assert (result.backend, result.verdict, result.cause) == ("two", "fail", "differs")
    assert "two refuses (ValueError: 3-D x only)" in result.message


def test_call_parity_fails_where_answers_differ() -> None:
    session = Session(
        {"one": CompleteBackend(), "two": CompleteBackend(C.WrongForTwoDimensions, "two")}
    )
    (result,) = judged(session, asked("x.flat"), "call_parity")
    assert (result.verdict, result.cause) == ("fail", "differs")
    assert result.message == "both accept, with different answers"


def test_call_parity_passes_between_two_right_ones() -> None:
    session = Session({"one": CompleteBackend(), "two": CompleteBackend(name="two")})
    for name in ("x.flat", "h0.rows", "defaults.every".replace("defaults", "default")):
        (result,) = judged(session, asked(name), "call_parity")
        assert result.verdict == "pass", result.message


@pytest.mark.parametrize("layer", [C.OtherModeLayer, C.RefusesTwoDimensions])
def test_modes_are_compared(layer: type[CompleteLayer]) -> None:
    session = Session({"eager": CompleteBackend(), "graph": C.OtherMode(layer, "graph")})
    right = Session({"eager": CompleteBackend(), "graph": C.OtherMode(name="graph")})
    config = asked("x.flat") if layer is C.RefusesTwoDimensions else Config(**SIZES, h_0=True)
    assert "fail" in {result.verdict for result in judged(session, config, "modes")}
    assert {result.verdict for result in judged(right, config, "modes")} == {"pass"}


def test_weights_that_change_between_two_frameworks_are_seen() -> None:
    session = Session({"one": CompleteBackend(), "two": CompleteBackend(C.SwapsOnTheWay, "two")})
    right = Session({"one": CompleteBackend(), "two": CompleteBackend(name="two")})
    travelled = [r for r in session.judge(FILES) if r.check == "across" and r.backend == "complete"]
    assert {r.verdict for r in travelled} == {"fail"}
    assert {r.verdict for r in judged(right, FILES, "across")} == {"pass"}


def test_every_check_of_these_aspects_has_a_fault_that_it_fails_on() -> None:
    here = {check.name for check in CHECKS if not check.applies(Config(**SIZES, data="mixed"))}
    about_values = {"exact_lane", "activation", "prefix", "padding_zero", "padding_ignored"}
    tested = {check for check, _, _ in FAULTS} | {"call_parity", "across", "modes"}
    assert here - about_values <= tested


@settings(max_examples=150)
@given(configs(aspects=("gradient", "training", "fresh", "files"), max_steps=8))
def test_a_right_implementation_is_not_accused(config: Config) -> None:
    results = Session({"x": complete.complete}).judge(config)
    accused = [r for r in results if r.verdict in ("fail", "error")]
    assert not accused, [(r.check, r.part, r.message) for r in accused]


@settings(max_examples=150)
@given(configs(aspects=("call",)))
def test_a_strict_implementation_is_not_accused(config: Config) -> None:
    results = Session({"x": complete.complete}).judge(config)
    accused = [r for r in results if r.verdict in ("fail", "error")]
    assert not accused, [(r.check, r.part, r.message) for r in accused]


def test_every_call_in_the_table_can_be_made_and_names_a_requirement() -> None:
    assert {name.removeprefix("call.") for name in CALLS} == set(_CALLS)
    for name, aspect in CALLS.items():
        assert aspect.requirement in REQUIREMENTS, name
        config = Config(aspect=name, **SIZES, num_layers=2, h_0=True, data="plain")
        call = make_call(config)
        assert call is not None, name
        if aspect.documented == VALID:
            assert call.meaning is not None, name
        if aspect.documented == INVALID:
            assert call.meaning is None, name
            assert call.empty is None, name


def test_gradient_messages_name_the_sign() -> None:
    results = judged(alone(C.FlippedSign), GRADIENT, "gradient")
    (signs,) = [r for r in results if r.part == "signs"]
    assert signs.requirement == "gradient-signs"
    assert "proven signs are flipped" in signs.message
    assert signs.worst is not None
    assert signs.worst.output == "gradient of x"


def test_a_shared_mask_is_called_that() -> None:
    failed = [
        r for r in judged(alone(C.SharedByLayers), DEEP, "dropout_rate") if r.verdict == "fail"
    ]
    assert {r.cause for r in failed} == {"shared"}
    other = judged(alone(C.HalfTheRate), DEEP, "dropout_rate")
    assert {r.cause for r in other} == {"unexplained"}


def test_padding_is_the_cause_only_where_it_is() -> None:
    results = Session({"x": CompleteBackend(C.PaddingIntoGradients)}).judge(PADDED)
    failed = [r for r in results if r.verdict == "fail"]
    assert {r.check for r in failed} == {"gradient_padding"}
    assert {r.cause for r in failed} == {"padding"}
    assert all(np.isfinite(r.failing) for r in failed)
