"""Gradients start to end: they say something where the proof step by step says nothing."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given

from harness.backends import load_backend
from harness.backends.protocol import Backend
from harness.calibrated_gradients import Calibrated
from harness.case import Case, cotangents, make_case
from harness.checks import checks_for
from harness.config import Config
from harness.faults.arrays import Arrays
from harness.faults.correct import CorrectBackend, CorrectLayer
from harness.judge import Session
from harness.results import Result
from harness.strategies import configs
from harness.verdicts import Verdict
from reference import Exact, exact_activation
from reference.arrays import Array

LONG = "lstm-gradient-nobias-withstates-ragged-scale02-i00064-h00032-b00001-t00095-s071502"
GATES = {"lstm": "ifgo", "gru": "rzn"}


def judged(backend: Backend, config: Config) -> list[Result]:
    with Session({backend.name: backend}) as session:
        return session.judge(config)


class OneGateOff(CorrectLayer):
    """The gradient of W_hh of one gate is off by a thousandth."""

    gate = 0

    def derive(self, given: Arrays, cotangents: Arrays) -> Arrays:
        found = super().derive(given, cotangents)
        gates = np.split(found["weight_hh_l0"], len(self.cell.gates))
        gates[self.gate] = gates[self.gate] * 1.001
        return {**found, "weight_hh_l0": np.concatenate(gates)}


@pytest.mark.parametrize(
    ("layer", "gate"), [(layer, k) for layer, gates in GATES.items() for k in range(len(gates))]
)
def test_a_gate_that_is_off_by_a_thousandth_after_64_steps(layer: str, gate: int) -> None:
    kind = type("Off", (OneGateOff,), {"gate": gate})
    config = Config.of(
        layer, aspect="gradient", input_size=5, hidden_size=32, batch=2, steps=64, seed=gate
    )
    results = judged(cast(Backend, CorrectBackend(kind)), config)
    of = {r.check: r for r in results if r.part.startswith("weight_hh_l0")}
    assert of["gradient"].verdict is Verdict.INCONCLUSIVE
    found = of["gradient_error"]
    assert found.verdict is Verdict.FAIL
    assert found.worst is not None
    assert found.worst.unit is not None
    assert found.worst.unit // 32 == gate
    others = [r for r in results if r.check == "gradient_error" and r is not found]
    assert {r.verdict for r in others} == {Verdict.PASS}


def test_torch_is_within_and_every_element_could_have_failed() -> None:
    results = judged(load_backend("torch"), Config.parse(LONG))
    own = [r for r in results if r.check == "gradient_error"]
    assert [r.part for r in own] == [
        f"{name}, start to end" for name in ("x", "h_0", "c_0", "weight_ih_l0", "weight_hh_l0")
    ]
    for result in own:
        assert result.verdict is Verdict.PASS
        assert min(result.power.values()) > 0.9, result


@given(configs(aspects=("gradient",), dtypes=("fp32", "fp64")))
def test_rounding_of_inputs_stays_within(config: Config) -> None:
    """What another experiment than those of the tolerance gives is within it."""
    if "gradient_error" not in [one.name for one in checks_for(config)]:
        return
    case = make_case(config)
    calibrated = Calibrated(case, cotangents(case))
    another = calibrated._moved(99)
    for name, gradient in calibrated.by_name.items():
        off = np.abs(another[name] - gradient.value)
        assert (off <= gradient.bound)[calibrated.compared(name)].all(), name


def tanh_of(scale: float) -> Exact:
    return Exact(lambda name, a: scale * exact_activation(name, a))


def test_slopes_are_those_of_the_activations_given() -> None:
    """h = s tanh(a), whose slope is taken for 1 - h^2: dW_ih = sum of g (1 - h^2) x."""
    config = Config.of(aspect="gradient", input_size=2, hidden_size=3, batch=4, steps=1)
    case = make_case(config)
    of = {"output": np.ones((1, 4, 3))}
    derived = Calibrated(case, of)._derived(case, of, tanh_of(0.5))
    h = 0.5 * np.tanh(pre_activations(case))
    assert derived["weight_ih_l0"] == pytest.approx((1 - h**2).T @ case.x[0].astype(float))


def pre_activations(case: Case) -> Array:
    w = {name: array.astype(np.float64) for name, array in case.weights.items()}
    found: Array = case.x[0] @ w["weight_ih_l0"].T + w["bias_ih_l0"] + w["bias_hh_l0"]
    return found


def test_without_a_change_they_are_the_exact_ones() -> None:
    case = make_case(Config.of("gru", aspect="gradient", hidden_size=4, steps=5, num_layers=2))
    calibrated = Calibrated(case, cotangents(case))
    plain = calibrated._derived(case, calibrated.cotangents, Exact())
    for name, array in calibrated.exact.items():
        assert plain[name] == pytest.approx(array, rel=1e-9, abs=1e-12), name


def test_the_largest_is_that_of_a_row_or_of_a_gate() -> None:
    case = make_case(Config.of("lstm", aspect="gradient", hidden_size=2, batch=3, steps=2))
    calibrated = Calibrated(case, cotangents(case))
    weight = np.arange(8.0).repeat(2).reshape(8, 2)
    assert calibrated.largest("weight_hh_l0", weight)[:, 0].tolist() == [1, 1, 3, 3, 5, 5, 7, 7]
    x = np.zeros((2, 3, 1))
    x[1, 2] = 5
    assert calibrated.largest("x", x)[..., 0].tolist() == [[0, 0, 5], [0, 0, 5]]
