"""Checks beyond values: what two implementations show, and what accuses nobody.

That each fails on a fault that it alone sees is asked in `test_faults`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.aspects import Documented
from harness.calls import make_call
from harness.case import Case, make_case
from harness.config import Config, LayerOptions
from harness.faults.arrays import without_lengths
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.layers import LAYERS
from harness.requirements import REQUIREMENTS
from harness.results import Result
from harness.strategies import configs
from tests.faulty import with_fault

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 6, "steps": 5}
GRADIENT = Config.of(
    aspect="gradient", **SIZES, num_layers=2, bidirectional=True, states=True, data="plain"
)
PADDED = GRADIENT.replace(lengths="ragged", seed=3)
INITIAL = Config.of(aspect="initial", hidden_size=20, input_size=20, num_layers=2, data="plain")


def asked(name: str, **changes: Any) -> Config:
    fields = {**SIZES, "states": True, "data": "plain", **changes}
    return Config.of(aspect=f"call.{name}", **fields)


def judged(session: Session, config: Config, check: str) -> list[Result]:
    return [result for result in session.judge(config) if result.check == check]


def alone(fault: str | type[CorrectLayer]) -> Session:
    return Session({"x": with_fault(fault) if isinstance(fault, str) else CorrectBackend(fault)})


def test_call_parity_fails_where_one_refuses_or_answers_differently() -> None:
    for fault, cause, message in (
        ("two-dimensions-refused", "differs", "two refuses (ValueError: 3-D x only)"),
        ("two-dimensions-answered-wrongly", "disagrees", "both accept, with different answers"),
    ):
        session = Session({"one": CorrectBackend(), "two": with_fault(fault, "two")})
        (result,) = judged(session, asked("x.flat"), "call_parity")
        assert (result.backend, result.verdict, result.cause) == ("two", "fail", cause)
        assert message in result.message


@pytest.mark.parametrize(
    ("fault", "config"),
    [
        ("output-off-by-2-15", Config.of(**SIZES, states=True)),
        ("two-dimensions-refused", asked("x.flat")),
    ],
)
def test_modes_are_compared(fault: str, config: Config) -> None:
    def verdicts(graph: Any) -> set[str]:
        graph.variant_of = "complete"
        session = Session({"eager": CorrectBackend(), "graph": graph})
        return {result.verdict for result in judged(session, config, "modes")}

    assert "fail" in verdicts(with_fault(fault, "graph"))
    assert verdicts(CorrectBackend(name="graph")) == {"pass"}


def test_weights_that_change_between_two_frameworks_are_seen() -> None:
    class SwapsOnTheWay(CorrectLayer):
        """What comes from elsewhere is stored under other names; own files are consistent."""

        def load_weights(self, weights: Any) -> None:
            super().load_weights(weights)
            self.weights["weight_hh_l0"] = self.weights["weight_hh_l0"][::-1].copy()

    def across(layer: type[CorrectLayer]) -> set[tuple[str, str]]:
        session = Session({"one": CorrectBackend(), "two": CorrectBackend(layer, "two")})
        results = judged(session, INITIAL.replace(aspect="checkpoint"), "checkpoint_across")
        return {(r.backend, r.verdict) for r in results}

    assert ("complete", "fail") in (found := across(SwapsOnTheWay))
    assert ("complete", "pass") not in found
    assert across(CorrectLayer) == {("complete", "pass"), ("two", "pass")}


@pytest.mark.parametrize(
    "drawn",
    [
        configs(aspects=("gradient", "training", "initial", "checkpoint"), max_steps=8),
        configs(aspects=("call",)),
    ],
    ids=["aspects", "calls"],
)
@settings(max_examples=150)
@given(data=st.data())
def test_a_right_implementation_is_not_accused(drawn: Any, data: st.DataObject) -> None:
    results = Session({"x": CorrectBackend()}).judge(data.draw(drawn))
    accused = [r for r in results if r.verdict in ("fail", "error")]
    assert not accused, [(r.replay, r.check, r.part, r.message) for r in accused]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_call_in_the_table_can_be_made_and_names_a_requirement(layer: str) -> None:
    for name, (aspect, _) in LAYERS[layer].calls.items():
        assert aspect.requirement in REQUIREMENTS, name
        options = {"layer": layer, "num_layers": 2, **LAYERS[layer].fixed}
        call = make_call(asked(name, **options))
        assert call is not None, name
        if aspect.documented == Documented.VALID:
            assert call.meaning is not None, name
        if aspect.documented == Documented.INVALID:
            assert call.meaning is None, name
            assert call.empty is None, name


def guessed(aspect: str) -> Case | None:
    call = make_call(PADDED.replace(aspect=f"call.{aspect}", layout="batchfirst"))
    assert call is not None
    return call.guess


def test_what_an_invalid_call_may_be_taken_for() -> None:
    """Lengths count for the first rows, as whole numbers from 0 to T; h_0's rows too many do not.

    Where an accepted call may mean anything else, nothing is guessed.
    """
    ordinary = make_case(PADDED.replace(aspect="values", layout="batchfirst"))
    lengths, h_0 = ordinary.inputs["lengths"].tolist(), ordinary.inputs["h_0"]
    found = {
        name: None if case is None else case.inputs["lengths"].tolist()
        for name in ("few", "bool", "float", "beyond", "negative", "many", "column")
        for case in [guessed(f"lengths.{name}")]
    }
    assert found == {
        "few": lengths[:5],
        "bool": [1] * 6,
        "float": lengths,
        "beyond": [5, *lengths[1:]],
        "negative": [0, *lengths[1:]],
        "many": None,
        "column": None,
    }
    alone = make_call(asked("lengths.few", batch=1))
    assert alone is not None
    assert alone.guess is None
    few, more = guessed("lengths.few"), guessed("h0.rows")
    assert few is not None
    assert few.config.batch == 5
    assert np.array_equal(few.inputs["h_0"], h_0[:, :5])
    assert more is not None
    assert np.array_equal(more.inputs["h_0"], h_0)
    assert not any(guessed(f"h0.{name}") for name in ("units", "layers", "onerow", "double"))


@settings(max_examples=60)
@given(configs(layers=("rnn",), aspects=("gradient",), dtypes=("fp16", "fp32"), max_layers=2))
def test_gradients_through_relu_states_that_vanish_are_not_accused(config: Config) -> None:
    config = config.replace(nonlinearity="relu", data="mixed", scale=1, mode="evaluation")
    results = judged(alone(CorrectLayer), config, "gradient")
    assert "fail" not in {r.verdict for r in results}, config.id


def test_an_invalid_call_answered_otherwise_than_known_is_another_fault() -> None:
    class Clamps(CorrectLayer):
        def validate(self, given: Any) -> None:
            pass

        def forward(self, inputs: Any) -> Any:
            given = dict(inputs)
            if "lengths" in given:
                given["lengths"] = np.clip(given["lengths"], 0, SIZES["steps"])
            return super().forward(given)

    class Forgets(Clamps):
        def forward(self, inputs: Any) -> Any:
            return CorrectLayer.forward(self, without_lengths(inputs))

    for fault, cause in ((Clamps, "accepted"), (Forgets, "wrong")):
        (result,) = judged(alone(fault), asked("lengths.beyond"), "call")
        assert (result.verdict, result.cause) == ("fail", cause)


def test_a_broken_backend_is_no_refusal() -> None:
    class NoCall(CorrectBackend):
        def construct(self, *given: Any, **named: Any) -> Any:
            return object()

    class Unreadable(CorrectLayer):
        def read_weights(self) -> Any:
            raise RuntimeError("not today")

    (result, *_) = Session({"x": NoCall()}).judge(asked("x.wider"))
    assert result.verdict == "unsupported"
    (result,) = judged(alone(Unreadable), asked("x.wider"), "call")
    assert (result.verdict, result.cause) == ("error", None)
    assert "not today" in result.message


class NoBiases(CorrectBackend):
    """Neither layers without biases, nor stacks, nor lengths, nor float64, nor 2-D x."""

    def unsupported(self, config: Config) -> str | None:
        plain = config.bias and config.num_layers == 1 and config.lengths == "nolengths"
        return (
            None
            if plain and config.dtype == "fp32" and config.layout != "unbatched"
            else "documented"
        )

    def validate(self, options: LayerOptions) -> None:
        super().validate(options)
        if not options.bias or options.num_layers > 1:
            raise NotImplementedError("not done")

    def construct(self, *given: Any, **named: Any) -> Any:
        layer = super().construct(*given, **named)
        call = layer.call

        def plain(inputs: Any, named: Any) -> Any:
            if len(inputs) > 2 or inputs[0].ndim == 2 or inputs[0].dtype != np.float32:
                raise NotImplementedError("not done")
            return call(inputs, named)

        layer.call = plain  # type: ignore[method-assign]
        return layer


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("order.positional", {"bias": False}),
        ("default.directions", {"bias": False}),
        ("input.nought", {"num_layers": 2}),
        ("keyword.hx", {"num_layers": 3}),
        ("lengths.list", {}),
        ("lengths.negative", {}),
        ("h0.rows", {"lengths": "ragged"}),
    ],
)
def test_a_call_is_not_asked_where_the_ordinary_one_is_documented_as_not_done(
    name: str, changes: dict[str, Any]
) -> None:
    with Session({"x": NoBiases()}) as session:
        results = session.judge(asked(name, **changes))
    assert {(r.verdict, r.message) for r in results} == {("unsupported", "documented")}


@pytest.mark.parametrize(
    ("name", "changes", "verdict"),
    [
        ("default.bias", {"bias": False}, "pass"),  # left out it means True
        ("x.rank1", {"lengths": "ragged"}, "unsupported"),  # lengths are given, too
        ("layers.float", {}, "pass"),
        ("x.flat", {}, "fail"),  # torch's documentation has it, whatever this one's says
        ("x.double", {}, "pass"),
    ],
)
def test_what_a_call_changes_is_asked_also_where_it_is_documented_as_not_done(
    name: str, changes: dict[str, Any], verdict: str
) -> None:
    (result,) = judged(Session({"x": NoBiases()}), asked(name, **changes), "call")
    assert result.verdict == verdict


def test_what_cannot_be_looked_at_is_an_error_of_that_config() -> None:
    class Lists(CorrectLayer):
        def read_weights(self) -> Any:
            return {name: array.tolist() for name, array in self.weights.items()}

    assert "error" in {r.verdict for r in alone(Lists).judge(INITIAL)}


def test_numbers_in_the_padding_are_asked_alone_where_nan_comes_through() -> None:
    results = alone("nan-of-the-padding-reaches-the-weights").judge(PADDED)
    failed = {(r.check, r.cause) for r in results if r.verdict == "fail"}
    assert failed == {("gradient_padding", "padding")}
    found = {
        r.part: (r.verdict, r.cause)
        for r in results
        if r.check == "gradient_padding" and "weight_ih_l0" in r.part
    }
    assert found == {
        "weight_ih_l0": ("fail", "padding"),
        "weight_ih_l0, finite padding": ("pass", None),
        "weight_ih_l0_reverse": ("pass", None),
        "weight_ih_l0_reverse, finite padding": ("pass", None),
    }
