"""A cell state that no output shows: followed step by step, and judged at the end."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from harness.case import Case
from harness.checks.last_state import last_state
from harness.checks.step_residual import step_residual
from harness.comparison import Comparison
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.gradients import tapes_of
from harness.judging.steps import DirectionSteps, direction_steps
from tests.synthetic import case_of, evidence_of, right_evidence, right_outputs

U = 2.0**-24
HALF = 0.5
G = math.tanh(0.75)
C_0 = [3.0, -2.0, 0.5]
LENGTHS = [3, 1, 2]


def case(*, bidirectional: bool = False) -> Case:
    """One unit; i, f and o are sigmoid(0) = 1/2, g is tanh(0.75); three rows of other lengths."""
    config = Config.of(
        "lstm", steps=3, batch=3, states=True, lengths="ragged", bidirectional=bidirectional
    )
    rows = config.directions
    weights = {
        name: [0, 0, 0.75, 0] for name in config.parameter_shapes() if name.startswith("bias_ih")
    }
    given = np.array([[[c] for c in C_0]] * rows)
    return case_of(config, lengths=LENGTHS, weights=weights, h_0=np.zeros_like(given), c_0=given)


def cells(c: float, steps: int) -> list[float]:
    """c before each step and after the last one."""
    found = [c]
    for _ in range(steps):
        found.append(HALF * found[-1] + HALF * G)
    return found


def evidence(of: Case, **moved: float) -> Evidence:
    """Right outputs, some of them moved in the first row."""
    outputs = {name: array.copy() for name, array in right_outputs(of).items()}
    for name, amount in moved.items():
        outputs[name][0, 0] += amount
    return evidence_of(of, outputs)


@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_followed_from_the_initial_state_on(reverse: bool) -> None:
    of = case(bidirectional=reverse)
    steps = direction_steps(evidence(of), 0, reverse)
    for row, length in enumerate(LENGTHS):
        c = cells(C_0[row], length)
        for step in range(length):
            t = length - 1 - step if reverse else step
            before = steps.reading.before["c"]
            assert before.expected[t, row, 0] == pytest.approx(c[step], rel=1e-15)
            assert before.low[t, row, 0] <= c[step] <= before.high[t, row, 0]
            after = steps.reading.after["c"]
            assert after.expected[t, row, 0] == pytest.approx(c[step + 1], rel=1e-15)
        for t in range(length, 3):
            assert steps.before["c"][t, row, 0] == 0


def first_half_width(c: float) -> float:
    """How far c' = f c + i g may be off after one step, to first order."""
    gate = U * (HALF * (6 * (1 - HALF) + 6) + 3)
    argument = 2 * U * 0.75  # one term, which is stored
    g = 5 * U + (1 - G**2) * argument  # an ulp in [1/2, 1) is u
    products = U * (abs(HALF * c) + HALF * G)
    total = U * (abs(HALF * c) + HALF * G)
    return abs(c) * gate + G * gate + HALF * g + products + total


def test_its_interval_is_what_the_gates_and_three_roundings_may_err() -> None:
    after = direction_steps(evidence(case()), 0, False).reading.after["c"]
    for row, c in enumerate(C_0):
        for side in (after.expected - after.low, after.high - after.expected):
            assert side[0, row, 0] == pytest.approx(first_half_width(c), rel=1e-5)


def test_errors_of_h_do_not_reach_it_and_its_own_do() -> None:
    """Its width halves with f = 1/2, and gets what a step adds."""
    after = direction_steps(evidence(case()), 0, False).reading.after["c"]
    widths = after.half_width[:, 0, 0]
    c = cells(C_0[0], 3)
    for t in (1, 2):
        carried = HALF * widths[t - 1]
        assert widths[t] == pytest.approx(carried + first_half_width(c[t]), rel=1e-5)


def parts(found: list[Comparison]) -> dict[str, Comparison]:
    return {one.part: one for one in found}


@pytest.mark.parametrize(("share", "verdict"), [(0.9, "pass"), (1.1, "fail"), (-1.1, "fail")])
def test_the_final_one_is_judged_by_its_interval(share: float, verdict: str) -> None:
    of = case()
    after = direction_steps(evidence(of), 0, False).reading.after["c"]
    amount = share * after.half_width[2, 0, 0]
    residual = parts([*step_residual(evidence(of, c_n=amount))])
    assert {part: one.failing > 0 for part, one in residual.items()} == {
        "layer 0 forward": False,
        "layer 0 forward, c_n": verdict == "fail",
    }
    result = residual["layer 0 forward, c_n"]
    assert (result.compared, result.undefined) == (3, 0)
    assert result.power.keys() == {"bias", "input", "state", "row"} or verdict == "fail"
    place = result.worst
    assert place is not None
    assert (place.output, place.layer, place.direction) == ("c_n", 0, "forward")
    found = parts([*last_state(evidence(of, c_n=amount))])
    other = "pass" if verdict == "pass" else "inconclusive"  # wrong, but no other step's state
    assert found["layer 0 forward, c_n"].verdict == other


@pytest.mark.parametrize("reverse", [False, True])
def test_the_final_one_is_that_after_as_many_steps_as_its_row_has(reverse: bool) -> None:
    of = case(bidirectional=True)
    (final,) = direction_steps(evidence(of), 0, reverse).finals
    for row, length in enumerate(LENGTHS):
        expected = cells(C_0[row], length)[-1]
        assert final.interval.expected[0, row, 0] == pytest.approx(expected, rel=1e-15)


def test_that_of_another_step_or_row_is_none() -> None:
    of = case()
    right = right_outputs(of)
    wrong = {**right, "c_n": np.roll(right["c_n"], 1, axis=1)}
    found = parts([*last_state(evidence_of(of, wrong))])
    assert (found["layer 0 forward, c_n"].verdict, found["h_n of layer 0"].verdict) == (
        "fail", "pass",
    )  # fmt: skip
    power = parts([*last_state(evidence(of))])["layer 0 forward, c_n"].power
    assert power == {"state": 1.0, "end": 2 / 3, "row": 1.0}  # one row ends at the last step


def test_what_is_wrong_near_the_state_before_is_not_that_state() -> None:
    """Where f is all but 1 and i all but 0, a wrong c_n lies next to c_0 as the right one does."""
    config = Config.of("lstm", steps=1, batch=3, states=True, hidden_size=1)
    weights = {n: [-20, 20, 0, 0] for n in config.parameter_shapes() if n.startswith("bias_ih")}
    given = np.array([[[c] for c in C_0]])
    of = case_of(config, weights=weights, h_0=np.zeros_like(given), c_0=given)
    (final,) = direction_steps(evidence(of), 0, False).finals
    width = float(final.interval.high[0, 0, 0] - final.interval.low[0, 0, 0])
    part = "layer 0 forward, c_n"
    found = parts([*last_state(evidence(of, c_n=1.5 * width))])[part]
    assert (found.verdict, found.cause) == ("inconclusive", None)
    assert "not that state of another step or row" in found.message
    assert parts([*step_residual(evidence(of, c_n=1.5 * width))])[part].verdict == "fail"


def test_a_row_without_steps_keeps_the_initial_one() -> None:
    of = case()
    empty = dataclasses.replace(of, inputs={**of.inputs, "lengths": np.array([0, 1, 2])})
    empty = dataclasses.replace(empty, config=of.config.replace(lengths="emptyrows"))
    found = parts([*last_state(evidence(empty))])
    part = "c_n of layer 0, empty rows"
    assert (found[part].verdict, found[part].requirement) == ("pass", "empty-rows")
    wrong = parts([*last_state(evidence(empty, c_n=1.0))])[part]
    assert (wrong.verdict, wrong.cause) == ("fail", "unwritten")


def test_gradients_take_it_as_an_interval() -> None:
    of = dataclasses.replace(case(), config=case().config.replace(aspect="gradient", data="plain"))
    seen = right_evidence(of)
    ((tape,),) = tapes_of(seen)
    reading = direction_steps(seen, 0, False).reading
    held: Any = tape.before["c"].value
    assert (held.low == reading.before["c"].low).all()
    assert (held.high == reading.before["c"].high).all()


def test_finals_are_of_every_layer_and_direction() -> None:
    config = Config.of("lstm", num_layers=2, bidirectional=True, hidden_size=2, batch=2, steps=2)
    of = right_evidence(config)
    for layer in (0, 1):
        for reverse in (False, True):
            steps: DirectionSteps = direction_steps(of, layer, reverse)
            (final,) = steps.finals
            own = of.outputs["c_n"][2 * layer + reverse]
            assert np.array_equal(final.actual[0], own)
