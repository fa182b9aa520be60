"""The calibrated comparisons from start to end, and their excuses, on numbers made up by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from made_up import evidence_of, forward, measured, seen

from harness.causes import Cause
from harness.checks import forward_error
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.judging import excuses
from harness.judging.end_to_end import _meaningful, end_to_end
from harness.judging.excuses import Excuse
from harness.judging.last_step import LastStep
from harness.observe import Forward
from harness.probes import Probe


def both(output: Any, h_n: Any = 0.0) -> Forward:
    return Forward(np.array(output, np.float64), np.array(h_n, np.float64))


def reach(output: Any, h_n: Any = 0.0, overflow: Any = False, of_h_n: Any = False) -> LastStep:
    """What the last step may err, and where sums may overflow."""
    return LastStep(both(output, h_n), Forward(np.array(overflow), np.array(of_h_n)))


def oracle(tolerance: Forward, exact: Forward | None = None, **faulty: Forward) -> Any:
    exact = exact or Forward(tolerance.output * 0 + 8, tolerance.h_n * 0 + 8)
    return SimpleNamespace(
        exact=exact, tolerance=tolerance, faulty={Probe(name): one for name, one in faulty.items()}
    )


def end_to_end_of(excuses: Any = (), **more: Any) -> list[Comparison]:
    """One step, one row: errors 0, 1, 4, 5 and 6 with 1, 2, 2, 2 and 1 allowed of 8.

    Of what is allowed, 3/4, 1, 1/2, 2 and 0 are the calibrated tolerance, the rest the last
    step's. A fault would move the five by 1, 2.5, 2, -3 and 0: the second and fourth show it.
    """
    evidence = evidence_of(
        Config(hidden_size=5),
        forward=forward([[[8, 9, 12, 13, 14]]]),
        oracle=oracle(
            both([[[0.75, 1, 0.5, 2, 0]]]),
            both([[[8, 8, 8, 8, 8]]]),
            bias=both([[[9, 10.5, 10, 5, 8]]]),
        ),
    )
    last = reach([[[0.25, 1, 1.5, 0, 1]]], overflow=more.pop("overflow", [[[False] * 5]]))
    expected = np.full((1, 1, 5), 8.0)
    return list(end_to_end(evidence, last, "output", expected, lambda _: excuses, **more))


def excuse(cause: Cause, shift: float, extra: list[float]) -> Excuse:
    return Excuse(
        cause, Forward(np.array(shift), np.zeros(1)), Forward(np.array(extra), np.zeros(1))
    )


def test_end_to_end_without_an_excuse() -> None:
    (result,) = end_to_end_of()
    assert seen(result) == ("fail", "unexplained", 5, 3)
    assert result.message == "3 of 5 elements beyond the calibrated tolerance"
    assert (result.part, result.ratio) == ("output", 6.0)
    worst = Worst("output", 0, "forward", 0, 0, 4, actual=14.0, expected=8.0, bound=1.0)
    assert result.worst == worst
    assert result.power == {"bias": 0.4}


def test_end_to_end_each_excuse_forgives_its_own_move_and_no_more() -> None:
    """The first allows 2 more; the second moves by 3, so that 5 is 2 off, and 6 too much."""
    one, two = excuse(Cause.FLUSH, 0, [2] * 5), excuse(Cause.ACTIVATION, 3, [0] * 5)
    found = end_to_end_of([one, two])
    assert [seen(r) for r in found] == [
        ("fail", "flush", 3, 1),
        ("fail", "activation", 3, 1),
        ("fail", "unexplained", 3, 1),
    ]
    assert [r.ratio for r in found] == [2, 2.5, 6]
    assert [r.power for r in found] == [{"bias": 0.4}] * 3


def test_end_to_end_two_that_may_be_off_are_allowed_twice_as_much() -> None:
    """2, 4, 4, 4 and 2: the errors of 5 and 6 remain, and a fault of up to 3 does not show."""
    (result,) = end_to_end_of(against="another")
    assert (*seen(result), result.ratio) == ("fail", "unexplained", 5, 2, 3)
    assert result.power == {"bias": 0}


def test_end_to_end_nothing_is_compared_where_a_sum_may_overflow() -> None:
    (result,) = end_to_end_of(overflow=[[[False, False, True, True, True]]])
    assert (*seen(result), result.undefined, result.ratio) == ("pass", None, 2, 0, 3, 0.5)
    assert result.power == {"bias": 0.5}
    (result,) = end_to_end_of(overflow=[[[True] * 5]])
    assert (*seen(result), result.power) == ("inconclusive", None, 0, 0, {"bias": 0})


def test_end_to_end_a_pass_that_a_fault_would_have_passed_as_well_proves_nothing() -> None:
    (result,) = end_to_end_of(overflow=[[[False, True, True, True, True]]])
    assert (*seen(result), result.power) == ("inconclusive", None, 1, 0, {"bias": 0})
    assert result.message == "no element would have shown: bias"


def test_end_to_end_passes_where_all_is_allowed() -> None:
    evidence = evidence_of(
        Config(hidden_size=2), forward=forward([[[8, 9]]]), oracle=oracle(both([[[0.5, 0.75]]]))
    )
    last = reach([[[0.5, 0.25]]], overflow=[[[False, False]]])
    expected = np.full((1, 1, 2), 8.0)
    (result,) = end_to_end(evidence, last, "output", expected, lambda _: [])
    assert (*seen(result), result.ratio, result.message) == ("pass", None, 2, 0, 1.0, "")
    assert result.power == {}


def test_end_to_end_equal_numbers_are_right_where_nothing_is_allowed() -> None:
    evidence = evidence_of(
        Config(hidden_size=2), forward=forward([[[8, 0]]]), oracle=oracle(both([[[0, 0]]]))
    )
    last, expected = reach([[[0, 0]]], overflow=[[[False, False]]]), np.array([[[8.0, 0.0]]])
    (result,) = end_to_end(evidence, last, "output", expected, lambda _: [])
    assert (*seen(result), result.ratio) == ("pass", None, 2, 0, 0)


def test_end_to_end_places_states() -> None:
    states = both(0.0, [[[0.25]], [[0.5]]])
    evidence = evidence_of(
        Config(num_layers=2), forward=forward(0.0, [[[1]], [[9]]]), oracle=oracle(states)
    )
    last = reach(0.0, [[[0.25]], [[0.0]]])
    (result,) = end_to_end(evidence, last, "h_n", np.ones((2, 1, 1)), lambda _: [])
    assert result.worst == Worst(
        "h_n", 1, "forward", None, 0, 0, actual=9.0, expected=1.0, bound=0.5
    )


def test_a_tolerance_says_something_only_where_it_is_smaller_than_the_row() -> None:
    """Rows of largest value 4, 4 and 0: finite, below that; or nothing expected at all."""
    expected = np.array([[[4.0, 1], [-4, 1], [0, 0]], [[1, math.inf], [0, math.nan], [0, 0]]])
    expected[1, 0, 1] = 2
    allowed = np.array([[[3.9, 4], [3.9, math.inf], [9, 9]], [[4.1, 0], [math.inf, 0], [9, 0]]])
    small = _meaningful(np.array([[[0.5, -0.25]]]), np.array([[[0.5, 0.375]]]))
    assert small.tolist() == [[[False, True]]]
    found = _meaningful(expected, allowed)
    assert found[:, 0].tolist() == [[True, False], [False, True]]
    assert found[:, 2].tolist() == [[True, True], [True, True]]
    assert not found[1, 1].any()


def one_layer(monkeypatch: Any, **more: Any) -> Any:
    """One output of 13 and one state of 14; tolerances 1/2 and 1/4, last steps' 1/2 and 1/4.

    12 and 13 are exact. Without b_hh they would be 10 1/2 and 13.
    """
    evidence = evidence_of(
        Config(),
        forward=forward([[[13]]], [[[14]]]),
        oracle=oracle(
            both([[[0.5]]], [[[0.25]]]),
            both([[[12]]], [[[13]]]),
            bias=both([[[10.5]]], [[[13]]]),
        ),
        **{"peer": None, **more},
    )
    last = reach([[[0.5]]], [[[0.25]]])
    monkeypatch.setattr(forward_error, "last_step_of", lambda of: {id(evidence): last}[id(of)])
    return evidence


def test_forward_error_takes_the_oracles_own_tolerance(monkeypatch: Any) -> None:
    output, h_n = forward_error.forward_error(one_layer(monkeypatch))
    assert (output.part, output.verdict, output.ratio) == ("output", "pass", 1)
    assert output.power == {"bias": 1}
    assert (h_n.part, h_n.verdict, h_n.ratio) == ("h_n", "fail", 2)
    assert h_n.power == {"bias": 0}


def test_another_implementation_may_be_off_by_as_much_again(monkeypatch: Any) -> None:
    """Off by 2 and 2 of 2 and 1; without b_hh the exact values move by 3/2 and 0."""
    peer = SimpleNamespace(backend="other", forward=forward([[[11]]], [[[12]]]))
    evidence = one_layer(monkeypatch, peer=peer, peer_activation=lambda: None)
    *_, output, h_n = forward_error.forward_error(evidence)
    assert (output.part, output.verdict, output.ratio) == (
        "output against other", "inconclusive", 1,
    )  # fmt: skip
    assert output.power == {"bias": 0}
    assert (h_n.part, h_n.verdict, h_n.ratio) == ("h_n against other", "fail", 2)
    for nobody in (None, SimpleNamespace(backend="other", forward=None)):
        evidence.peer = nobody
        assert [r.part for r in forward_error.forward_error(evidence)] == ["output", "h_n"]


def test_terms_of_the_longest_sum() -> None:
    def terms(**sizes: Any) -> int:
        return excuses._terms(SimpleNamespace(case=SimpleNamespace(config=Config(**sizes))))

    assert terms(input_size=9, hidden_size=4) == 4 + 2 + 9
    assert terms(input_size=3, hidden_size=4) == 4 + 2 + 4
    assert terms(input_size=3, hidden_size=4, bidirectional=True) == 4 + 2 + 8


def test_spread_is_the_largest_distance_of_a_row_times_twice_the_root_of_its_terms() -> None:
    """1 + 2 + 6 = 9 terms: six times 3 and 1 of output, 2 and 0 of h_n."""
    oracle = SimpleNamespace(case=SimpleNamespace(config=Config(input_size=6)))
    one = Forward(np.array([[[5.0], [1]], [[1], [1]]]), np.array([[[1.0], [2]]]))
    two = Forward(np.array([[[2.0], [1]], [[2], [2]]]), np.array([[[3.0], [2]]]))
    found = excuses._spread(oracle, one, two)
    assert found.output.tolist() == [[[18], [6]]]
    assert found.h_n.tolist() == [[[12], [0]]]


def excuses_made_up(monkeypatch: Any) -> None:
    def moved(oracle: Any, own: Any) -> Excuse:
        assert oracle == "oracle"
        size = np.full((1, 1, 1), own.size)
        return Excuse("activation", Forward(size, 2 * size), Forward(10 * size, 20 * size))

    monkeypatch.setattr(excuses, "_activation", moved)
    monkeypatch.setattr(excuses, "flush", {"oracle": "flushed"}.__getitem__)


def test_excuses_are_what_was_measured(monkeypatch: Any) -> None:
    excuses_made_up(monkeypatch)

    def found(own: Any) -> list[Any]:
        made = excuses.excuses(evidence_of(Config(), own, oracle="oracle"))
        return [e if isinstance(e, str) else e.cause for e in made]

    assert found(None) == found(measured(size=1.0)) == []
    assert found(measured(flushes=True, size=1.0)) == ["flushed"]
    assert found(measured(errs=True, size=1.0)) == ["activation"]
    assert found(measured(True, True, size=1.0)) == ["flushed", "activation"]


def test_two_activations_move_apart_by_their_difference_and_spread_by_their_sum(
    monkeypatch: Any,
) -> None:
    excuses_made_up(monkeypatch)

    def found(mine: Any, theirs: Any) -> list[Any]:
        evidence = evidence_of(Config(), mine, oracle="oracle", peer_activation=lambda: theirs)
        return list(excuses.against_peer(evidence))

    right = measured(size=0.0)
    assert found(None, right) == found(right, None) == found(right, right) == []
    flushes = measured(flushes=True, size=0.0)
    assert found(flushes, right) == found(right, flushes) == ["flushed"]
    for mine, theirs in ((True, False), (False, True)):
        pair = measured(errs=mine, size=3.0), measured(errs=theirs, size=1.0)
        (excused,) = found(*pair)
        assert excused.cause == "activation"
        assert (excused.shift.output.item(), excused.shift.h_n.item()) == (2, 4)
        assert (excused.extra.output.item(), excused.extra.h_n.item()) == (40, 80)


def test_what_flushing_may_move_is_asked_only_of_what_flushes(monkeypatch: Any) -> None:
    monkeypatch.setattr(excuses, "flush", lambda oracle: SimpleNamespace(extra=oracle))
    for own in (None, measured(), measured(errs=True)):
        assert excuses.flushed_extra(evidence_of(Config(), own, oracle="extra")) is None
    flushes = evidence_of(Config(), measured(flushes=True), oracle="extra")
    assert excuses.flushed_extra(flushes) == "extra"
