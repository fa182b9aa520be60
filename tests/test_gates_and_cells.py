"""Layers with gates, and cells of one step: what their records promise, on the oracle and torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness.axes import from_layout, to_layout
from harness.backends.torch_backend import TorchBackend
from harness.baseline import KnownDifference
from harness.case import Case, make_case
from harness.causes import Cause
from harness.config import Config, ConfigError
from harness.data import SWEEP_POINTS
from harness.faults import FAULTS
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.judging.steps import direction_steps
from harness.layers import LAYERS
from harness.oracle import Oracle
from harness.verdicts import FAILED, Verdict
from reference import exact_activation
from reference.arrays import Array

GATED = [name for name, one in LAYERS.items() if "sigmoid" in one.activations]
RESETTING = ["gru", "grucell"]
CELLS = [name for name, one in LAYERS.items() if one.single_step]
SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 4, "batch": 5, "seed": 3}


def torch_session() -> Session:
    return Session({"torch": TorchBackend()})


@pytest.mark.parametrize("layer", GATED)
@pytest.mark.parametrize("dtype", ["fp16", "fp32", "fp64"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_a_sweep_is_its_activation_alone(layer: str, dtype: str, activation: str) -> None:
    sweep = LAYERS[layer].sweep
    assert sweep is not None
    config = sweep(activation, dtype, "values")
    case = make_case(config)
    found = Oracle(case).exact["output"].ravel()
    given = case.initial.get("c", case.x) if activation == "tanh" else case.x
    expected = exact_activation(activation, given.astype(np.float64).ravel())
    assert config.record.swept(config) == activation
    np.testing.assert_array_equal(found.astype(case.x.dtype), expected.astype(case.x.dtype))


@pytest.mark.parametrize("layer", RESETTING)
@pytest.mark.parametrize("dtype", ["fp16", "fp32", "fp64"])
@pytest.mark.parametrize("seed", range(4))
def test_large_integers_saturate_every_gate(layer: str, dtype: str, seed: int) -> None:
    """So a state is -1, 0 or 1, and torch's is that to the bit."""
    sizes = {**SIZES, "seed": seed, "batch": 40}
    config = Config.of(layer, data="ints", dtype=dtype, states=True, **sizes)
    exact = Oracle(make_case(config)).exact["output"].astype(make_case(config).x.dtype)
    assert set(np.unique(exact)) <= {-1, 0, 1}
    results = [r for r in torch_session().judge(config) if r.check == "exact_lane"]
    assert {r.verdict for r in results} == {Verdict.PASS}


def test_integers_have_every_gate_both_ways() -> None:
    """Each of r and z is 0 somewhere and 1 somewhere, else a selection would not be seen."""
    config = Config.of("gru", data="ints", states=True, steps=4, **{**SIZES, "batch": 40})
    seen: dict[str, list[Array]] = {"sigmoid": [], "tanh": []}

    class Looking(CorrectLayer):
        def activation(self, name: str, a: Array) -> Array:
            seen[name].append(a)
            return super().activation(name, a)

    case = make_case(config)
    layer = CorrectBackend(Looking).build(config.options)
    layer.load_weights(case.weights)
    layer.forward(case.inputs)
    assert all((a > 0).any() and (a < 0).any() and (a != 0).all() for a in seen["sigmoid"])
    assert all(len(set(np.sign(a).ravel())) == 3 for a in seen["tanh"])


@pytest.mark.parametrize("layer", ["gru"])
def test_a_layer_that_passes_on_forgets_its_state(layer: str) -> None:
    config = Config.of(layer, data="plain", states=True, steps=3, **{**SIZES, "input_size": 4})
    passing = config.record.passes(config)
    assert passing is not None
    weights = {f"{name}_l0": array.astype(np.float32) for name, array in passing.items()}
    case = dataclasses.replace(make_case(config), weights=weights)
    np.testing.assert_allclose(Oracle(case).exact["output"], np.tanh(case.x.astype(np.float64)))
    assert config.record.passes(config.replace(bias=False)) is None


def test_what_drops_needs_biases() -> None:
    dropping: dict[str, Any] = {"aspect": "training", "data": "plain", "dropout": 50}
    with pytest.raises(ConfigError, match="options with which layers can pass on"):
        Config.of("gru", num_layers=2, bias=False, **dropping, **SIZES)
    assert Config.of("gru", num_layers=1, bias=False, **dropping, **SIZES)


@pytest.mark.parametrize("layer", CELLS)
def test_a_cell_has_one_step_and_its_arrays_no_axis_of_steps(layer: str) -> None:
    config = Config.of(layer, states=True, **SIZES)
    case = make_case(config)
    assert to_layout(config, "x", case.x).shape == (5, 3)
    assert to_layout(config, "h_0", case.inputs["h_0"]).shape == (5, 4)
    alone = config.replace(layout="unbatched", batch=1)
    assert to_layout(alone, "x", make_case(alone).x).shape == (3,)
    back = from_layout(config, "output", np.zeros((5, 4), np.float32))
    assert back.shape == (1, 5, 4)
    assert Config.parse(config.id) == config


@pytest.mark.parametrize("layer", CELLS)
@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 2},
        {"num_layers": 2},
        {"bidirectional": True},
        {"dropout": 50},
        {"lengths": "ragged"},
        {"layout": "batchfirst"},
    ],
)
def test_a_cell_has_no_choice_of_what_stacks_have(layer: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"of a {layer}"):
        Config.of(layer, **{**SIZES, **changes})
    adapted = Config.of(layer, **SIZES).adapted(
        **{n: v for n, v in changes.items() if n != "layout"}
    )
    assert adapted == Config.of(layer, **SIZES)


@pytest.mark.parametrize("layer", CELLS)
def test_a_cell_is_the_first_step_of_its_layer(layer: str) -> None:
    """The same numbers, whatever else differs: the oracle's to the bit."""
    config = Config.of(layer, states=True, **SIZES)
    stacked = Config.of(layer.removesuffix("cell"), states=True, **SIZES)
    one, other = (Oracle(make_case(c)).exact for c in (config, stacked))
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


@pytest.mark.parametrize("layer", ["gru", *CELLS])
@pytest.mark.parametrize(
    "changes",
    [
        {"states": True, "scale": 16},
        {"bias": False},
        {"layout": "unbatched", "batch": 1},
        {"dtype": "fp64", "states": True},
        {"aspect": "gradient", "data": "plain", "states": True},
        {"aspect": "gradient", "dtype": "fp64"},
        {"data": "lone", "states": True},
        {"data": "special", "states": True},
    ],
    ids=str,
)
def test_torch_is_not_accused(layer: str, changes: dict[str, Any]) -> None:
    results = torch_session().judge(Config.of(layer, **{**SIZES, **changes}))
    assert [r for r in results if r.verdict in FAILED] == []
    assert any(r.verdict is Verdict.PASS for r in results)


@pytest.mark.parametrize("layer", CELLS)
def test_a_cell_of_torch_takes_parameters_by_its_own_names(layer: str) -> None:
    config = Config.of(layer, states=True, **SIZES)
    built = TorchBackend().build(config.options)
    assert set(built.read_weights()) == set(config.parameter_shapes())
    assert all("_l0" not in name for name, _ in built.layer.named_parameters())
    assert isinstance(built.layer, torch.nn.RNNCellBase)


def special(wanted: Callable[[Case], bool]) -> Config:
    """The first config of special values like that."""
    sizes = {name: size for name, size in SIZES.items() if name != "seed"}
    every = (Config.of("gru", data="special", seed=seed, **sizes) for seed in range(1, 999, 2))
    return next(config for config in every if wanted(make_case(config)))


def nan_in_a_gate_alone(case: Case) -> bool:
    nan = np.isnan(case.weights["weight_ih_l0"]).any(axis=1)
    others = [array for name, array in case.weights.items() if name != "weight_ih_l0"]
    return bool(nan[:8].any()) and not nan[8:].any() and not any(np.isnan(a).any() for a in others)


def nan_in_x_alone(case: Case) -> bool:
    finite = all(np.isfinite(array).all() for array in case.weights.values())
    return finite and bool(np.isnan(case.x).any())


def test_a_sigmoid_that_turns_nan_into_0_is_caught_at_nan() -> None:
    """Of NaN in x the candidate is NaN anyway: it takes NaN in a weight of a gate."""
    session = Session({"wrong": FAULTS["sigmoid-of-nan"].inject(CorrectBackend(name="wrong"))})
    results = session.judge(special(nan_in_a_gate_alone))
    assert "special_values" in {r.check for r in results if r.verdict in FAILED}


class NanElsewhere(CorrectLayer):
    """Sigmoid errs by 20 u, but not where any element of its tensor is NaN: as MindSpore's."""

    def activation(self, name: str, a: Array) -> Array:
        exact = super().activation(name, a)
        if name != "sigmoid" or np.isnan(a).any():
            return exact
        erring: Array = exact + 20 * 2.0**-24 * np.sin(40 * np.clip(a, -9, 9)) * (np.abs(a) < 9)
        return erring


def test_answers_that_move_by_measured_errors_alone_move_by_rounding() -> None:
    """What stands in another row chooses the kernel, whose error was measured."""
    config = special(nan_in_x_alone)
    session = Session({"other": CorrectBackend(NanElsewhere, "other")})
    found = [r for r in session.judge(config) if r.check == "rows_independent"]
    assert {r.cause for r in found if r.verdict in FAILED} == {Cause.ROUNDING}


def test_an_entry_can_name_an_activation() -> None:
    entry = KnownDifference(
        "x", "x", ("torch",), {"torch": ">=1"}, ("call",), (Cause.REFUSED,), "x",
        when={"activation": "sigmoid"},
    )  # fmt: skip
    result: Any = SimpleNamespace(backend="torch", check="call")
    assert entry.about(result, Config.of("gru"))
    assert not entry.about(result, Config.of("rnn"))


@pytest.mark.parametrize("layer", GATED)
def test_a_sweep_has_one_row_for_each_point(layer: str) -> None:
    with pytest.raises(ConfigError, match=f"expected batch {SWEEP_POINTS}"):
        Config.of(layer, data="sweep", batch=3)


@pytest.mark.parametrize("scale", [1, 4, 16])
def test_a_cell_state_that_is_followed_stays_as_well_known(scale: int) -> None:
    """No output shows c_t, so it is tracked from c_0 on. What that adds to the interval of h does
    not grow with the steps: seeing c_t, by calls of fewer steps, would tell no more.
    """
    sizes: dict[str, Any] = {"input_size": 5, "hidden_size": 16, "batch": 4, "steps": 1000}
    config = Config.of("lstm", states=True, scale=scale, seed=3, **sizes)
    interval = direction_steps(torch_session().evidence(config, "torch"), 0, False).interval
    width = np.median(interval.high - interval.low, axis=(1, 2))
    assert np.median(width[-100:]) < 2 * np.median(width[:20])
