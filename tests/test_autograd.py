"""Gradients as training asks for them: the call's own outputs, modes, masks, kinds of losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest

from harness.backends import load_backend
from harness.backends.protocol import Backend
from harness.case import Case, cotangents, make_case, passes_on
from harness.causes import Cause
from harness.checks.gradient import gradient
from harness.config import Config, ConfigError
from harness.evidence import Evidence
from harness.faults import FAULTS, VARIANTS
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.observe import Observation, observe
from harness.oracle import Oracle
from harness.results import Result
from harness.selection import selection
from harness.selftest import examine
from harness.verdicts import Verdict
from reference import elman
from reference.arrays import Array
from reference.gradient import gradients
from reference.layer import evaluate

SIZES: Any = {"input_size": 2, "hidden_size": 3, "batch": 4, "steps": 3, "data": "plain"}


def gradient_config(**values: Any) -> Config:
    return Config.of("rnn", **{**SIZES, "aspect": "gradient", **values})


DROPPING = gradient_config(num_layers=2, dropout=50, mode="training", states=True, seed=1)


def judged(backend: Any, *configs: Config) -> list[Result]:
    with Session({backend.name: backend}) as session:
        return [result for config in configs for result in session.judge(config)]


def failing(results: list[Result]) -> set[tuple[str, Any]]:
    return {(r.check, r.cause) for r in results if r.verdict in (Verdict.FAIL, Verdict.ERROR)}


NAN_FAULTS = (
    "nan-in-gradients-cleaned",
    "rows-of-nan-left-out",
    "nan-of-biases-is-largest",
    "nan-of-final-losses-cleaned",
    "nan-of-outputs-in-training-mode-cleaned",
)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", [*NAN_FAULTS, "h-n-reaches-back-128-steps"])
def test_faults_of_nan_and_of_long_sequences_show_whatever_the_numbers(
    name: str, seed: int
) -> None:
    gradients = [c for c in selection() if c.data in ("missing", "lasting")]
    assert examine(FAULTS[name], "oracle", gradients, everything=False, seed=seed).caught


@pytest.mark.parametrize("cotangents", ["zero", "sparse"])
def test_nan_times_no_cotangent_is_left_open(cotangents: str) -> None:
    """What a loss does not reach may be left out, NaN or not."""
    config = gradient_config(data="missing", cotangents=cotangents)
    made = FAULTS["nan-in-gradients-cleaned"].inject(cast(Any, CorrectBackend(name="x")))
    assert not failing(judged(made, config))


class Recording(CorrectLayer):
    """Writes down what it is asked, and in which mode."""

    asked: list[tuple[str, bool, tuple[str, ...]]]

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        self.asked.append(("forward", self.training, tuple(inputs)))
        return super().forward(inputs)

    def gradients(self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]) -> Any:
        self.asked.append(("gradients", self.training, tuple(cotangents)))
        return super().gradients(inputs, cotangents)


class RecordingBackend(CorrectBackend):
    def __init__(self) -> None:
        super().__init__(Recording)
        self.asked: list[tuple[str, bool, tuple[str, ...]]] = []

    def build(self, options: Any) -> CorrectLayer:
        layer = super().build(options)
        assert isinstance(layer, Recording)
        layer.asked = self.asked
        return layer


def calls_for(config: Config) -> list[tuple[str, bool, tuple[str, ...]]]:
    backend = RecordingBackend()
    assert observe(backend, make_case(config), repeat=True).trouble is None
    return backend.asked


def test_every_second_seed_begins_with_gradients() -> None:
    kinds = [calls_for(gradient_config(seed=seed))[0][0] for seed in (0, 1, 2, 3)]
    assert kinds == ["forward", "gradients"] * 2


@pytest.mark.parametrize("mode", ["evaluation", "training"])
def test_all_calls_are_made_in_the_mode_of_the_config(mode: str) -> None:
    asked = calls_for(gradient_config(mode=mode, num_layers=2))
    assert {training for _, training, _ in asked} == {mode == "training"}


@pytest.mark.parametrize(
    ("kind", "names"), [("all", ("output", "h_n")), ("output", ("output",)), ("final", ("h_n",))]
)
def test_an_output_that_is_no_part_of_the_loss_has_no_cotangent(
    kind: str, names: tuple[str, ...]
) -> None:
    asked = calls_for(gradient_config(cotangents=kind, seed=1))  # no other loss before
    assert {given for what, _, given in asked if what == "gradients"} == {names}


def test_cotangents_of_each_kind() -> None:
    drawn = cotangents(make_case(gradient_config()))
    large = cotangents(make_case(gradient_config(cotangents="large")))
    assert all((large[name] == array * 2.0**20).all() for name, array in drawn.items())
    zero = cotangents(make_case(gradient_config(cotangents="zero")))
    assert set(zero) == {"output", "h_n"}
    assert not any(array.any() for array in zero.values())
    for seed, final in ((0, False), (1, True)):
        sparse = cotangents(make_case(gradient_config(cotangents="sparse", seed=seed)))
        assert sparse["output"].any(axis=(1, 2)).sum() == 1
        assert sparse["h_n"].any() == final
    half = cotangents(make_case(gradient_config(cotangents="large", dtype="fp16")))
    assert np.isfinite(half["output"]).all()
    assert np.abs(half["output"].astype(float)).max() > 512


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"aspect": "values", "mode": "training"}, "expected aspect gradient"),
        ({"aspect": "values", "cotangents": "zero"}, "expected aspect gradient"),
        ({"num_layers": 3, "dropout": 50, "mode": "training"}, "num_layers = 2 or steps = 1"),
        (
            {"num_layers": 2, "dropout": 50, "mode": "training", "data": "mixed"},
            "data = 'plain'",
        ),
    ],
)
def test_what_cannot_be_seen_is_no_config(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        gradient_config(**values)


def test_gradients_through_masks_are_those_of_differences() -> None:
    """Central differences of the loss, elementwise, at masks of 0 and 2."""
    case = make_case(DROPPING)
    rng = np.random.default_rng(3)
    masks = [2.0 * (rng.random((3, 4, 3)) < 0.5)]
    of = {name: array.astype(np.float64) for name, array in cotangents(case).items()}
    weights = {name: array.astype(np.float64) for name, array in case.weights.items()}
    x, h_0 = case.x.astype(np.float64), {"h": case.initial["h"].astype(np.float64)}
    cell = elman("tanh")

    def loss() -> float:
        found = evaluate(cell, x, h_0, weights, num_layers=2, dropout_masks=masks)
        return float(sum((found[name] * array).sum() for name, array in of.items()))

    found = gradients(
        cell, x, h_0, weights, of["output"], {"h": of["h_n"]}, num_layers=2, dropout_masks=masks
    )
    for name, array in {"x": x, "h_0": h_0["h"], **weights}.items():
        for at in np.ndindex(array.shape):
            before = array[at]
            array[at] = before + 2.0**-20
            above = loss()
            array[at] = before - 2.0**-20
            slope = (above - loss()) * 2.0**19
            array[at] = before
            assert found[name][at] == pytest.approx(slope, abs=1e-8), (name, at)


def test_a_case_that_drops_shows_what() -> None:
    case = make_case(DROPPING)
    assert passes_on(case)
    assert all((a > 0).all() for n, a in case.weights.items() if n != "weight_ih_l1")


class Alone(CorrectLayer):
    """Gradients come without outputs."""

    def gradients(self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]) -> Any:
        found = super().gradients(inputs, cotangents)
        return {n: a for n, a in found.items() if n not in ("output", "h_n", "c_n")}


class Unseeded(CorrectBackend):
    """Its seed has no influence on dropout."""

    def seed(self, value: int) -> None:
        pass


def observed(backend: CorrectBackend, config: Config) -> Observation:
    return observe(backend, make_case(config), repeat=True)


def test_without_outputs_masks_are_those_of_the_same_seed() -> None:
    backend = CorrectBackend(Alone)
    assert failing(judged(backend, DROPPING)) == set()
    assert observed(backend, DROPPING).derivatives is not None


def test_without_outputs_and_with_no_seed_that_repeats_masks_nothing_is_concluded() -> None:
    reason = observed(Unseeded(Alone), DROPPING).unsupported
    assert reason is not None
    assert "a seed repeats no dropout" in reason


class TrainingOnly(Recording):
    """As kernels that give no gradients in evaluation mode."""

    def gradients(self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]) -> Any:
        assert self.training, "backward can only be called in training mode"
        return super().gradients(inputs, cotangents)


def test_a_backend_may_say_that_it_gives_gradients_in_training_mode_only() -> None:
    backend = RecordingBackend()
    backend.layer = TrainingOnly
    assert observed(backend, gradient_config()).trouble is not None
    backend.gradients_in_training_only = True  # type: ignore[attr-defined]
    backend.asked.clear()
    assert failing(judged(backend, gradient_config(seed=1), gradient_config(num_layers=2))) == set()
    assert {(what, training) for what, training, _ in backend.asked} == {
        ("forward", False),
        ("gradients", True),
    }
    dropped = observed(backend, gradient_config(num_layers=2, dropout=50))
    assert dropped.unsupported is not None
    assert "in training mode only" in dropped.unsupported


def test_other_outputs_under_autograd_are_judged_and_named() -> None:
    fault = FAULTS["h-n-turned-under-autograd"].inject(CorrectBackend(name="oracle"))
    results = judged(fault, gradient_config(bidirectional=True, num_layers=2))
    assert {r.part for r in results if r.verdict is Verdict.FAIL and r.check == "last_state"} == {
        f"h_n of layer {layer}, under autograd" for layer in (0, 1)
    }


def test_a_separate_training_kernel_is_judged_at_its_own_states() -> None:
    """Its outputs are others than those of the forward call, and so are its hidden layers."""
    backend = VARIANTS["separate-training-kernel"].inject(CorrectBackend(name="oracle"))
    config = gradient_config(num_layers=2, hidden_size=8, data="mixed", seed=2)
    with Session({backend.name: backend}) as session:
        evidence = session.evidence(config, backend.name)
        assert failing(session.judge(config)) == set()
    training = evidence.under_autograd
    assert training is not None
    assert training.under_autograd is None
    hidden, outputs = evidence.observation.hidden, training.observation.hidden
    assert (hidden[0]["output"] != outputs[0]["output"]).any()


@pytest.mark.parametrize(
    "name", ["inference-kernel-and-gradients-alone", "inference-shuffled-and-gradients-alone"]
)
def test_an_inference_kernel_beside_gradients_without_outputs_is_no_failure(name: str) -> None:
    """Which states are positive in the call that gave the gradients nobody knows."""
    backend = VARIANTS[name].inject(CorrectBackend(name="oracle"))
    configs = [
        Config.parse(
            "rnn-gradient-relu-l03-bidir-batchfirst-ragged-scale02"
            f"-i00003-h00004-b00006-t00005-s{seed:06}"
        )
        for seed in range(1000, 1024)
    ]
    results = [r for r in judged(backend, *configs) if r.check == "gradient"]
    assert {r.verdict for r in results} == {Verdict.PASS, Verdict.INCONCLUSIVE}
    said = {r.message for r in results if r.verdict is Verdict.INCONCLUSIVE}
    assert any("return the outputs with the gradients" in message for message in said)


class OnePerMille(Alone):
    def derive(self, given: Any, cotangents: Any) -> Any:
        found = super().derive(given, cotangents)
        return {**found, "weight_hh_l0": found["weight_hh_l0"] * 1.001}


class SignsFlipped(Alone):
    def derive(self, given: Any, cotangents: Any) -> Any:
        found = super().derive(given, cotangents)
        return {
            **found,
            "x": np.where(np.arange(len(found["x"]))[:, None, None] == 1, -1, 1) * found["x"],
        }


@pytest.mark.parametrize("layer", ["lstm", "gru", "lstmcell", "rnncell"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gradients_alone_are_numbers(layer: str, value: float) -> None:
    """Whatever the states were: where nothing can overflow, all gradients are finite."""

    class NoNumbers(Alone):
        def derive(self, given: Any, cotangents: Any) -> Any:
            found = super().derive(given, cotangents)
            return {**found, "weight_hh_l0": np.full_like(found["weight_hh_l0"], value)}

    config = Config.of(layer, aspect="gradient", data="plain", states=True)
    assert failing(judged(CorrectBackend(NoNumbers), config)) == {("gradient", Cause.UNEXPLAINED)}
    assert failing(judged(CorrectBackend(Alone), config)) == set()


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@pytest.mark.parametrize("layer", [OnePerMille, SignsFlipped])
def test_a_wrong_gradient_without_outputs_fails(
    layer: type[CorrectLayer], nonlinearity: str
) -> None:
    config = gradient_config(nonlinearity=nonlinearity, num_layers=2, seed=3)
    assert failing(judged(CorrectBackend(layer), config)) == {("gradient", Cause.UNEXPLAINED)}


@pytest.mark.parametrize("fault", [None, "padding-has-a-gradient"])
def test_gradients_alone_may_round_otherwise_beside_another_padding(fault: str | None) -> None:
    """MindSpore's tanh errs otherwise from call to call: without outputs that is no other cause of
    what its padding does. What else is wrong of gradients stays unexplained.
    """
    backend = VARIANTS["gradients-without-outputs"].inject(load_backend("mindspore"))
    if fault is not None:
        backend = FAULTS[fault].inject(backend)
    config = Config.parse("gru-gradient-emptyrows-scale02-i00005-h00003-b00007-t00004-s7.1011015")
    found = [r for r in judged(backend, config) if r.check == "gradient_padding"]
    causes = {r.cause for r in found if r.verdict is Verdict.FAIL}
    assert causes == ({Cause.PADDING} if fault is None else {Cause.PADDING, Cause.UNEXPLAINED})


class ForgetsOfOne(CorrectLayer):
    """Of rows without steps the last layer gives 0, and so do gradients of all layers."""

    forgotten = slice(-1, None)

    def evaluate(self, given: Any) -> Any:
        return self.forgetting(given, super().evaluate(given))

    def training_values(self, given: Any) -> Any:
        return self.forgetting(given, super().training_values(given))

    def forgetting(self, given: Any, found: Any) -> Any:
        h_n = found["h_n"].copy()
        h_n[self.forgotten, given["lengths"] == 0] = 0
        return {**found, "h_n": h_n}

    def derive(self, given: Any, cotangents: Any) -> Any:
        found = super().derive(given, cotangents)
        h_0 = found["h_0"].copy()
        h_0[:, given["lengths"] == 0] = 0
        return {**found, "h_0": h_0}


class ForgetsOfOneSide(ForgetsOfOne):
    """The same of the reverse directions."""

    forgotten = slice(1, None, 2)


class ForgetsOfAll(ForgetsOfOne):
    """A convention: nothing depends on h_0 there."""

    forgotten = slice(None)


@pytest.mark.parametrize("layer", [ForgetsOfOne, ForgetsOfOneSide, ForgetsOfAll])
def test_gradients_of_empty_rows_are_open_only_in_layers_that_give_no_initial_state(
    layer: type[ForgetsOfOne],
) -> None:
    config = gradient_config(bidirectional=True, num_layers=2, lengths="emptyrows", states=True)
    results = [r for r in judged(CorrectBackend(layer), config) if r.check == "gradient"]
    wrong = {r.part for r in results if r.verdict is Verdict.FAIL}
    assert wrong - {"signs"} == ({"h_0"} if layer is not ForgetsOfAll else set())


def test_of_an_initial_state_of_0_the_other_layers_tell_what_is_given() -> None:
    """Whether 0 is the initial state or a convention cannot be seen in its own layer."""

    case = make_case(gradient_config(num_layers=2, lengths="emptyrows", states=True))
    h_0 = case.inputs["h_0"].copy()
    h_0[0, case.last_step < 0] = 0
    case = case.with_inputs(h_0=h_0)
    observation = observe(cast(Backend, CorrectBackend(ForgetsOfAll)), case, repeat=False)
    found = [*gradient(Evidence(case, Oracle(case), observation, lambda: None))]
    assert Verdict.FAIL not in {one.verdict for one in found}


def test_outputs_that_the_padding_changes_under_autograd_are_found() -> None:
    class Leaking(CorrectLayer):
        """Padding is added up into the first output that comes with gradients."""

        def training_values(self, given: Any) -> Any:
            found = super().training_values(given)
            found["output"][0, 0, 0] += np.isnan(given["x"]).sum()
            return found

    config = gradient_config(lengths="ragged", batch=6, steps=5)
    assert np.isnan(make_case(config).x).any()
    assert ("gradient_padding", Cause.UNEXPLAINED) in failing(
        judged(CorrectBackend(Leaking), config)
    )


def without_subnormals(array: Array) -> Array:
    tiny = np.finfo(array.dtype).smallest_normal
    return np.where(np.abs(array) < tiny, array.dtype.type(0), array)


class TakesSubnormalsAsZero(CorrectLayer):
    """In every call of `forward`; of `gradients` where nothing in x is infinite or NaN."""

    flushing = True

    def entering(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        given = dict(super().entering(inputs))
        if self.flushing:
            given["x"] = without_subnormals(given["x"])
        return given

    def gradients(self, inputs: Mapping[str, Any], cotangents: Mapping[str, Any]) -> Any:
        self.flushing = bool(np.isfinite(inputs["x"]).all())
        found = super().gradients(inputs, cotangents)
        self.flushing = True
        return found


def test_gradients_at_states_that_one_call_flushes_are_not_compared() -> None:
    """A derivative of relu is 1 at a subnormal state, and 0 where that is flushed."""
    config = Config.parse("rnn-gradient-relu-nobias-ragged-i00002-h00005-b00006-t00003-s001023")
    results = judged(CorrectBackend(TakesSubnormalsAsZero, "flushing"), config)
    padding = [r for r in results if r.check == "gradient_padding"]
    assert {r.cause for r in padding if r.verdict is Verdict.FAIL} == {Cause.FLUSH}
    assert {r.part for r in padding if r.verdict is Verdict.INCONCLUSIVE} == {"x"}


class FlushesBackwards(CorrectLayer):
    """Takes subnormal numbers as zero in `forward`, and in the backward pass of finite x alone."""

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        return super().forward({**inputs, "x": without_subnormals(inputs["x"])})

    def derive(self, given: Any, cotangents: Any) -> Any:
        if np.isfinite(given["x"]).all():
            given = {**given, "x": without_subnormals(given["x"])}
        return super().derive(given, cotangents)


def test_a_backward_pass_that_flushes_in_one_call_has_that_cause() -> None:
    config = Config.parse("rnn-gradient-relu-nobias-ragged-i00002-h00005-b00006-t00003-s001023")
    results = judged(CorrectBackend(FlushesBackwards, "flushing"), config)
    of_x = [r for r in results if (r.check, r.part) == ("gradient_padding", "x")]
    assert [(r.verdict, r.cause) for r in of_x] == [(Verdict.FAIL, Cause.FLUSH)]


@pytest.mark.parametrize("name", ["relu-slope-1-at-0", "relu-slope-half-at-0"])
def test_another_slope_of_relu_at_0_is_named(name: str) -> None:
    backend = FAULTS[name].inject(CorrectBackend(name="oracle"))
    integers = [c for c in selection() if c.aspect == "gradient" and c.data == "ints"]
    assert failing(judged(backend, *integers)) == {("gradient", Cause.SLOPE)}


def test_a_wrong_gradient_of_integers_is_no_slope_at_0() -> None:
    backend = FAULTS["no-gradient-of-b-hh"].inject(CorrectBackend(name="oracle"))
    config = Config.of("rnn", **{**SIZES, "data": "ints"}, aspect="gradient", nonlinearity="relu")
    assert failing(judged(backend, config)) == {("gradient", Cause.UNEXPLAINED)}


def _arrays(case: Case) -> dict[str, Array]:
    return {**case.inputs, **case.weights}


def test_modes_and_losses_change_no_array_of_a_case() -> None:
    """So that two configs that differ in one of them share all their numbers."""
    plain = _arrays(make_case(gradient_config()))
    other = _arrays(make_case(gradient_config(mode="training", cotangents="final")))
    assert all((array == other[name]).all() for name, array in plain.items())
