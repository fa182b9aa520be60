"""The residual of steps by hand, its power, and what excuses a failure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.activation import BESIDE, OwnActivation, OwnActivations
from harness.case import Case
from harness.checks.step_residual import step_residual
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.power import power_of
from harness.judging.steps import direction_steps
from reference import FORMATS
from tests.synthetic import TINY, case_of, evidence_of, measured, outputs_of, relu_case


def evidence_on(case: Case, actual: Any, own: OwnActivations | None = None) -> Evidence:
    final = np.zeros((case.config.directions, case.config.batch, case.config.hidden_size))
    return evidence_of(case, outputs_of(actual, final), own=own)


def judged(case: Case, actual: Any, own: OwnActivations | None = None) -> list[Comparison]:
    return list(step_residual(evidence_on(case, actual, own)))


def power(case: Case, actual: Any, reverse: bool = False, **exact: Any) -> dict[str, float]:
    evidence = evidence_on(case, actual)
    found = power_of(evidence, direction_steps(evidence, 0, reverse), **exact)
    return {str(probe): share for probe, share in found.items()}


def wide_case(x: Any, *, h_0: Any = None, weights: Any = None, **changes: Any) -> Case:
    """Float16, relu; to each sum 100 and -100 are added, so that it errs by E = 0.7 or so.

    Beside them there are W_ih = W_hh = 1.
    """
    steps, batch, hidden = np.shape(x)
    config = Config.of(
        nonlinearity="relu", dtype="fp16", states=h_0 is not None,
        input_size=hidden + 2, hidden_size=hidden, steps=steps, batch=batch,
        **changes,
    )  # fmt: skip
    noise = np.broadcast_to([100.0, -100], (steps, batch, 2))
    given: dict[str, Any] = {} if h_0 is None else {"h_0": h_0}
    suffixes = ("", "_reverse")[: config.directions]
    ones = {
        f"weight_{kind}_l0{suffix}": np.concatenate(
            [np.eye(hidden), np.ones((hidden, 2))][: 2 - (kind == "hh")], axis=1
        )
        for kind in ("ih", "hh")
        for suffix in suffixes
    }
    both = {f"{name}_l0{s}": a for name, a in (weights or {}).items() for s in suffixes}
    return case_of(config, weights=ones | both, x=np.concatenate([x, noise], axis=2), **given)


@pytest.mark.parametrize(("reverse", "state"), [(False, 1.0), (True, 0.75)])
def test_power_by_hand(reverse: bool, state: float) -> None:
    """Two steps, three rows, one unit; the last row has no bound. Of four elements, those that
    move by more than 0.7.

    bias: all by 1/2. input: by 4, 2, 5 and 1/2. row: by infinity and 0, by 1/2 and 6 1/4. state:
    forward by -1, -3, then -1, 2 3/4; in reverse by 1, -2 3/4, then -2, -1/4.
    """
    x = [[[4.0], [2.0], [np.inf]], [[5.0], [0.5], [np.inf]]]
    early, late = [[1.0], [3.0], [0.0]], [[2.0], [0.25], [0.5]]
    given, seen = (late, early) if reverse else (early, late)
    actual = np.zeros((2, 3, 2))
    actual[1 if reverse else 0, :, int(reverse)] = np.ravel(seen)
    case = wide_case(
        x, h_0=[given] * 2, weights={"bias_ih": [1.0], "bias_hh": [0.5]}, bidirectional=True
    )
    expected = {"bias": 0.0, "input": 0.75, "row": 0.25, "state": state}
    assert power(case, actual, reverse) == expected
    result = judged(case, actual)[int(reverse)]
    assert (result.verdict, result.power) == ("fail", expected)


@pytest.mark.parametrize("bias", [-1.0, 1.0])
def test_power_downwards_and_upwards(bias: float) -> None:
    """A bias of -1 or 1 leaves the interval to either side."""
    case = relu_case([[[4.0]]], weights={"bias_hh_l0": [bias]})
    assert power(case, [[[4.0]]]) == {"bias": 1.0, "input": 1.0}


@pytest.mark.parametrize(("x", "bias"), [(4.0, -6.0), (-6.0, 4.0)])
def test_power_takes_away_what_a_fault_drops(x: float, bias: float) -> None:
    """a = -2: without 4 it is -6, which is 0 to relu as well; with 4 twice it would not be."""
    case = relu_case([[[x]]], weights={"bias_hh_l0": [bias]})
    dropped = "input" if x > 0 else "bias"
    assert power(case, [[[0.0]]])[dropped] == 0


@pytest.mark.parametrize(("reverse", "share"), [(False, 3 / 4), (True, 2 / 4)])
def test_power_of_a_state_too_old_in_four_steps(reverse: bool, share: float) -> None:
    """The states before are 4, 6, 6 and 0. Forward they change by 0 - 4, 4 - 6, 0, 6 - 0; in
    reverse by 6 - 4, 0, 0 - 6, 0.
    """
    before = np.array([4.0, 6, 6, 0])
    actual = np.zeros((4, 1, 2))
    if reverse:
        actual[1:, 0, 1] = before[:-1]
    else:
        actual[:-1, 0, 0] = before[1:]
    h_0 = np.full((2, 1, 1), before[-1 if reverse else 0])
    case = wide_case(np.full((4, 1, 1), 9.0), h_0=h_0, bidirectional=True)
    assert power(case, actual, reverse)["state"] == share


def test_power_is_asked_only_for_faults_that_can_occur() -> None:
    recurrent = {"weight_hh_l0": [[1.0]]}
    one: Any = {"bias": False, "weights": recurrent}
    assert power(relu_case([[[4]]], **one), [[[4]]]) == {"input": 1.0}
    found = power(relu_case([[[4]]], h_0=[[[1]]], **one), [[[5]]])
    assert found == {"input": 1.0, "state": 1.0}
    assert power(relu_case([[[4]], [[4]]], **one), [[[4]], [[8]]]) == {"input": 1.0, "state": 0.5}
    found = power(relu_case([[[4], [4]]], h_0=[[[0], [0]]], **one), [[[4], [4]]])
    assert found == {"input": 1.0, "state": 0.0}  # of equal rows none can be taken for another


def test_nothing_compared_has_no_power() -> None:
    assert power(relu_case([[[np.inf]]], bias=False), [[[4]]]) == {"input": 0.0}
    assert power(relu_case([[[4]]], lengths=[0], bias=False), [[[4]]]) == {}


def test_power_where_equality_is_asked_for() -> None:
    """a = 4, 4, -1 and 4, of which the last is not compared; 4, 1/4, 4 and 4 come from x."""
    x = [[[4, 0.25, 4, 4]]]
    case = wide_case(x, weights={"bias_ih": [0, 3.75, -5, 0]})
    exact = np.array([[[True, True, True, False]]])
    assert power(case, np.zeros((1, 1, 4)), exact=exact)["input"] == 2 / 3
    assert power(case, np.zeros((1, 1, 4)))["input"] == 2 / 4


E = 2.0**-21
"""Of 4 passed on in float32: two roundings, an ulp of 4."""


def failing(reverse: bool) -> Comparison:
    """Four steps, two rows, two units; a = 4. Wrong are both units of row 0 at step 1, unit 0 of
    it at step 2, and unit 1 of row 1 at step 2; two elements have no bound, and one lies at the
    very end of its interval.
    """
    own = np.full((4, 2, 2), 4.0)
    own[1, 0] = 5.0, 4.75
    own[2, 0, 0] = own[2, 1, 1] = 3.25
    own[0, 0, 0] = 99.0
    own[3, 1, 0] = 4 + E
    x = np.full((4, 2, 2), 4.0)
    x[0, 0, 0] = np.inf
    right = np.full((4, 2, 2), 4.0)
    identity = {"weight_ih_l0_reverse": np.eye(2)}
    case = relu_case(x, bidirectional=True, bias=False, weights=identity)
    sides = [right, own] if reverse else [own, right]
    return judged(case, np.concatenate(sides, axis=2))[int(reverse)]


@pytest.mark.parametrize(
    ("reverse", "first", "value", "conditional"),
    [(False, (1, 0, 0), 5, 1), (True, (2, 0, 0), 3.25, 2)],
)
def test_residual_by_hand(
    reverse: bool, first: tuple[int, int, int], value: float, conditional: int
) -> None:
    """After the first wrong step of its own row, in the direction's own order, an element is
    wrong on a condition."""
    result, side = failing(reverse), "reverse" if reverse else "forward"
    assert result.part == f"layer 0 {side}"
    assert (result.verdict, result.cause) == ("fail", "unexplained")
    assert (result.compared, result.failing, result.undefined) == (14, 4, 2)
    assert result.conditional == conditional
    judged_as: Any = {"expected": 4.0, "pre_activation": 4.0}
    assert result.first == Worst("output", 0, side, *first, actual=value, **judged_as)
    bound: Any = pytest.approx(E, rel=1e-5)
    worst = Worst("output", 0, side, 1, 0, 0, actual=5.0, bound=bound, **judged_as)
    assert result.worst == worst
    assert result.message == "4 of 14 states cannot come from the equation"
    assert result.power == {"input": 1.0, "row": 0.0, "state": 0.0}


@pytest.mark.parametrize(("lengths", "undefined"), [(None, 1), ([2, 3], 0)])
def test_padding_is_not_counted_as_undefined(lengths: Any, undefined: int) -> None:
    x = np.full((3, 2, 1), 4.0)
    x[2, 0] = np.inf
    (result,) = judged(relu_case(x, lengths=lengths), np.full((3, 2, 1), 9.0))
    assert (result.verdict, result.undefined) == ("fail", undefined)


def test_flushing_explains_a_smallest_normal_number_for_each_operation() -> None:
    """1 term: 2 results; factors of magnitude 1; the state itself: 4 in all, around a = 10."""
    one = 2.0**-18
    actual = TINY * np.array([[[6, 6 - one, 14, 14 + one]]])
    case = relu_case(np.full((1, 1, 4), 10 * TINY))
    flushed, other = judged(case, actual, measured(flushes=True, name="relu"))
    assert (flushed.cause, flushed.failing, flushed.compared) == ("flush", 2, 2)
    assert (other.cause, other.failing, other.compared) == ("unexplained", 2, 2)
    assert {flushed.verdict, other.verdict} == {"fail"}
    for own in (measured(name="relu"), None):
        assert [r.cause for r in judged(case, actual, own)] == ["unexplained"]


def test_an_activation_explains_the_errors_measured_over_the_interval() -> None:
    """a = 1, errors of -1/2 and 1, and half of the jump between them more: from -1/4 to 11/4."""
    near = np.linspace(0.75, 1.25, 2 * BESIDE)
    points = np.array([-9, 0.25, *near, 1.75, 9])
    values = np.maximum(points, 0) + np.array([7, 7, *np.where(near < 1, -0.5, 1), 7, 7])
    own = OwnActivations({"relu": OwnActivation("relu", points, values, FORMATS["fp32"], False)})
    one = 2.0**-20
    case = relu_case(np.ones((1, 1, 4)))
    explained, other = judged(case, [[[-0.25, -0.25 - one, 2.75, 2.75 + one]]], own)
    assert (explained.cause, explained.failing, explained.compared) == ("activation", 2, 2)
    assert (other.cause, other.failing, other.compared) == ("unexplained", 2, 2)
    assert explained.worst is not None
    assert explained.worst.unit == 2


def test_an_element_has_one_cause_and_right_ones_stand_in_every_comparison() -> None:
    """Wrong by 4 smallest numbers, by 1, by 9, and not at all."""
    own = measured(flushes=True, error=1.0, name="relu")
    case = relu_case(np.zeros((1, 1, 4)))
    found = judged(case, [[[4 * TINY, 1.0, 9.0, 0.0]]], own)
    assert [(r.cause, r.compared, r.failing) for r in found] == [
        ("flush", 2, 1), ("activation", 2, 1), ("unexplained", 2, 1),
    ]  # fmt: skip


def test_a_residual_that_nothing_would_have_shown_is_inconclusive() -> None:
    """Inputs of 1/4 and 1/8, less than what the other terms may err."""
    case = wide_case([[[0.25], [0.125]]], bias=False)
    (result,) = judged(case, [[[0.25], [0.125]]])
    assert (result.verdict, result.cause) == ("inconclusive", None)
    assert result.message == "no element would have shown: input, row"
    case = relu_case([[[4.0], [2.0]]], bias=False)
    (result,) = judged(case, [[[4 + E], [2.0]]])
    assert (result.verdict, result.message) == ("pass", "")
    assert result.ratio == pytest.approx(1, rel=1e-5)
    assert result.power == {"input": 1.0, "row": 1.0}


def test_flushing_is_excused_beside_the_five_ulp_of_tanh() -> None:
    """Of 3 smallest normal numbers, 3 * 2^-126, an ulp is 2^-148; and one number more is stored."""
    config, ulp = Config.of(input_size=2, hidden_size=2), 2.0**-148
    case = case_of(config, weights={"weight_ih_l0": np.eye(2)})
    actual = 4 * TINY + np.array([[[4 * ulp, 6 * ulp]]])
    found = judged(case, actual, measured(flushes=True))
    assert [(r.cause, r.failing) for r in found] == [("flush", 1), ("unexplained", 1)]


def test_layers_after_one_that_was_not_seen_conclude_nothing() -> None:
    """Of three layers the input of the second was not seen: it and the third are open."""
    config = Config.of(nonlinearity="relu", num_layers=3, bidirectional=True)
    final = np.zeros((6, 1, 1))
    nine = np.full((1, 1, 2), 9.0)
    hidden = outputs_of(nine, final[:2] + 1), outputs_of(nine, final[:4])
    found = list(step_residual(evidence_of(config, outputs_of(nine, final), hidden=hidden)))
    sides = [f"layer {layer} {side}" for layer in range(3) for side in ("forward", "reverse")]
    assert [r.part for r in found] == sides
    expected = [("fail", "unexplained")] * 2 + [("inconclusive", None)] * 4
    assert [(r.verdict, r.cause) for r in found] == expected
    message = "the stack's own hidden states were not seen: a shorter stack gives other bits"
    assert {r.message for r in found[2:]} == {message}
    assert [r.failing for r in found] == [1] * 6


def test_a_state_a_little_beyond_its_bound_is_a_failure_in_every_word() -> None:
    """Of a = 4 the bound is 12 of 2^-24, or little more, and 16 of them are the next but one."""
    (result,) = judged(relu_case([[[4.0]]], bias=False), [[[4 + 2.0**-20]]])
    assert result.ratio is not None
    assert 1 < result.ratio < 2
    assert (result.verdict, result.cause) == ("fail", "unexplained")
    assert result.message == "1 of 1 states cannot come from the equation"
