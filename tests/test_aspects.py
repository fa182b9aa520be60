"""Checks beyond values fail on the fault that they are there for, and pass without one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from harness.activation import sweep_config
from harness.aspects import CALLS, INVALID, VALID
from harness.calls import _CALLS, make_call
from harness.case import Case, make_case
from harness.checks import every_check
from harness.config import Config
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.requirements import REQUIREMENTS
from harness.results import Result
from harness.strategies import configs
from tests.faulty import with_fault

SIZES = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5}
SPECIAL = Config.of(**SIZES, data="special", states=True, seed=1)
GRADIENT = Config.of(
    aspect="gradient", **SIZES, num_layers=2, bidirectional=True, states=True, data="plain"
)
PADDED = GRADIENT.replace(lengths="ragged", seed=3)
INTS = PADDED.replace(nonlinearity="relu", data="ints")
DROPPING = Config.of(
    aspect="training",
    input_size=3,
    hidden_size=24,
    batch=40,
    steps=6,
    num_layers=2,
    dropout=50,
    data="plain",
)
DEEP = DROPPING.replace(num_layers=3)
ONE_LAYER = DROPPING.replace(num_layers=1)
FRESH = Config.of(aspect="initial", hidden_size=20, input_size=20, num_layers=2, data="plain")
FILES = FRESH.replace(aspect="checkpoint")


def asked(name: str, **changes: object) -> Config:
    base = Config.of(aspect=f"call.{name}", **SIZES, states=True, data="plain")
    return base.replace(**changes)  # type: ignore[arg-type]


def judged(session: Session, config: Config, check: str) -> list[Result]:
    return [result for result in session.judge(config) if result.check == check]


def alone(fault: str | type[CorrectLayer]) -> Session:
    return Session({"x": with_fault(fault) if isinstance(fault, str) else CorrectBackend(fault)})


class OtherMode(CorrectBackend):
    """The same implementation in another mode."""

    variant_of = "complete"


class Nearly(CorrectLayer):
    def evaluate(self, x, h_0, lengths):  # type: ignore[no-untyped-def]
        output, h_n = super().evaluate(x, h_0, lengths)
        return output * (1 + 1e-4), h_n


class RefusesTwoDimensions(CorrectLayer):
    def validate(self, x, h_0, lengths):  # type: ignore[no-untyped-def]
        super().validate(x, h_0, lengths)
        if x.ndim == 2:
            raise ValueError("3-D x only")


class SwapsOnTheWay(CorrectLayer):
    """What comes from elsewhere is stored under other names; own files are consistent."""

    def load_weights(self, weights):  # type: ignore[no-untyped-def]
        super().load_weights(weights)
        self.weights["weight_hh_l0"] = self.weights["weight_hh_l0"][::-1].copy()


FAULTS = [
    ("special_values", "relu-of-nan", SPECIAL.replace(nonlinearity="relu")),
    ("special_values", "tanh-of-infinity", SPECIAL),
    ("gradient", "no-gradient-of-b-hh", GRADIENT),
    ("gradient", "h-0-detached", GRADIENT),
    ("gradient", "recurrence-of-gradients-halved", GRADIENT),
    ("gradient", "sign-of-the-x-gradient", GRADIENT),
    ("gradient", "h-n-cotangent-ignored", PADDED),
    ("gradient", "gradients-slightly-off", GRADIENT),
    ("gradient", "gradients-slightly-off", INTS),
    ("gradient", "sign-of-the-x-gradient", sweep_config("tanh", "fp32", "gradient")),
    ("gradient_padding", "nan-of-the-padding-reaches-the-weights", PADDED),
    ("gradient_padding", "padding-has-a-gradient", PADDED),
    ("gradient_padding", "padding-reaches-the-weights", PADDED),
    ("inputs_unmodified", "cotangent-written-to", GRADIENT),
    ("determinism", "gradients-accumulate", GRADIENT),
    ("determinism", "gradients-drift-by-subnormals", GRADIENT),
    ("determinism", "weights-changed-by-gradients", GRADIENT),
    ("dropout_independent", "masks-shared-by-neighbours", DROPPING),
    ("dropout_independent", "masks-shared-by-halves", DROPPING),
    ("dropout_independent", "masks-shared-by-threads", DROPPING),
    ("own_file", "file-loaded-for-show", FILES),
    ("own_file", "saving-spoils-the-layer", FILES),
    ("shape_dtype", "shorter-in-training", DROPPING),
    ("call", "drops-by-default", asked("default.dropout", num_layers=2)),
    ("call", "one-array-returned", asked("default.dropout")),
    ("call", "three-values-returned", asked("x.flat")),
    ("call", "everything-accepted", asked("x.wider")),
    ("call", "everything-accepted", asked("lengths.beyond")),
    ("call", "everything-accepted", asked("h0.swapped")),
    ("call", "two-dimensions-refused", asked("x.flat")),
    ("call", "two-dimensions-answered-wrongly", asked("x.flat")),
    ("call", "other-default-nonlinearity", asked("default.nonlinearity")),
    ("call", "other-default-nonlinearity", asked("default.every")),
    ("call_contained", "poisoned-by-errors", asked("x.wider")),
    ("call_contained", "ruined-by-a-refusal", asked("x.wider")),
    ("dropout_inert", "drops-in-evaluation", DROPPING),
    ("dropout_none", "last-layer-dropped", ONE_LAYER),
    ("dropout_none", "last-layer-dropped", ONE_LAYER.replace(dropout=90)),
    ("dropout_values", "dropout-unscaled", DROPPING),
    ("dropout_values", "dropout-unscaled", DEEP.replace(bidirectional=True)),
    ("dropout_rate", "p-halved", DROPPING),
    ("dropout_rate", "last-layer-dropped", DROPPING),
    ("dropout_rate", "masks-shared-by-layers", DEEP),
    ("dropout_independent", "masks-constant-in-time", DROPPING),
    ("dropout_independent", "masks-shared-by-rows", DROPPING),
    ("dropout_independent", "masks-the-same-every-call", DROPPING),
    ("dropout_states", "first-state-dropped", DROPPING),
    ("dropout_states", "middle-states-dropped", DEEP),
    ("dropout_states", "middle-states-of-the-layer-below", DEEP),
    ("dropout_independent", "masks-repeat-from-the-third-call", DROPPING),
    ("fresh_mode", "comes-in-evaluation-mode", DROPPING),
    ("fresh_names", "renamed", FRESH),
    ("fresh_order", "alphabetical", FRESH),
    ("fresh_distribution", "fresh-normal", FRESH),
    ("fresh_distribution", "fresh-wider", FRESH),
    ("fresh_distribution", "fresh-positive", FRESH),
    ("fresh_distribution", "fresh-equal", FRESH),
    ("fresh_distribution", "fresh-biases-cancel", FRESH),
    ("fresh_distribution", "fresh-rows-repeat", FRESH),
    ("fresh_seed", "seed-ignored", FRESH),
    ("fresh_seed", "one-seed", FRESH),
    ("fresh_side_effects", "numpy-generator-moved", FRESH),
    ("own_file", "signs-of-zero-lost", FILES),
    ("own_file", "subnormals-lost", FILES),
]


@pytest.mark.parametrize(
    ("check", "fault", "config"),
    FAULTS,
    ids=[f"{check}-{fault}-{config.id[:18]}" for check, fault, config in FAULTS],
)
def test_check_fails_on_its_fault(check: str, fault: str, config: Config) -> None:
    failed = [r for r in judged(alone(fault), config, check) if r.verdict == "fail"]
    assert failed
    right = judged(alone(CorrectLayer), config, check)
    assert right, "the check says nothing here"
    assert "pass" in {r.verdict for r in right}
    assert {r.verdict for r in right} <= {"pass", "inconclusive"}


def test_call_parity_fails_where_one_refuses() -> None:
    session = Session({"one": CorrectBackend(), "two": with_fault("two-dimensions-refused", "two")})
    (result,) = judged(session, asked("x.flat"), "call_parity")
    assert (result.backend, result.verdict, result.cause) == ("two", "fail", "differs")
    assert "two refuses (ValueError: 3-D x only)" in result.message


def test_call_parity_fails_where_answers_differ() -> None:
    session = Session(
        {"one": CorrectBackend(), "two": with_fault("two-dimensions-answered-wrongly", "two")}
    )
    (result,) = judged(session, asked("x.flat"), "call_parity")
    assert (result.verdict, result.cause) == ("fail", "disagrees")
    assert result.message == "both accept, with different answers"


def test_call_parity_passes_between_two_right_ones() -> None:
    session = Session({"one": CorrectBackend(), "two": CorrectBackend(name="two")})
    for name in ("x.flat", "h0.rows", "default.every"):
        (result,) = judged(session, asked(name), "call_parity")
        assert result.verdict == "pass", result.message


@pytest.mark.parametrize("layer", [Nearly, RefusesTwoDimensions])
def test_modes_are_compared(layer: type[CorrectLayer]) -> None:
    session = Session({"eager": CorrectBackend(), "graph": OtherMode(layer, "graph")})
    right = Session({"eager": CorrectBackend(), "graph": OtherMode(name="graph")})
    config = asked("x.flat") if layer is RefusesTwoDimensions else Config.of(**SIZES, states=True)
    assert "fail" in {result.verdict for result in judged(session, config, "modes")}
    assert {result.verdict for result in judged(right, config, "modes")} == {"pass"}


def test_weights_that_change_between_two_frameworks_are_seen() -> None:
    session = Session({"one": CorrectBackend(), "two": CorrectBackend(SwapsOnTheWay, "two")})
    right = Session({"one": CorrectBackend(), "two": CorrectBackend(name="two")})
    travelled = [r for r in session.judge(FILES) if r.check == "across" and r.backend == "complete"]
    assert {r.verdict for r in travelled} == {"fail"}
    assert {r.verdict for r in judged(right, FILES, "across")} == {"pass"}


def test_every_check_of_these_aspects_has_a_fault_that_it_fails_on() -> None:
    here = {
        check.name for check in every_check() if not check.applies(Config.of(**SIZES, data="mixed"))
    }
    about_values = {"exact_lane", "activation", "prefix", "padding_zero", "padding_ignored"}
    tested = {check for check, _, _ in FAULTS} | {"call_parity", "across", "modes", "repeated"}
    assert here - about_values <= tested


@settings(max_examples=150)
@given(configs(aspects=("gradient", "training", "initial", "checkpoint"), max_steps=8))
def test_a_right_implementation_is_not_accused(config: Config) -> None:
    results = Session({"x": CorrectBackend()}).judge(config)
    accused = [r for r in results if r.verdict in ("fail", "error")]
    assert not accused, [(r.check, r.part, r.message) for r in accused]


@settings(max_examples=150)
@given(configs(aspects=("call",)))
def test_a_strict_implementation_is_not_accused(config: Config) -> None:
    results = Session({"x": CorrectBackend()}).judge(config)
    accused = [r for r in results if r.verdict in ("fail", "error")]
    assert not accused, [(r.check, r.part, r.message) for r in accused]


def test_every_call_in_the_table_can_be_made_and_names_a_requirement() -> None:
    assert {name.removeprefix("call.") for name in CALLS} == set(_CALLS)
    for name, aspect in CALLS.items():
        assert aspect.requirement in REQUIREMENTS, name
        config = Config.of(aspect=name, **SIZES, num_layers=2, states=True, data="plain")
        call = make_call(config)
        assert call is not None, name
        if aspect.documented == VALID:
            assert call.meaning is not None, name
        if aspect.documented == INVALID:
            assert call.meaning is None, name
            assert call.empty is None, name


def guessed(aspect: str) -> Case | None:
    config = PADDED.replace(aspect=f"call.{aspect}", layout="batchfirst")
    call = make_call(config)
    assert call is not None
    return call.guess


def test_what_an_invalid_call_may_be_taken_for() -> None:
    """Lengths count for the first rows, as whole numbers from 0 to T; h_0's rows too many do not.

    Where an accepted call may mean anything else, nothing is guessed.
    """
    ordinary = make_case(PADDED.replace(aspect="values", layout="batchfirst"))
    assert ordinary.lengths is not None
    assert ordinary.h_0 is not None
    few = guessed("lengths.few")
    assert few is not None
    assert few.lengths is not None
    assert few.h_0 is not None
    assert few.lengths.tolist() == ordinary.lengths.tolist()[:5]
    assert few.config.batch == 5
    assert np.array_equal(few.h_0, ordinary.h_0[:, :5])
    rest = {name: guessed(f"lengths.{name}") for name in ("bool", "float", "beyond", "negative")}
    found = {
        name: None if case is None or case.lengths is None else case.lengths.tolist()
        for name, case in rest.items()
    }
    after = ordinary.lengths.tolist()[1:]
    assert found == {
        "bool": [1] * 6,
        "float": ordinary.lengths.tolist(),
        "beyond": [5, *after],
        "negative": [0, *after],
    }
    more = guessed("h0.rows")
    assert more is not None
    assert more.h_0 is not None
    assert np.array_equal(more.h_0, ordinary.h_0)
    nothing = ("lengths.many", "lengths.column", "h0.units", "h0.layers", "h0.onerow", "h0.double")
    assert not any(map(guessed, nothing))


def test_gradient_messages_name_the_sign() -> None:
    results = judged(alone("sign-of-the-x-gradient"), GRADIENT, "gradient")
    (signs,) = [r for r in results if r.part == "signs"]
    assert signs.requirement == "gradient-signs"
    assert "proven signs are flipped" in signs.message
    assert signs.worst is not None
    assert signs.worst.output == "gradient of x"


@settings(max_examples=60)
@given(configs(aspects=("gradient",), dtypes=("fp16", "fp32"), max_layers=2))
def test_gradients_through_relu_states_that_vanish_are_not_accused(config: Config) -> None:
    config = config.replace(nonlinearity="relu", data="mixed", scale=1)
    results = judged(alone(CorrectLayer), config, "gradient")
    assert "fail" not in {r.verdict for r in results}, config.id


def test_flushing_is_no_excuse_for_what_does_not_flush() -> None:
    (result,) = judged(alone("gradients-drift-by-subnormals"), GRADIENT, "determinism")
    assert (result.verdict, result.cause) == ("fail", "unexplained")
    assert "by no more than subnormal numbers" in result.message


def test_finite_numbers_in_the_padding_are_another_fault() -> None:
    results = judged(alone("padding-reaches-the-weights"), PADDED, "gradient_padding")
    assert {r.cause for r in results if r.verdict == "fail"} == {"unexplained"}


def test_nan_that_becomes_another_number_than_0_is_another_fault() -> None:
    class Seven(CorrectLayer):
        def activation(self, a):  # type: ignore[no-untyped-def]
            return np.where(np.isnan(a), 7.0, super().activation(a))

    relu = SPECIAL.replace(nonlinearity="relu")
    for fault, cause in (("relu-of-nan", "nan"), (Seven, "unexplained")):
        failed = [
            r
            for r in judged(alone(fault), relu, "special_values")
            if r.verdict == "fail" and r.requirement == "nan"
        ]
        assert {r.cause for r in failed} == {cause}


def test_an_invalid_call_answered_otherwise_than_known_is_another_fault() -> None:
    class Clamps(CorrectLayer):
        def validate(self, x, h_0, lengths):  # type: ignore[no-untyped-def]
            pass

        def forward(self, x, h_0, lengths):  # type: ignore[no-untyped-def]
            lengths = None if lengths is None else np.clip(lengths, 0, len(x))
            return super().forward(x, h_0, lengths)

    class Forgets(Clamps):
        def forward(self, x, h_0, lengths):  # type: ignore[no-untyped-def]
            return super().forward(x, h_0, None)

    for fault, cause in ((Clamps, "accepted"), (Forgets, "wrong")):
        (result,) = judged(alone(fault), asked("lengths.beyond"), "call")
        assert (result.verdict, result.cause) == ("fail", cause)


def test_a_broken_backend_is_no_refusal() -> None:
    class NoCall(CorrectBackend):
        def construct(self, *given, **named):  # type: ignore[no-untyped-def]
            return object.__new__(object)

    class Unreadable(CorrectLayer):
        def read_weights(self):  # type: ignore[no-untyped-def]
            raise RuntimeError("not today")

    (result, *_) = Session({"x": NoCall()}).judge(asked("x.wider"))
    assert result.verdict == "unsupported"
    (result,) = judged(alone(Unreadable), asked("x.wider"), "call")
    assert (result.verdict, result.cause) == ("error", None)
    assert "not today" in result.message


def test_what_cannot_be_looked_at_is_an_error_of_that_config() -> None:
    class Lists(CorrectLayer):
        def read_weights(self):  # type: ignore[no-untyped-def]
            return {name: array.tolist() for name, array in self.weights.items()}

    results = Session({"x": CorrectBackend(Lists)}).judge(FRESH)
    assert "error" in {r.verdict for r in results}


def test_numbers_in_the_padding_are_asked_alone_where_nan_comes_through() -> None:
    results = judged(alone("nan-of-the-padding-reaches-the-weights"), PADDED, "gradient_padding")
    found = {r.part: (r.verdict, r.cause) for r in results if "weight_ih_l0" in r.part}
    assert found == {
        "weight_ih_l0": ("fail", "padding"),
        "weight_ih_l0, finite padding": ("pass", None),
        "weight_ih_l0_reverse": ("pass", None),
        "weight_ih_l0_reverse, finite padding": ("pass", None),
    }
    results = judged(alone("padding-reaches-the-weights"), PADDED, "gradient_padding")
    assert not any("finite padding" in r.part for r in results)


def test_padding_is_the_cause_only_where_it_is() -> None:
    results = alone("nan-of-the-padding-reaches-the-weights").judge(PADDED)
    failed = [r for r in results if r.verdict == "fail"]
    assert {r.check for r in failed} == {"gradient_padding"}
    assert {r.cause for r in failed} == {"padding"}
