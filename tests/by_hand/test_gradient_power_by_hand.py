"""How far faults would move gradients: two steps by hand, and a stack by what adds up."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up import evidence_of

from harness.case import make_case
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.gradient_power import differences
from harness.judging.gradients import backpropagated, tapes_of
from harness.observe import observe
from harness.oracle import Oracle
from harness.planted.right import CompleteBackend
from reference.gradient import Bounded, Tape

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def exact(value: Any) -> Bounded:
    array = np.array(value, np.float64)
    return Bounded(array, np.zeros(array.shape))


def two_steps(**changes: Any) -> tuple[Any, list[list[Tape]]]:
    """One unit, W_ih = 3, W_hh = 2; row 0 has two steps, row 1 one and padding."""
    config = Config(aspect="gradient", **{"steps": 2, "batch": 2, "h_0": True, **changes})
    derivatives = SimpleNamespace(
        output_cotangent=np.array([[[4.0], [2]], [[8], [99]]], "f"),
        h_n_cotangent=np.array([[[16.0], [6]]], "f"),
    )
    evidence = evidence_of(config, observation=SimpleNamespace(derivatives=derivatives))
    evidence.case.valid = np.array([[True, True], [True, False]])
    evidence.case.weights = dict(
        zip(NAMES, (np.float32([[3]]), np.float32([[2]]), *[np.float32([9])] * 2), strict=True)
    )
    tape = Tape(
        np.array([[[1.0], [100]], [[10], [0]]]),
        np.array([[[5.0], [1000]], [[7], [0]]]),
        exact([[[0.5], [0.5]], [[0.25], [0]]]),
    )
    return evidence, [[tape]]


def test_what_each_fault_would_change_in_two_steps() -> None:
    """delta of row 0: (8 + 16) / 4 = 6, then (4 + 2 * 6) / 2 = 8; of row 1: (2 + 6) / 2 = 4.

    With nothing carried over the 8 is a 2.
    """
    evidence, tapes = two_steps()
    expected = {
        "x": exact([[[24], [12]], [[18], [0]]]),
        "h_0": exact([[[16], [8]]]),
        "weight_ih_l0": exact([[8 + 60 + 400]]),
        "weight_hh_l0": exact([[40 + 42 + 4000]]),
        "bias_ih_l0": exact([18]),
        "bias_hh_l0": exact([18]),
    }
    found = {
        name: {fault: change.tolist() for fault, change in faults.items()}
        for name, faults in differences(evidence, tapes, expected).items()
    }
    bias = {"carry": [-6], "row": [[14], [4]], "step": [[12], [6]]}
    assert found == {
        "x": {
            "carry": [[[-18], [0]], [[0], [0]]],
            "row": [[[-12], [12]], [[-18], [18]]],
        },
        "h_0": {"carry": [[[-12], [0]]], "row": [[[-8], [8]]]},
        "weight_ih_l0": {
            "carry": [[-6]], "row": [[[68]], [[400]]], "step": [[[408]], [[60]]],
        },
        "weight_hh_l0": {
            "carry": [[-30]], "row": [[[82]], [[4000]]], "step": [[[4040]], [[42]]],
        },
        "bias_ih_l0": bias,
        "bias_hh_l0": bias,
    }  # fmt: skip


def faults_of(evidence: Any, tapes: list[list[Tape]]) -> dict[str, list[str]]:
    zeros = {name: exact(np.zeros_like(a)) for name, a in evidence.case.weights.items()}
    zeros |= {"x": exact(np.zeros((2, 2, 1))), "h_0": exact(np.zeros((1, 2, 1)))}
    return {name: list(off) for name, off in differences(evidence, tapes, zeros).items()}


def test_only_faults_that_can_occur_are_asked_for() -> None:
    """Of W_hh nothing is carried over in two steps from a state of 0: the first h' is 0."""
    evidence, tapes = two_steps()
    every = faults_of(evidence, tapes)
    assert every["x"] == every["h_0"] == ["carry", "row"]
    assert {tuple(every[name]) for name in NAMES} == {("carry", "row", "step")}
    without = faults_of(*two_steps(h_0=False))
    assert without == every | {"weight_hh_l0": ["row", "step"]}
    evidence.case.valid = np.array([[True, True], [False, False]])
    assert set(map(tuple, faults_of(evidence, tapes).values())) == {("row",)}


def test_one_row_has_no_neighbour() -> None:
    evidence, ((tape,),) = two_steps(batch=1)
    derivatives = evidence.observation.derivatives
    derivatives.output_cotangent = derivatives.output_cotangent[:, :1]
    derivatives.h_n_cotangent = derivatives.h_n_cotangent[:, :1]
    evidence.case.valid = np.ones((2, 1), bool)
    slope = exact(tape.derivative.value[:, :1])
    tapes = [[Tape(tape.inputs[:, :1], tape.previous[:, :1], slope)]]
    found = faults_of(evidence, tapes)
    assert found["x"] == found["h_0"] == ["carry"]
    assert found["weight_ih_l0"] == ["carry", "step"]


def test_three_steps_carry_over_to_w_hh_from_zero_as_well() -> None:
    evidence = observed(dataclasses.replace(STACK, h_0=False))
    tapes = tapes_of(evidence, own=False)
    expected = backpropagated(evidence, tapes, dict(evidence.case.weights))
    assert "carry" in differences(evidence, tapes, expected)["weight_hh_l1_reverse"]


STACK = Config(
    aspect="gradient", input_size=3, hidden_size=2, batch=4, steps=3, num_layers=2, seed=5,
    bidirectional=True, h_0=True, lengths="empties", data="plain", scale=1,
)  # fmt: skip


def observed(config: Config) -> Evidence:
    case = make_case(config)
    observation = observe(CompleteBackend(), case, repeat=False)
    assert observation.derivatives is not None, observation.trouble
    return Evidence(case, Oracle(case), observation, lambda: None)


@pytest.mark.parametrize("bias", [True, False])
def test_a_stack_loses_what_backpropagation_without_w_hh_lacks(bias: bool) -> None:
    """And rows, and steps, add up to the gradient. An empty row hands its cotangent on."""
    evidence = observed(dataclasses.replace(STACK, bias=bias))
    weights, case = dict(evidence.case.weights), evidence.case
    tapes = tapes_of(evidence, own=False)
    expected = backpropagated(evidence, tapes, weights)
    cut = weights | {name: 0 * a for name, a in weights.items() if name.startswith("weight_hh")}
    truncated = backpropagated(evidence, tapes, cut)
    off = differences(evidence, tapes, expected)
    for name, gradient in expected.items():
        if name != "h_0":
            carry = truncated[name].value - gradient.value
            np.testing.assert_allclose(off[name]["carry"], carry, rtol=1e-12, atol=1e-14)
        if name in ("x", "h_0"):
            continue
        for fault, count in (("row", 4), ("step", 3)):
            assert off[name][fault].shape == (count, *gradient.value.shape)
            total = off[name][fault].sum(axis=0)
            np.testing.assert_allclose(total, gradient.value, rtol=1e-12, atol=1e-14)
    for layer in range(2):
        for side in range(2):
            row = 2 * layer + side
            suffix = f"_l{layer}" + "_reverse" * side
            first = truncated_first(evidence, tapes, cut, layer, side)
            lost = first @ weights["weight_hh" + suffix].astype(float)
            lost[case.last_step < 0] = evidence.observation.derivatives.h_n_cotangent[
                row, case.last_step < 0
            ]
            found = off["h_0"]["carry"][row] + expected["h_0"].value[row]
            np.testing.assert_allclose(found, lost, rtol=1e-12, atol=1e-14)


def truncated_first(evidence: Evidence, tapes: Any, cut: Any, layer: int, side: int) -> np.ndarray:
    """delta of each row's first step without W_hh, from gradients of b: one row at a time."""
    case, found = evidence.case, []
    for row in range(case.config.batch):
        if case.last_step[row] < 0:
            found.append(np.zeros(case.config.hidden_size))
            continue
        t = case.last_step[row] if side else 0
        only = np.zeros_like(tapes[layer][side].inputs)
        only[t, row] = 1.0
        marked = [list(one) for one in tapes]
        tape = marked[layer][side]
        marked[layer][side] = Tape(only, tape.previous, tape.derivative)
        gradients = backpropagated(evidence, marked, cut)
        name = f"weight_ih_l{layer}" + "_reverse" * side
        found.append(gradients[name].value[:, 0])
    return np.stack(found)
