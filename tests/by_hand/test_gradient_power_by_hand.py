"""How far faults would move gradients: two steps by hand, and a stack by what adds up."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from harness.case import Case
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.gradient_power import _sums, differences
from harness.judging.gradients import gradients_at, tapes_of
from reference import FORMATS, GRU, parameters_of
from reference.gradient import backpropagate
from reference.reverse import Slopes, record
from tests.gated_cells import arrays_of
from tests.synthetic import case_of, right_evidence

TWO_STEPS = Config.of(
    aspect="gradient", nonlinearity="relu", steps=2, batch=2, states=True, lengths="ragged"
)


def off_by(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Gradient -> fault -> what it would change."""
    tapes = tapes_of(evidence)
    found = differences(evidence, tapes, gradients_at(evidence, tapes))
    return {name: {str(fault): a for fault, a in faults.items()} for name, faults in found.items()}


def two_steps(lengths: tuple[int, ...] = (2, 1), states: bool = True) -> Case:
    """One unit, W_ih = 3, W_hh = 2; row 0 has two steps, row 1 one and padding."""
    batch = len(lengths)
    x = np.array([[[1.0], [100]], [[10], [99]]])[:, :batch]
    cotangents = {
        "output": np.array([[[4.0], [2]], [[8], [99]]], "f")[:, :batch],
        "h_n": np.array([[[16.0], [6]]], "f")[:, :batch],
    }
    start = {"h_0": np.array([[[5.0], [1000]]])[:, :batch]} if states else {}
    case = case_of(
        TWO_STEPS.replace(states=states, batch=batch),
        lengths=lengths,
        weights={"weight_ih_l0": [[3]], "weight_hh_l0": [[2]]},
        x=x,
        **start,
    )
    return dataclasses.replace(case, given_cotangents=cotangents)


def test_what_each_fault_would_change_in_two_steps() -> None:
    """h of row 0 is 13, then 56; of row 1 2300. Every slope is 1.

    delta of row 0: 8 + 16 = 24, then 4 + 2 * 24 = 52; of row 1: 2 + 6 = 8. With nothing carried
    over the 52 is a 4.
    """
    found = {
        name: {fault: change.tolist() for fault, change in faults.items()}
        for name, faults in off_by(right_evidence(two_steps())).items()
    }
    bias = {"carry": [-48], "row": [[76], [8]], "step": [[60], [24]]}
    assert found == {
        "x": {
            "carry": [[[-144], [0]], [[0], [0]]],
            "row": [[[-132], [132]], [[-72], [72]]],
        },
        "h_0": {"carry": [[[-96], [0]]], "row": [[[-88], [88]]]},
        "weight_ih_l0": {
            "carry": [[-48]], "row": [[[292]], [[800]]], "step": [[[852]], [[240]]],
        },
        "weight_hh_l0": {
            "carry": [[-240]], "row": [[[572]], [[8000]]], "step": [[[8260]], [[312]]],
        },
        "bias_ih_l0": bias,
        "bias_hh_l0": bias,
    }  # fmt: skip


NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def faults_of(case: Case) -> dict[str, list[str]]:
    return {name: list(faults) for name, faults in off_by(right_evidence(case)).items()}


def test_only_faults_that_can_occur_are_asked_for() -> None:
    """Of W_hh nothing is carried over in two steps from a state of 0: the first h is 0."""
    every = faults_of(two_steps())
    assert every["x"] == every["h_0"] == ["carry", "row"]
    assert {tuple(every[name]) for name in NAMES} == {("carry", "row", "step")}
    without = faults_of(two_steps(states=False))
    assert without == every | {"weight_hh_l0": ["row", "step"]}
    assert set(map(tuple, faults_of(two_steps((1, 1))).values())) == {("row",)}


def test_one_row_has_no_neighbour() -> None:
    found = faults_of(two_steps((2,)))
    assert found["x"] == found["h_0"] == ["carry"]
    assert found["weight_ih_l0"] == ["carry", "step"]


STACK = Config.of(
    aspect="gradient", nonlinearity="relu", input_size=3, hidden_size=2, batch=4, steps=3,
    num_layers=2, seed=5, bidirectional=True, states=True, lengths="emptyrows", data="ints",
)  # fmt: skip


def test_three_steps_carry_over_to_w_hh_from_zero_as_well() -> None:
    evidence = right_evidence(STACK.replace(states=False))
    assert "carry" in off_by(evidence)["weight_hh_l1_reverse"]


@pytest.mark.parametrize("bias", [True, False])
def test_rows_and_steps_of_a_stack_add_up_to_the_gradients(bias: bool) -> None:
    evidence = right_evidence(STACK.replace(bias=bias))
    expected = gradients_at(evidence, tapes_of(evidence)).by_name
    off = off_by(evidence)
    assert set(off) == set(expected)
    assert any(off[name]["carry"].any() for name in ("x", "h_0", "weight_hh_l1"))
    for name, gradient in expected.items():
        if name in ("x", "h_0"):
            continue
        for fault, count in (("row", 4), ("step", 3)):
            assert off[name][fault].shape == (count, *gradient.value.shape)
            assert (off[name][fault].sum(axis=0) == gradient.value).all()


def test_rows_and_steps_of_several_gates_add_up_to_the_gradients() -> None:
    """A GRU of two units, gate by gate."""
    rng = np.random.default_rng(3)
    weights = arrays_of(GRU, rng, (3, 2, 2))
    x, h = rng.uniform(-1, 1, (2, 4, 3)), rng.uniform(-1, 1, (2, 4, 2))
    parameters = parameters_of(GRU, weights, 0, False, True)
    tapes = [[record(GRU, parameters, x, {"h": h}, FORMATS["fp64"], Slopes())]]
    found = backpropagate(
        tapes, rng.uniform(-1, 1, (2, 4, 2)), {"h": np.zeros((1, 4, 2))},
        bias=True, valid=np.ones((2, 4), bool), fmt=FORMATS["fp64"],
    )  # fmt: skip
    evidence: Any = right_evidence(two_steps())
    for axes, count in (("tbi,tbj->bij", 4), ("tbi,tbj->tij", 2)):
        sums = _sums(evidence, tapes, found, axes)
        assert set(sums) == set(weights)
        for name, one in sums.items():
            assert one.shape == (count, *weights[name].shape)
            assert one.sum(axis=0) == pytest.approx(found.by_name[name].value, rel=1e-12, abs=1e-14)
