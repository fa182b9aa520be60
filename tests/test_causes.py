"""Causes are established: an excuse forgives exactly its cause, and nothing beside it."""

from __future__ import annotations

import itertools
from typing import Any, cast

import numpy as np
import pytest

from harness.activation import BESIDE, OwnActivation, measure_activation
from harness.backends import load_backend
from harness.backends.protocol import Backend
from harness.case import make_case
from harness.causes import Cause
from harness.checks.forward_error import forward_error
from harness.checks.step_residual import step_residual
from harness.config import Config
from harness.environment import describe
from harness.expectations import expectations_of
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend
from harness.judge import Session
from harness.results import Result
from harness.runners import InProcess, Isolated
from reference import FORMATS
from tests.faulty import ForwardBackend, ForwardLayer, backend, with_fault
from tests.synthetic import evidence_of

CONFIG = Config.of(
    input_size=3,
    hidden_size=4,
    batch=6,
    steps=5,
    states=True,
    scale=4,
    num_layers=2,
    lengths="ragged",
)


def mindspore_without_bias(name: str) -> Any:
    """A real framework's layer that computes with b_hh = 0."""
    faulty = FAULTS["b-hh-dropped"].inject(load_backend("mindspore"))
    faulty.name = name
    return faulty


def causes(session: Session, config: Config, check: str) -> dict[str | None, set[str]]:
    found: dict[str | None, set[str]] = {}
    for result in session.judge(config):
        if result.check == check and result.verdict == "fail":
            found.setdefault(result.cause, set()).add(result.part)
    return found


@pytest.mark.parametrize("check", ["step_residual", "forward_error"])
def test_real_activation_error_alone_is_called_that(check: str) -> None:
    with Session({"mindspore": Isolated("mindspore")}) as session:  # whatever ran before here
        assert set(causes(session, CONFIG, check)) == {"activation"}


def test_real_activation_error_does_not_hide_a_dropped_bias() -> None:
    session = Session({"m": mindspore_without_bias("another")})
    found = causes(session, CONFIG, "step_residual")
    assert set(found) == {"activation", "unexplained"}
    assert found["unexplained"] == {"layer 0 forward", "layer 1 forward"}


def test_the_baseline_excuses_the_activation_and_not_the_dropped_bias() -> None:
    """The same faulty layer under the real one's name: only what is known is marked known."""
    faulty = mindspore_without_bias("mindspore")
    session = Session({"mindspore": faulty})
    results = expectations_of(describe(session.runners)).join(session.judge(CONFIG))
    marked = {(r.cause, r.known is not None) for r in results if r.verdict == "fail"}
    assert ("activation", True) in marked
    assert ("unexplained", False) in marked
    assert not marked & {("unexplained", True), ("activation", False)}


def test_a_rational_tanh_of_ones_own_is_called_the_activation() -> None:
    session = Session({"x": with_fault("rational-tanh")})
    assert set(causes(session, CONFIG, "step_residual")) == {"activation"}


@pytest.mark.parametrize("check", ["step_residual", "forward_error"])
@pytest.mark.parametrize("fault", ["b-hh-dropped", "output-off-by-2-15", "lengths-ignored"])
def test_a_cause_that_was_not_measured_explains_nothing(fault: str, check: str) -> None:
    """Small errors would fit a flush or a tanh gone wrong; this layer has neither."""
    session = Session({"x": with_fault(fault)})
    for nonlinearity, seed in itertools.product(("tanh", "relu"), range(12)):
        config = CONFIG.replace(nonlinearity=nonlinearity, seed=seed, scale=1)
        found = set(causes(session, config, check))
        assert found <= (
            {"unexplained"} if fault != "output-off-by-2-15" else {"unexplained", "activation"}
        )


@pytest.mark.parametrize(
    ("fault", "config_id"),
    [
        ("gates-f-and-i-swapped", "lstm-withstates-plain-i00003-h00004-b00002-t00005-s000001"),
        ("gates-r-and-z-swapped", "gru-withstates-plain-i00003-h00004-b00002-t00005-s000001"),
        ("update-turned", "gru-withstates-plain-i00003-h00004-b00002-t00005-s000001"),
    ],
)
def test_exchanged_gates_are_not_called_an_activation(fault: str, config_id: str) -> None:
    """What a layer then shows of an activation alone stays, or falls."""
    session = Session({"x": with_fault(fault)})
    assert set(causes(session, Config.parse(config_id), "step_residual")) == {"unexplained"}


CORRECT = cast(Backend, CorrectBackend(name="right"))
SWEEP: dict[str, Any] = {"batch": 65536, "data": "sweep", "bias": False}


@pytest.mark.parametrize(
    ("fault", "dtype"),
    [
        ("float64-in-float32", "fp64"),
        ("operands-of-ten-bits", "fp32"),
        ("tanh-in-half", "fp32"),
        ("tanh-in-half", "fp64"),
        ("sums-in-half", "fp32"),
    ],
)
def test_what_is_computed_in_a_lower_precision_is_called_that(fault: str, dtype: str) -> None:
    """Not its activation, though that errs as well: one cause of all that fails."""
    session = Session({"x": with_fault(fault)})
    wide = CONFIG.replace(dtype=dtype, scale=1, lengths="nolengths", hidden_size=8, data="plain")
    asked = [wide, wide.replace(aspect="gradient"), Config.of(dtype=dtype, **SWEEP)]
    found = {r.cause for c in asked for r in session.judge(c) if r.verdict == "fail"}
    assert found == {"precision"}


@pytest.mark.parametrize("data", ["plain", "ints", "mixed"])
@pytest.mark.parametrize(
    "fault", ["weights-in-eight-bits", "rows-in-eight-bits", "weights-in-unsigned-bytes"]
)
def test_weights_in_eight_bits_are_called_a_lower_precision(fault: str, data: str) -> None:
    """Whatever check sees it: it holds with the same weights on their grid."""
    session = Session({"right": CORRECT, "x": with_fault(fault)})
    wide = Config.of(
        nonlinearity="relu",
        num_layers=2,
        bidirectional=True,
        states=True,
        lengths="ragged",
        data=data,
        input_size=5,
        hidden_size=8,
        batch=6,
        steps=4,
    )
    asked = [wide, Config.of(nonlinearity="relu", **SWEEP), Config.of(**SWEEP)]
    asked += [wide.replace(dtype="fp16"), wide.replace(dtype="fp64")]
    asked += [wide.replace(aspect="gradient")] * (data != "mixed")
    if data != "ints":
        asked.append(wide.replace(nonlinearity="tanh"))
    found = {
        r.cause for c in asked for r in session.judge(c, only=["faulty"]) if r.verdict == "fail"
    }
    assert found == {"precision"}


@pytest.mark.parametrize("fault", ["output-off-by-2-15", "operands-of-ten-bits", "x-in-half"])
def test_what_another_grid_of_weights_does_not_give_is_not_theirs(fault: str) -> None:
    session = Session({"x": with_fault(fault)})
    config = CONFIG.replace(scale=1, hidden_size=8, data="plain")
    own = session.evidence(config, "faulty").own_activations()
    assert own is not None
    assert own.grid is None


def test_weights_in_eight_bits_hide_no_other_fault() -> None:
    found = judged("b-hh-dropped", "weights-in-eight-bits")
    assert Cause.UNEXPLAINED in {r.cause for r in found if r.check == "step_residual"}


@pytest.mark.parametrize("fault", ["output-off-by-2-15", "b-hh-dropped", "rational-tanh"])
def test_a_small_error_alone_is_no_lower_precision(fault: str) -> None:
    session = Session({"x": with_fault(fault)})
    for dtype in ("fp32", "fp64"):
        for config in (CONFIG.replace(dtype=dtype), Config.of(dtype=dtype, **SWEEP)):
            assert "precision" not in {r.cause for r in session.judge(config)}


class FewBits(ForwardLayer):
    """States of several units are 0, 1, or small fractions between them."""

    def forward(self, inputs: Any) -> Any:
        found = super().forward(inputs)
        if self.options.hidden_size == 1:
            return found
        return {name: self.coarse(a).astype("f") for name, a in found.items()}

    def coarse(self, states: Any) -> Any:
        return np.rint(8 * states) / 8


class Signs(FewBits):
    def coarse(self, states: Any) -> Any:
        return 0.7001953125 * np.sign(states)  # on the grid of float16, with 11 bits


@pytest.mark.parametrize("layer", [FewBits, Signs])
def test_few_numbers_or_of_few_bits_are_no_lower_precision(layer: type[ForwardLayer]) -> None:
    found = Session({"x": backend(layer)}).judge(CONFIG.replace(scale=1, data="plain"))
    assert "unexplained" in {r.cause for r in found}
    assert "precision" not in {r.cause for r in found}


class FlushesSubnormals(ForwardLayer):
    def forward(self, inputs: Any) -> Any:
        tiny = np.finfo(np.float32).smallest_normal
        found = super().forward(inputs)
        return {n: np.where(np.abs(a) < tiny, 0, a).astype("f") for n, a in found.items()}


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_flushing_subnormals_is_a_finding_of_its_own(nonlinearity: str) -> None:
    session = Session({"x": backend(FlushesSubnormals)})
    config = CONFIG.replace(nonlinearity=nonlinearity, bias=False, lengths="nolengths")
    found = set()
    for seed in range(40):
        found |= set(causes(session, config.replace(seed=seed), "step_residual"))
    assert found == {"flush"}


class FlushesStates(ForwardLayer):
    """States of several units below `least` are 0, as no sweep of one unit shows."""

    least = float(np.finfo(np.float32).smallest_normal)
    every = 1
    calls = 0

    def forward(self, inputs: Any) -> Any:
        self.calls += 1
        found = super().forward(inputs)
        if self.options.hidden_size == 1 or self.calls % self.every:
            return found
        return {n: np.where(np.abs(a) < self.least, 0, a).astype("f") for n, a in found.items()}


class FlushesEveryThirdCall(FlushesStates):
    every = 3


class ZeroBelowTwoToMinus110(FlushesStates):
    least = 2.0**-110


FLUSHED = CONFIG.replace(bias=False, lengths="nolengths", states=False, seed=4)


def test_flushing_is_seen_in_states_alone() -> None:
    found = Session({"x": backend(FlushesStates)}).judge(FLUSHED)
    assert {r.cause for r in found if r.verdict == "fail"} == {"flush"}


def test_flushing_is_seen_in_one_of_two_calls() -> None:
    found = Session({"x": backend(FlushesEveryThirdCall)}).judge(FLUSHED, repeat=True)
    assert {(r.check, r.cause) for r in found if r.verdict == "fail"} == {
        ("rows_independent", "flush")
    }


def test_what_zeroes_normal_numbers_too_does_not_flush() -> None:
    found = Session({"x": backend(ZeroBelowTwoToMinus110)}).judge(
        FLUSHED.replace(seed=5, batch=16, steps=9)
    )
    assert "unexplained" in {r.cause for r in found if r.check == "step_residual"}
    assert "flush" not in {r.cause for r in found}


def test_a_nan_is_explained_by_no_activation() -> None:
    class NanAtOne(ForwardLayer):
        def activation(self, name: str, a: Any) -> Any:
            return np.where(np.abs(a) > 1, np.nan, super().activation(name, a))

    found = causes(Session({"x": backend(NanAtOne)}), CONFIG, "step_residual")
    assert "unexplained" in found


def test_error_range_is_that_of_the_points_around() -> None:
    points = np.linspace(-4, 4, 1001)
    values = np.tanh(points) + np.sin(37 * points) * 1e-3
    own = OwnActivation("tanh", points, values, FORMATS["fp32"], flushes=False)
    rng = np.random.default_rng(3)
    low = rng.uniform(-4.5, 4.5, 200)
    high = low + rng.uniform(0, 1, 200) ** 4
    smallest, largest = own.error_range(low, high)
    error = values - np.tanh(points)
    for a, b, small, large in zip(low, high, smallest, largest, strict=True):
        first = min(max(np.searchsorted(points, a) - BESIDE, 0), 1000)
        last = min(max(np.searchsorted(points, b, "right") - 1 + BESIDE, first), 1000)
        seen = error[first : last + 1]
        jump = np.abs(np.diff(error))[first : max(last, first + 1)].max(initial=0) / 2
        assert small == pytest.approx(seen.min() - jump)
        assert large == pytest.approx(seen.max() + jump)


def test_an_error_that_saws_faster_than_the_table_follows_is_explained() -> None:
    class Saws(ForwardLayer):
        def activation(self, name: str, a: Any) -> Any:
            wide = a.astype(np.float64)
            return (np.tanh(wide) + 1e-6 * np.sin(1e5 * wide) ** 15).astype(a.dtype)

    config = Config.of(
        input_size=4, hidden_size=20, batch=20, steps=3, bias=False, data="plain", seed=1
    )
    found = causes(Session({"x": backend(Saws)}), config, "step_residual")
    assert set(found) == {"activation"}


def test_measuring_needs_a_backend_that_answers() -> None:
    class Silent(ForwardLayer):
        def forward(self, inputs: Any) -> Any:
            raise RuntimeError("no")

    assert measure_activation(InProcess(backend(Silent)), "rnn", "tanh", "fp32") is None
    own = measure_activation(InProcess(ForwardBackend()), "rnn", "tanh", "fp32")
    assert own is not None


class NanWhereSaturated(ForwardLayer):
    """A sigmoid e^a / (1 + e^a), which overflows; and, as a mistake of its own, a wrong bias."""

    def activation(self, name: str, a: Any) -> Any:
        exact = super().activation(name, a)
        return np.where(a > 88.7, np.nan, exact) if name == "sigmoid" else exact

    def used_weights(self) -> Any:
        own = self.weights.items()
        return {n: a + a.dtype.type(2e-4) * n.startswith("bias_hh") for n, a in own}


def test_an_activation_of_which_nothing_is_seen_explains_nothing() -> None:
    """The gates of the sweep are saturated: all that comes out is NaN."""
    assert measure_activation(InProcess(backend(NanWhereSaturated)), "lstm", "tanh", "fp32") is None
    points = np.linspace(-4, 4, 9)
    nothing = OwnActivation("tanh", points, np.full(9, np.nan), FORMATS["fp32"], flushes=False)
    assert nothing.precision is None
    found = causes(Session({"x": backend(NanWhereSaturated)}), Config.of("lstm"), "step_residual")
    assert set(found) == {"unexplained"}


class ZeroNearZero(ForwardLayer):
    def activation(self, name: str, a: Any) -> Any:
        return np.where(np.abs(a) < 3e-8, 0.0, super().activation(name, a))


class InSteps(ForwardLayer):
    """Multiples of 1e-10: off by half of one, and between the points of the sweep as well."""

    def activation(self, name: str, a: Any) -> Any:
        exact = super().activation(name, a)
        return np.where(np.abs(a) < 2.0**-12, np.round(exact * 1e10) / 1e10, exact)


@pytest.mark.parametrize("layer", [ZeroNearZero, InSteps])
def test_an_activation_that_errs_near_zero_alone_is_called_that(layer: type[ForwardLayer]) -> None:
    session = Session({"x": backend(layer)})
    config = CONFIG.replace(bias=False, lengths="nolengths", states=False, num_layers=1, batch=64)
    case = make_case(config)
    size = np.exp2(np.random.default_rng(0).uniform(-32, -14, case.x.shape))
    found: dict[str, set[Any]] = {}
    small = case.with_inputs(x=(np.sign(case.x) * size).astype("f"))
    evidence = next(iter(session._evidence(config, False, None)))[1]
    own = evidence.own_activations
    outputs = layer(config.options)
    outputs.load_weights(small.weights)
    given = outputs.forward(small.inputs)
    judged = evidence_of(small, given, own=own())
    for result in (*step_residual(judged), *forward_error(judged)):
        if result.verdict == "fail":
            found.setdefault(result.part, set()).add(result.cause)
    assert found
    assert set().union(*found.values()) == {"activation"}


PADDED = Config.of(
    batch=6,
    steps=5,
    hidden_size=4,
    num_layers=2,
    bidirectional=True,
    lengths="ragged",
    data="plain",
)


def judged(*faults: str, config: Config = PADDED) -> list[Result]:
    """What fails in the correct implementation with these faults."""
    backend = cast(Backend, CorrectBackend(name="it"))
    for fault in faults:
        backend = FAULTS[fault].inject(backend)
    with Session({"it": backend}) as session:
        return [result for result in session.judge(config) if result.verdict == "fail"]


@pytest.mark.parametrize(
    ("fault", "aspect"),
    [
        ("steps-masked-by-products", "values"),
        *itertools.product(
            ("padding-masked-by-product", "h-n-by-a-product", "rows-turned-by-a-product"),
            ("values", "gradient"),
        ),
    ],
)
def test_nan_that_comes_from_the_padding_is_called_that(fault: str, aspect: str) -> None:
    """Any finite numbers there give the right answer."""
    found = judged(fault, config=PADDED.replace(aspect=aspect))
    assert {r.cause for r in found} == {Cause.PADDING}


@pytest.mark.parametrize("fault", ["padding-leaks", "lengths-ignored", "h-n-at-t"])
def test_numbers_that_come_from_the_padding_are_no_nan_times_0(fault: str) -> None:
    """With finite numbers there the answer is as wrong."""
    found = judged(fault)
    assert {r.cause for r in found if r.check != "padding_ignored"} == {Cause.UNEXPLAINED}


def test_nan_from_the_padding_hides_no_other_fault() -> None:
    found = judged("b-hh-dropped", "h-n-by-a-product")
    assert {r.cause for r in found if r.check == "last_state"} == {Cause.PADDING}
    assert Cause.UNEXPLAINED in {r.cause for r in found if r.check == "step_residual"}
