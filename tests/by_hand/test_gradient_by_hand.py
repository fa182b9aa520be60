"""Verdicts about gradients, from stated values and bounds: each number is worked out here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.causes import Cause
from harness.checks.gradient import _judge, _power, _signs
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.gradients import by_flushing, gradient_place, gradient_ratio
from harness.probes import Probe
from harness.verdicts import Verdict
from reference import Bounded
from tests.synthetic import evidence_of, measured, relu_case, right_evidence


def bounded(value: object, bound: object) -> Bounded:
    return Bounded(np.array(value, np.float64), np.array(bound, np.float64))


def judged(
    actual: list[float],
    gradient: Bounded,
    forgiven: dict[Cause, Bounded] | None = None,
    exact: list[bool] | None = None,
    evidence: Evidence | None = None,
    off: dict[Probe, Any] | None = None,
) -> list[Comparison]:
    found = _judge(
        evidence or evidence_of(Config.of()),
        "bias_ih_l0",
        np.array(actual, np.float64),
        gradient,
        forgiven or {},
        None if exact is None else np.array(exact),
        {name: np.array(change) for name, change in (off or {}).items()},
    )
    return list(found)


def test_ratio_is_error_over_bound() -> None:
    ratio = gradient_ratio(
        np.array([1, 2.5, 0.5, 3, 4]), bounded([1, 2, 1, 3, 3], [0, 0.25, 0.25, 1, 0])
    )
    assert ratio.tolist() == [0, 2, 2, 0, math.inf]
    narrow = gradient_ratio(np.array([1], np.float16), bounded([1 + 2.0**-40], [2.0**-40]))
    assert narrow.tolist() == [1]


def test_power_is_the_share_of_signs_and_values_that_would_show() -> None:
    """Beyond its bound of 1 an element is not 0; beyond half of it, it cannot be its opposite."""
    value, bound = np.array([4, -1, 0.5, -0.75, 9]), np.ones(5)
    defined = np.array([True, True, True, True, False])
    assert _power(value, bound, defined, {}) == {"sign": 0.75, "zero": 0.25}
    assert _power(value, bound, ~defined, {}) == {"sign": 1.0, "zero": 1.0}
    assert _power(value, bound, np.zeros(5, bool), {}) == {"sign": 0.0, "zero": 0.0}
    # Rows that change the four by 2, 1, -1, -3 and by 0, 0, 2 and not at all.
    off = {
        Probe.ROW: np.array([[2, 1, -1, -3, 9], [0, 0, 2, 0, 9]]),
        Probe.CARRY: np.array([1.5, 0, -1.5, 0, 9]),
    }
    found = _power(value, bound, defined, off)
    assert (found[Probe.ROW], found[Probe.CARRY]) == (3 / 8, 0.5)


def test_a_failing_gradient_in_all_its_numbers() -> None:
    """Off by 0, 1/2 of 1/2, 2 of 1/2; the last has no bound."""
    (result,) = judged([1, 2.5, 5, 7], bounded([1, 2, 3, 4], [0.25, 0.5, 0.5, math.inf]))
    assert (result.part, result.verdict, result.cause) == ("bias_ih_l0", "fail", "unexplained")
    assert (result.compared, result.failing, result.undefined, result.ratio) == (3, 1, 1, 4)
    assert result.message == "1 of 3 elements beyond what rounding allows"
    assert result.requirement == "gradient-parameters"
    assert result.power == {"sign": 1.0, "zero": 1.0}
    where = Worst("gradient of bias_ih_l0", 0, "forward", unit=2, actual=5, expected=3, bound=0.5)
    assert result.worst == where
    (result,) = judged([1.25, 2], bounded([1, 2], [0.25, 0.25]))
    assert (result.verdict, result.cause, result.message, result.ratio) == ("pass", None, "", 1)


def test_a_gradient_that_may_overflow_has_no_bound() -> None:
    for size, verdict in ((65440 + 63, "fail"), (65440 + 64, "inconclusive")):
        (result,) = judged(
            [0], bounded([size - 32], [32]), evidence=evidence_of(Config.of(dtype="fp16"))
        )
        assert result.verdict == verdict
    for value, bound in ((math.nan, 1), (1, math.nan), (math.inf, 1), (1, math.inf)):
        (result,) = judged([0], bounded([value], [bound]))
        assert (result.verdict, result.undefined) == ("inconclusive", 1)


def test_each_element_has_one_cause() -> None:
    """Off by 0, 2, 3 and 4 from 1: one bound forgives 2, the other 3, both from where they lie."""
    gradient = bounded([1, 1, 1, 1], [0.5] * 4)
    forgiven = {Cause.FLUSH: bounded([1] * 4, [2] * 4), Cause.ACTIVATION: bounded([2] * 4, [2] * 4)}
    found = judged([1, 3, 4, 5], gradient, forgiven)
    causes = [(r.cause, r.verdict, r.compared, r.failing, r.ratio) for r in found]
    assert causes == [
        ("flush", "fail", 2, 1, 4),
        ("activation", "fail", 2, 1, 6),
        ("unexplained", "fail", 2, 1, 8),
    ]
    assert {r.requirement for r in found} == {"gradient-parameters"}


def test_sums_of_small_integers_are_asked_to_be_equal() -> None:
    gradient = bounded([1, 1], [0.5, 0.5])
    (result,) = judged([1.25, 1.25], gradient, exact=[True, False])
    assert (result.verdict, result.failing, result.ratio) == ("fail", 1, math.inf)
    off = {Probe.ROW: [0.25, 0.25]}  # within the bound of the second
    (result,) = judged([1, 1.25], gradient, exact=[True, False], off=off)
    assert (result.verdict, result.ratio) == ("pass", 0.5)
    assert result.power == {"row": 0.5, "sign": 1, "zero": 1}


def test_a_gradient_that_a_fault_would_leave_within_its_bound_proves_nothing() -> None:
    gradient = bounded([4, 4], [1, 2])
    (result,) = judged([4, 4], gradient, off={Probe.STEP: [1, 2], Probe.ROW: [1, 3]})
    assert (result.verdict, result.message) == ("inconclusive", "no element would have shown: step")
    assert list(result.power.items()) == [("row", 0.5), ("sign", 1), ("step", 0), ("zero", 1)]


def test_the_gradient_of_padding_is_not_judged_here() -> None:
    evidence = evidence_of(relu_case(np.zeros((2, 1, 1)), lengths=[1]))
    x = bounded([[[1.0]], [[1.0]]], [[[0.5]], [[0.5]]])
    (result,) = _judge(evidence, "x", np.array([[[1.0]], [[9.0]]]), x, {}, None, {})
    assert (result.verdict, result.compared, result.undefined) == ("pass", 1, 1)
    assert result.requirement == "gradient-x"
    h_0 = bounded([[[1.0]]], [[[0.5]]])
    (result,) = _judge(evidence, "h_0", np.array([[[9.0]]]), h_0, {}, None, {})
    assert (result.verdict, result.requirement) == ("fail", "gradient-h-0")


def worst_of(result: Comparison) -> Worst:
    assert result.worst is not None
    return result.worst


def signs(actual: list[float], excuses: Any = None) -> Comparison:
    """Of 2, -2, 1 and 1/2, all within 1: only the first two signs are proven. x has none wrong."""
    found = {"x": np.array([[[3.0]]]), "bias_hh_l0_reverse": np.array(actual)}
    expected = {
        "x": bounded([[[2.0]]], [[[1.0]]]),
        "bias_hh_l0_reverse": bounded([2, -2, 1, 0.5], [1, 1, 1, 1]),
    }
    return _signs(evidence_of(Config.of()), found, expected, excuses or {})


def test_proven_signs_that_hold() -> None:
    result = signs([0.5, -0.5, -1, -1])
    assert result == Comparison(
        "signs", Verdict.PASS, 3, ratio=0.0, power={Probe.SIGN: 3 / 5}, requirement="gradient-signs"
    )
    assert signs([0, 0, 0, 0]).verdict == "pass"


def test_proven_signs_that_are_flipped() -> None:
    assert signs([3, 0.25, -9, -9]) == Comparison(
        "signs",
        Verdict.FAIL,
        3,
        message="1 of 3 proven signs are flipped",
        cause=Cause.UNEXPLAINED,
        ratio=math.inf,
        worst=Worst(
            "gradient of bias_hh_l0_reverse", 0, "reverse", unit=1,
            actual=0.25, expected=-2.0, bound=1.0,
        ),
        failing=1,
        power={Probe.SIGN: 3 / 5},
        requirement="gradient-signs",
    )  # fmt: skip
    both = signs([-3, 0.25, 0, 0])
    assert (both.failing, worst_of(both).unit) == (2, 0)


def test_flipped_signs_have_a_cause_only_where_it_explains_them_all() -> None:
    def excused(bound: list[float]) -> Any:
        return {Cause.ACTIVATION: {"bias_hh_l0_reverse": bounded([2, -2, 1, 0.5], bound)}}

    assert signs([-3, 0.25, 0, 0], excused([5, 2.25, 0, 0])).cause == "activation"
    assert signs([-3, 0.25, 0, 0], excused([5, 2, 0, 0])).cause == "unexplained"
    assert signs([-3, 0.25, 0, 0], excused([4, 9, 9, 9])).cause == "unexplained"
    flush = {Cause.FLUSH: {"bias_hh_l0_reverse": bounded([0] * 4, [9] * 4)}}
    assert signs([-3, 0.25, 0, 0], flush).cause == "flush"
    assert signs([-10, 0.25, 0, 0], flush).cause == "unexplained"
    both = flush | excused([5, 2.25, 0, 0])
    assert signs([-3, 0.25, 0, 0], both).cause == "activation"


def test_one_wrong_sign_without_an_excuse_is_enough() -> None:
    """x is wrong beyond what is forgiven, the other within; and the other way round."""
    good, poor = bounded([[[2.0]]], [[[9.0]]]), bounded([[[2.0]]], [[[0.5]]])
    found = {"x": np.array([[[-3.0]]]), "h_0": np.array([[[-4.0]]])}
    expected = {"x": bounded([[[2.0]]], [[[1.0]]]), "h_0": bounded([[[2.0]]], [[[1.0]]])}
    for pair, cause in (
        ((good, good), "activation"), ((good, poor), "unexplained"),
        ((poor, good), "unexplained"), ((poor, poor), "unexplained"),
    ):  # fmt: skip
        excuses = {Cause.ACTIVATION: dict(zip(("x", "h_0"), pair, strict=True))}
        result = _signs(evidence_of(Config.of()), found, expected, excuses)
        assert (result.cause, result.failing, result.compared) == (cause, 2, 2)
        assert worst_of(result).output == "gradient of x"


def subnormal_state(own: Any) -> Evidence:
    """A state of 2^-127, whose cotangent is 4: its slope is 1, or 0 where it is flushed."""
    case = relu_case([[[2.0**-127]]], aspect="gradient")
    given = {"output": np.full((1, 1, 1), 4.0, "f"), "h_n": np.zeros((1, 1, 1), "f")}
    return right_evidence(dataclasses.replace(case, given_cotangents=given), own)


def test_gradients_are_those_of_flushing_where_all_are_and_it_was_measured() -> None:
    flushes = subnormal_state(measured(flushes=True, name="relu"))
    derivatives = flushes.observation.derivatives
    assert derivatives is not None
    right: Mapping[str, Any] = derivatives.found
    assert right["bias_ih_l0"].tolist() == [4]
    nothing = {name: 0 * array for name, array in right.items()}
    other = {name: np.full_like(array, 7) for name, array in right.items()}
    assert by_flushing(flushes, right, other)
    assert by_flushing(flushes, nothing, other)
    for wrong in ([9.0], [-1.0], [math.nan]):
        assert not by_flushing(flushes, nothing | {"bias_ih_l0": np.array(wrong, "f")}, other)
    undefined = nothing | {"bias_ih_l0": np.array([math.nan], "f")}
    assert by_flushing(flushes, undefined, undefined)  # what is the same needs no explanation
    for own in (None, measured(name="relu"), measured(error=0.5, name="relu")):
        assert not by_flushing(subnormal_state(own), right, other)


def test_no_proven_sign_proves_nothing() -> None:
    found, expected = {"x": np.ones((1, 1, 1))}, {"x": bounded([[[1.0]]], [[[1.0]]])}
    result = _signs(evidence_of(Config.of()), found, expected, {})
    assert (result.verdict, result.compared, result.ratio) == ("inconclusive", 0, 0.0)
    infinite = {"x": bounded([[[math.inf]]], [[[math.inf]]])}
    assert _signs(evidence_of(Config.of()), found, infinite, {}).compared == 0


@pytest.mark.parametrize(
    ("name", "index", "expected"),
    [
        ("x", (4, 1, 2), Worst("gradient of x", step=4, batch=1, unit=2)),
        ("h_0", (2, 1, 3), Worst("gradient of h_0", 1, "forward", batch=1, unit=3)),
        ("h_0", (3, 1, 3), Worst("gradient of h_0", 1, "reverse", batch=1, unit=3)),
        ("weight_ih_l2", (5, 6), Worst("gradient of weight_ih_l2", 2, "forward", unit=5)),
        (
            "bias_hh_l1_reverse",
            (5,),
            Worst("gradient of bias_hh_l1_reverse", 1, "reverse", unit=5),
        ),
    ],
)
def test_places_of_gradients(name: str, index: tuple[int, ...], expected: Worst) -> None:
    evidence = evidence_of(Config.of(num_layers=3, bidirectional=True))
    assert gradient_place(evidence, name)(index) == expected
