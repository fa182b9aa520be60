"""Dropout, from answers written by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.checks.dropout_independent import dropout_independent
from harness.checks.dropout_inert import dropout_inert
from harness.checks.dropout_none import dropout_none
from harness.checks.dropout_rate import dropout_rate
from harness.checks.dropout_states import dropout_states
from harness.checks.dropout_values import dropout_values
from harness.checks.initial_mode import initial_mode
from harness.comparison import Comparison
from harness.config import Config
from harness.data import NUMPY_DTYPES
from harness.judging.dropout_calls import each_call, kept_values
from harness.observe import DropoutCalls, Outputs
from harness.verdicts import Verdict
from reference import FORMATS
from reference.arrays import Array
from tests.synthetic import wording
from tests.synthetic_dropout import BOTH, DROPPING, ONE_LAYER, answer, dropping, only


def test_evaluation_mode_is_without_dropout() -> None:
    assert [wording(r) for r in dropout_inert(dropping())] == [
        ("evaluation mode", "pass", 24, "", None, 0.0),
        ("evaluation mode after training", "pass", 24, "", None, 0.0),
    ]
    for other in (answer(3), answer(1, 3)):
        one, two = dropout_inert(dropping(without=other))
        message = "in evaluation mode the answer is not that of the same layer with dropout 0"
        assert wording(one) == ("evaluation mode", "fail", 24, message, "unexplained", math.inf)
        assert two.verdict == "pass"
        one, two = dropout_inert(dropping(evaluated_after=other))
        message = "evaluation mode after training mode is not what it was before"
        assert (one.verdict, two.verdict, two.message) == ("pass", "fail", message)


def test_evaluation_mode_may_round_otherwise() -> None:
    """It may have another kernel than a layer without dropout, or be planned anew."""
    near = {name: array * (1 + 2.0**-23) for name, array in answer().items()}
    near = {name: array.astype(np.float32) for name, array in near.items()}
    for evidence in (dropping(without=near), dropping(evaluated_after=near)):
        assert [one.verdict for one in dropout_inert(evidence)] == ["pass", "pass"]


def test_training_mode_of_one_layer_or_without_dropout() -> None:
    found = list(dropout_none(dropping(ONE_LAYER, trained=(answer(), answer(3)))))
    message = "training mode changes an answer that no dropout applies to"
    assert [wording(r) for r in found] == [
        ("training mode, call 1", "pass", 24, "", None, 0.0),
        ("training mode, call 2", "fail", 24, message, "unexplained", math.inf),
    ]
    assert {r.requirement for r in found} == {"dropout-one-layer"}
    none = DROPPING.replace(dropout=0)
    assert {r.requirement for r in dropout_none(dropping(none))} == {"dropout-extremes"}
    for share in (1, 50):
        some = DROPPING.replace(dropout=share)
        assert list(dropout_none(dropping(some))) == []
    for check in (dropout_values, dropout_rate, dropout_independent, dropout_states):
        assert list(check(dropping(ONE_LAYER))) == list(check(dropping(none))) == []


RELU = DROPPING.replace(nonlinearity="relu", hidden_size=4, batch=1, steps=1)


def kept(values: list[float], config: Config = RELU, state: float = 3.0) -> Comparison:
    first = only(np.full((1, 1, 4), state), np.zeros((1, 1, 4)))
    trained = only([[values]], np.zeros((2, 1, 4)))
    result, other = dropout_values(dropping(config, first=first, trained=(trained, first)))
    assert (result.part, other.part) == ("kept values, call 1", "kept values, call 2")
    return result


def test_kept_values_are_scaled() -> None:
    """3 / (1 - 1/2) = 6, up to some ulp of 2^-21."""
    near = 6 + 4 * 2.0**-21
    result = kept([0, 6, near, 0])
    assert (result.verdict, result.compared, result.message, result.cause) == ("pass", 4, "", None)
    assert result.requirement is None
    result = kept([0, 6, 3, 12])
    assert (result.verdict, result.failing, result.cause) == ("fail", 2, "unexplained")
    assert result.message == "2 elements are neither 0 nor the value over 1 - p"
    result = kept([0, 0, 0, 0])
    assert (result.verdict, result.ratio) == ("inconclusive", 0)
    assert result.message == "everything was dropped: no kept value was seen"
    for share, requirement in ((89, None), (90, "dropout-extremes")):
        assert kept([0] * 4, RELU.replace(dropout=share)).requirement == requirement


def test_kept_values_in_all_their_numbers() -> None:
    """4 becomes 8: an ulp above is 2^-20, below 2^-21; dropped ones are 0, as they should be."""
    u, gamma = 2.0**-24, 2 / (2.0**24 - 2) + 1 / (2.0**53 - 1)
    right = kept([0, 8, 0, 8], state=4)
    assert (right.ratio, right.max_abs) == (0, 0)
    above = 8 * (1 + 4 * u) / (1 - u) * (1 + gamma) - 8 + 2.0**-20
    below = 8 - 8 * (1 - 4 * u) / (1 + u) * (1 - gamma) + 2.0**-21
    for value, bound in ((8 + 2.0**-20, above), (8 - 2.0**-21, below)):
        result = kept([0, 8, value, 0], state=4)
        assert (result.verdict, result.max_abs) == ("pass", abs(value - 8))
        assert result.ratio == pytest.approx(abs(value - 8) / bound, rel=1e-6, abs=0)


def test_that_nothing_was_scaled_shows_where_the_state_itself_is_no_kept_value() -> None:
    """The smallest number may be doubled or not; 3 may not. Dropped elements show nothing."""
    eta = 2.0**-149
    first = only([[[eta, eta, 3, 3]]], np.zeros((1, 1, 4)))
    two = 2 * eta
    for values, share in (
        ([two, two, 6, 6], 0.5), ([0, two, 6, 0], 0.25), ([two, two, 0, 0], 0)
    ):  # fmt: skip
        (result,) = dropout_values(dropping(RELU, first=first, trained=(only([[values]]),)))
        assert result.power == {"unscaled": share}
        assert result.verdict == ("pass" if share else "inconclusive")


@pytest.mark.parametrize("sign", [1, -1])
def test_kept_values_of_tanh_lie_around_them_to_both_sides(sign: int) -> None:
    """tanh of twice the state is 1/4 + 2^-20, or the opposite; its slope is 15/16.

    Away from 0 by 5 u of a and gamma_2, about 2 u, and by 5 ulp, 2^-25 each, and once more one.
    Towards 0 by as much. As a number of twice the size is allowed, so is its opposite.
    """
    u, value = 2.0**-24, 0.25 + 2.0**-20
    a = math.atanh(value)
    config = RELU.replace(nonlinearity="tanh")
    expected, low, high = kept_values(dropping(config), np.full((1, 1, 4), sign * a / 2), 1)
    assert expected.flat[0] == pytest.approx(sign * value, rel=1e-15, abs=0)
    off = 7 * u * a * 15 / 16 + 6 * 2.0**-25
    assert low.flat[0] == pytest.approx(sign * value - off, rel=0, abs=2.0**-40)
    assert high.flat[0] == pytest.approx(sign * value + off, rel=0, abs=2.0**-40)


def test_kept_values_of_both_directions_stand_where_they_stood() -> None:
    """Each direction passes on its own: of relu twice the state."""
    state = np.arange(1.0, 9.0).reshape(1, 1, 8)
    found = kept_values(dropping(RELU.replace(bidirectional=True)), state, 1)
    for array in found:
        assert array == pytest.approx(2 * state, rel=1e-5)


@pytest.mark.parametrize("dropout", [1, 50, 99])
@pytest.mark.parametrize("dtype", ["fp16", "fp32", "fp64"])
def test_p_may_be_held_in_float32_or_in_the_layers_precision(dtype: str, dropout: int) -> None:
    """And so may 1 - p, and 1 / (1 - p); of what is scaled otherwise no more is allowed."""
    config = RELU.replace(dropout=dropout, dtype=dtype)
    state = np.full((1, 1, 4), 3.0)
    expected, low, high = (a.flat[0] for a in kept_values(dropping(config), state, 1))
    for held in (np.float32, NUMPY_DTYPES[dtype].type):
        scale = held(1) / (held(1) - held(dropout / 100))
        for kept in (3.0 * float(scale), 3.0 / float(held(1) - held(dropout / 100))):
            assert low <= kept <= high, held
    p, u = dropout / 100, max(2.0**-24, FORMATS[dtype].unit_roundoff)
    assert max(high - expected, expected - low) <= 1.1 * expected * u * (8 + 2 * p / (1 - p))


def test_kept_values_of_the_smallest_numbers() -> None:
    """4 eta become 8: a term may lose eta / 2, as much for its weight of 1, and one ulp of eta."""
    eta = 2.0**-149
    expected, low, high = kept_values(dropping(RELU), np.full((1, 1, 4), 4 * eta), 1)
    found = [array.flat[0] / eta for array in (low, expected, high)]
    assert found == pytest.approx([6, 8, 10], rel=1e-5, abs=0)


@pytest.mark.parametrize("config", [DROPPING, BOTH], ids=lambda config: config.id[9:25])
def test_states_are_not_dropped(config: Config) -> None:
    """relu: after a dropout of 1/2 the first layer's output is doubled, or 0."""
    config = config.replace(nonlinearity="relu", steps=3)
    sides = config.directions
    output = np.arange(18.0 * sides).reshape(3, 3, 2 * sides).astype("f")
    first = np.arange(6.0 * sides).reshape(sides, 3, 2).astype("f")
    ends = [output[-1][:, :2], output[0][:, 2:]][:sides]
    h_n = np.concatenate([first, np.stack(ends)])

    def found(h_n: Array) -> list[tuple[Any, ...]]:
        trained = only(output, h_n), only(output, np.concatenate([first, np.stack(ends)]))
        given = {"first": only(output / 2, first), "trained": trained}
        return [wording(r) for r in dropout_states(dropping(config, **given))]

    right = [(f"h_n, call {k}", "pass", h_n.size, "", None, 0.0) for k in (1, 2)]
    assert found(h_n) == right
    for row, what in enumerate(["first layer's state"] * sides + ["last output"] * sides):
        wrong = h_n.copy()
        wrong[row, 2, 1] += 1
        message = f"h_n is not the {what}"
        failed = ("h_n, call 1", "fail", h_n.size, message, "unexplained", math.inf)
        assert found(wrong) == [failed, right[1]]


@pytest.mark.parametrize("side", [0, 1])
def test_states_between_are_kept_by_all_dropouts_below_or_zero(side: int) -> None:
    """relu, three layers: 3 after the first, 6 after the second, 12 after the third."""
    config = BOTH.replace(nonlinearity="relu", num_layers=3, steps=3)

    def verdict(between: float, last: float) -> tuple[str, str]:
        h_n = np.zeros((6, 3, 2), "f")
        h_n[side], h_n[2 + side, 1, 1], h_n[4 + side, 1, 1] = 3, between, last
        output = np.zeros((3, 3, 4), "f")
        output[0 if side else -1, 1, 2 * side + 1] = last
        of_first = np.zeros((3, 3, 4), "f")
        of_first[0 if side else -1, :, 2 * side : 2 * side + 2] = 3
        first = only(of_first, h_n[:2])
        trained = (only(output, h_n),)
        (result,) = dropout_states(dropping(config, first=first, trained=trained))
        return result.verdict, result.message

    fails = "fail", "h_n is not the state of a layer between"
    for right in ((6, 12), (6, 0), (0, 0)):
        assert verdict(*right) == ("pass", "")
    for wrong in ((0, 12), (3, 12), (12, 12)):
        assert verdict(*wrong) == fails
    for of_outputs in ((6, 6), (6, 13)):  # the last layer's states are outputs
        assert verdict(*of_outputs) == ("pass", "")


def test_each_layer_between_has_states_of_its_own() -> None:
    """relu, four layers of one unit and step: 3, 6, 12 and 24."""
    config = RELU.replace(num_layers=4, hidden_size=1)

    def verdict(*states: float) -> str:
        h_n = np.reshape(states, (4, 1, 1))
        first, trained = only([[[3]]], h_n[:1]), only(h_n[3:], h_n)
        (result,) = dropout_states(dropping(config, first=first, trained=(trained,)))
        return result.verdict

    assert verdict(3, 6, 12, 24) == verdict(3, 6, 0, 0) == "pass"
    assert verdict(3, 12, 12, 24) == verdict(3, 6, 6, 24) == "fail"


def test_that_nothing_was_dropped_shows_only_in_what_is_not_zero() -> None:
    """h_n where it is evaluated, of 12 numbers; the output, of 12."""
    some, config = answer(), DROPPING.replace(nonlinearity="relu")
    some["output"][0, 0, 0] = some["h_n"][:, 0] = 0
    one, two = dropout_inert(dropping(evaluated=some, without=some, evaluated_after=some))
    assert one.power == two.power == {"dropped": 11 / 12}
    nothing = answer(0, 0)
    one, _ = dropout_inert(dropping(evaluated=nothing, without=nothing, evaluated_after=nothing))
    assert (one.verdict, one.message) == ("inconclusive", "no element would have shown: dropped")
    given = {"first": only(nothing["output"], nothing["h_n"][:1]), "trained": (nothing,)}
    (result,) = dropout_states(dropping(config, evaluated=some, **given))
    assert (result.verdict, result.power) == ("pass", {"dropped": 8 / 12})


def test_the_mode_of_a_new_layer() -> None:
    config = DROPPING.replace(dropout=10)

    def found(built: Outputs, config: Config = config) -> list[tuple[Any, ...]]:
        return [wording(r) for r in initial_mode(dropping(config, as_built=(built, answer())))]

    some = answer()
    some["output"][0, 0, 0] = 0
    assert found(some) == [("a fresh layer", "pass", 12, "drops", None, 0.0)]
    message = "a fresh layer does not drop until it is switched to training mode"
    assert found(answer()) == [("a fresh layer", "fail", 12, message, "mode", None)]
    assert found(answer(2)) == [("a fresh layer", "fail", 12, message, "unexplained", None)]
    (result,) = initial_mode(dropping(config, as_built=(some, some)))
    assert result.cause == "mode"
    for other in (DROPPING.replace(dropout=9), ONE_LAYER):
        assert found(some, other) == []
    assert list(initial_mode(dropping(config))) == []


def test_of_later_calls_the_worst_is_reported() -> None:
    """The fourth is right, the fifth has two values that are none."""
    first = only(np.full((1, 1, 4), 3.0), np.zeros((1, 1, 4)))
    right, wrong = (
        only([[values]], np.zeros((2, 1, 4))) for values in ([0, 6, 6, 0], [0, 6, 3, 12])
    )
    given: dict[str, Any] = {"first": first, "trained": (right, right, right)}
    *_, later = dropout_values(dropping(RELU, **given, later=(right, wrong)))
    assert (later.part, later.verdict, later.compared) == ("kept values, later calls", "fail", 8)
    assert later.message == "call 5: 2 elements are neither 0 nor the value over 1 - p"
    none = DROPPING.replace(dropout=0)
    changed = dropping(none, later=(answer(), answer(), answer(3)))
    *_, later = dropout_none(changed)
    assert (later.part, later.verdict) == ("training mode, later calls", "fail")
    assert later.message.startswith("call 6: ")
    assert later.requirement == "dropout-extremes"


PASS, FAIL, UNSURE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("calls", "worst"),
    [
        ([(PASS, 0.9), (FAIL, None), (FAIL, 0.5), (PASS, 0.1)], 2),
        ([(PASS, 0.9), (FAIL, None), (UNSURE, 2.0)], 1),
        ([(UNSURE, 0.9), (PASS, 0.5), (PASS, 0.7), (PASS, None)], 2),
        ([(UNSURE, 0.2), (UNSURE, 0.4), (UNSURE, None)], 1),
    ],
)
def test_of_later_calls_the_worst_is_named(
    calls: list[tuple[Verdict, float | None]], worst: int
) -> None:
    """A failure before a pass, and that before what is not concluded; of them the largest ratio."""
    evidence = dropping(trained=(answer(),), later=tuple(answer() for _ in calls))
    observed = evidence.observation.details
    assert isinstance(observed, DropoutCalls)
    judged = [(Verdict.PASS, 0.0), *calls]
    numbers = iter(range(1, 1 + len(judged)))

    def judge(part: str, call: Outputs) -> Comparison:
        number = next(numbers)
        verdict, ratio = judged[number - 1]
        return Comparison(part, verdict, 7, f"the {number}th", ratio=ratio)

    first, later = each_call(observed, "a part", judge)
    assert (first.part, first.message) == ("a part, call 1", "the 1th")
    verdict, ratio = calls[worst]
    message = f"call {worst + 2}: the {worst + 2}th"
    expected = ("a part, later calls", verdict, 7 * len(calls), message, None, ratio)
    assert wording(later) == expected
