"""The calibrated comparisons from start to end, and their excuses, on numbers written by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from harness.activation import OwnActivations
from harness.case import make_case
from harness.causes import Cause
from harness.checks.forward_error import forward_error
from harness.comparison import Comparison, Worst
from harness.config import Config
from harness.evidence import Evidence
from harness.judging.end_to_end import _meaningful, end_to_end
from harness.judging.excuses import Excuse, against_peer, excuses, flush, flushed_extra
from harness.judging.last_step import LastStep
from harness.observe import Observation, Outputs
from harness.oracle import Oracle
from harness.probes import Probe
from reference.arrays import Array
from tests.synthetic import TINY, case_of, evidence_of, measured, oracle_of, outputs_of, summary


def both(output: Any, h_n: Any = 0.0) -> Outputs:
    return {"output": np.array(output, np.float64), "h_n": np.array(h_n, np.float64)}


def last_step(output: Any, h_n: Any = 0.0, overflow: Any = False, of_h_n: Any = False) -> LastStep:
    """What the last step may err, and where sums may overflow."""
    return LastStep(both(output, h_n), {"output": np.array(overflow), "h_n": np.array(of_h_n)})


def oracle(tolerance: Outputs, exact: Outputs | None = None, **faulty: Outputs) -> Any:
    exact = exact or {name: np.full(array.shape, 8.0) for name, array in tolerance.items()}
    return oracle_of(
        exact, tolerance, faulty={Probe[name.upper()]: one for name, one in faulty.items()}
    )


def end_to_end_of(allowed: Any = (), **more: Any) -> list[Comparison]:
    """One step, one row: errors 0, 1, 4, 5 and 6 with 1, 2, 2, 2 and 1 allowed of 8.

    Of what is allowed, 3/4, 1, 1/2, 2 and 0 are the calibrated tolerance, the rest the last
    step's. A fault would move the five by 1, 2.5, 2, -3 and 0: the second and fourth show it.
    """
    evidence = evidence_of(
        Config.of(hidden_size=5),
        outputs=outputs_of([[[8, 9, 12, 13, 14]]]),
        oracle=oracle(
            both([[[0.75, 1, 0.5, 2, 0]]]),
            both([[[8, 8, 8, 8, 8]]]),
            bias=both([[[9, 10.5, 10, 5, 8]]]),
        ),
    )
    last = last_step([[[0.25, 1, 1.5, 0, 1]]], overflow=more.pop("overflow", [[[False] * 5]]))
    expected = np.full((1, 1, 5), 8.0)
    return list(end_to_end(evidence, last, "output", expected, lambda _: allowed, **more))


def excuse(cause: Cause, shift: float, extra: list[float]) -> Excuse:
    return Excuse(cause, both(shift), both(extra))


def test_end_to_end_without_an_excuse() -> None:
    (result,) = end_to_end_of()
    assert summary(result) == ("fail", "unexplained", 5, 3)
    assert result.message == "3 of 5 elements beyond the calibrated tolerance"
    assert (result.part, result.ratio) == ("output", 6.0)
    worst = Worst("output", 0, "forward", 0, 0, 4, actual=14.0, expected=8.0, bound=1.0)
    assert result.worst == worst
    assert result.power == {"bias": 0.4}


def test_end_to_end_each_excuse_forgives_its_own_move_and_no_more() -> None:
    """The first allows 2 more; the second moves by 3, so that 5 is 2 off, and 6 too much."""
    one, two = excuse(Cause.FLUSH, 0, [2] * 5), excuse(Cause.ACTIVATION, 3, [0] * 5)
    found = end_to_end_of([one, two])
    assert [summary(r) for r in found] == [
        ("fail", "flush", 3, 1),
        ("fail", "activation", 3, 1),
        ("fail", "unexplained", 3, 1),
    ]
    assert [r.ratio for r in found] == [2, 2.5, 6]
    assert [r.power for r in found] == [{"bias": 0.4}] * 3


def test_end_to_end_two_that_may_be_off_are_allowed_twice_as_much() -> None:
    """2, 4, 4, 4 and 2: the errors of 5 and 6 remain, and a fault of up to 3 does not show."""
    (result,) = end_to_end_of(against="another")
    assert (*summary(result), result.ratio) == ("fail", "unexplained", 5, 2, 3)
    assert result.power == {"bias": 0}


def test_end_to_end_nothing_is_compared_where_a_sum_may_overflow() -> None:
    (result,) = end_to_end_of(overflow=[[[False, False, True, True, True]]])
    assert (*summary(result), result.undefined, result.ratio) == ("pass", None, 2, 0, 3, 0.5)
    assert result.power == {"bias": 0.5}
    (result,) = end_to_end_of(overflow=[[[True] * 5]])
    assert (*summary(result), result.power) == ("inconclusive", None, 0, 0, {"bias": 0})


def test_end_to_end_passes_where_all_is_allowed_and_where_numbers_are_equal() -> None:
    evidence = evidence_of(
        Config.of(hidden_size=3),
        outputs=outputs_of([[[8, 9, 0]]]),
        oracle=oracle(both([[[0.5, 0.75, 0]]])),
    )
    last = last_step([[[0.5, 0.25, 0]]], overflow=[[[False] * 3]])
    expected = np.array([[[8.0, 8, 0]]])
    (result,) = end_to_end(evidence, last, "output", expected, lambda _: iter(()))
    assert (*summary(result), result.ratio, result.message) == ("pass", None, 3, 0, 1.0, "")
    assert result.power == {}


def test_a_tolerance_says_something_only_where_it_is_smaller_than_the_row() -> None:
    """Rows of largest value 4, 4 and 0: finite, below that; or nothing expected at all."""
    expected = [[[4.0, 1], [-4, 1], [0, 0]], [[1, 2], [0, math.nan], [0, 0]]]
    allowed = [[[3.9, 4], [3.9, math.inf], [9, 9]], [[4.1, 0], [math.inf, 0], [9, 0]]]
    found = _meaningful(np.array(expected), np.array(allowed))
    assert found[:, 0].tolist() == [[True, False], [False, True]]
    assert found[:, 2].tolist() == [[True, True], [True, True]]
    assert not found[1, 1].any()


def one_layer(**more: Any) -> Evidence:
    """One output of 13 and one state of 14; tolerances 1/2 and 1/4, last steps' 1/2 and 1/4.

    12 and 13 are exact. Without b_hh they would be 10 1/2 and 13.
    """
    evidence = evidence_of(
        Config.of(),
        outputs_of([[[13]]], [[[14]]]),
        oracle=oracle(
            both([[[0.5]]], [[[0.25]]]),
            both([[[12]]], [[[13]]]),
            bias=both([[[10.5]]], [[[13]]]),
        ),
        **more,
    )
    evidence.made[LastStep] = last_step([[[0.5]]], [[[0.25]]])
    return evidence


def test_forward_error_takes_the_oracles_own_tolerance() -> None:
    output, h_n = forward_error(one_layer())
    assert (output.part, output.verdict, output.ratio) == ("output", "pass", 1)
    assert output.power == {"bias": 1}
    assert (h_n.part, h_n.verdict, h_n.ratio) == ("h_n", "fail", 2)
    assert h_n.power == {"bias": 0}
    assert output.against is h_n.against is None


def test_another_implementation_may_be_off_by_as_much_again() -> None:
    """Off by 2 and 2 of 2 and 1; without b_hh the exact values move by 3/2 and 0."""
    peer = Observation("other", outputs=outputs_of([[[11]]], [[[12]]]))
    *_, output, h_n = forward_error(one_layer(peer=peer))
    assert (output.part, output.ratio) == ("output against other", 1)
    assert output.verdict == "inconclusive"
    assert output.power == {"bias": 0}
    assert (h_n.part, h_n.verdict, h_n.ratio) == ("h_n against other", "fail", 2)
    assert output.against == h_n.against == "other"
    for nobody in (None, Observation("other")):
        found = forward_error(one_layer(peer=nobody))
        assert [r.part for r in found] == ["output", "h_n"]


def test_terms_of_the_longest_sum() -> None:
    def terms(**sizes: Any) -> int:
        return Oracle(case_of(Config.of(**sizes))).terms

    assert terms(input_size=9, hidden_size=4) == 4 + 2 + 9
    assert terms(input_size=3, hidden_size=4, num_layers=2) == 4 + 2 + 4
    assert terms(input_size=3, hidden_size=4, num_layers=2, bidirectional=True) == 4 + 2 + 8
    assert terms(input_size=3, hidden_size=4, bidirectional=True) == 4 + 2 + 3


PLAIN = Config.of(input_size=3, hidden_size=2, batch=2, steps=3, states=True, data="plain")
RELU = PLAIN.replace(nonlinearity="relu")


def relu(error: float, *, flushes: bool = False) -> OwnActivations:
    return measured(name="relu", error=error, flushes=flushes)


def causes(found: Any) -> list[Cause]:
    return [one.cause for one in found]


def test_excuses_are_what_was_measured() -> None:
    def found(own: OwnActivations | None) -> list[Cause]:
        return causes(excuses(evidence_of(make_case(RELU), own=own)))

    assert found(None) == found(relu(0.0)) == []
    assert found(relu(0.0, flushes=True)) == ["flush"]
    assert found(relu(0.5)) == ["activation"]
    assert found(relu(0.5, flushes=True)) == ["flush", "activation"]


def test_between_two_points_an_error_is_as_uncertain_as_it_changes_there() -> None:
    """The table errs by 0 up to 1 and by 1/4 from there on; a = 1 + 1/40 of points 1/10 apart.

    Between them 1/16 is read, a point further 1/4: 3/16 apart, times 2 sqrt(n) of n = 4 terms.
    """
    own = measured(name="relu")
    (table,) = own.by_name.values()
    values = table.values + 0.25 * (table.points > 1.05)
    stepped = OwnActivations({"relu": dataclasses.replace(table, values=values)})
    config = Config.of(nonlinearity="relu", batch=1)
    case = case_of(config, weights={"weight_ih_l0": [[1]]}, x=[[[1.025]]])
    (excused,) = excuses(evidence_of(case, own=stepped))
    assert excused.shift["output"].item() == pytest.approx(0.0625, rel=1e-4)
    assert excused.extra["output"].item() == pytest.approx(4 * 0.1875, rel=1e-4)
    # Two of them do not move apart, and each is as uncertain.
    (two,) = against_peer(evidence_of(case, own=stepped, peer_own=stepped))
    assert two.shift["output"].item() == 0
    assert two.extra["output"].item() == 2 * excused.extra["output"].item()


def test_two_activations_move_apart_by_their_difference_and_spread_by_their_sum() -> None:
    case = make_case(RELU)

    def found(mine: Any, theirs: Any) -> list[Excuse]:
        return list(against_peer(evidence_of(case, own=mine, peer_own=theirs)))

    right, flushes = relu(0.0), relu(0.0, flushes=True)
    assert found(None, right) == found(right, None) == found(right, right) == []
    assert causes(found(flushes, right)) == causes(found(right, flushes)) == ["flush"]
    (alone,) = excuses(evidence_of(case, own=relu(0.5)))
    for mine, theirs in ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
        (excused,) = found(relu(mine), relu(theirs))
        assert excused.cause == "activation"
        for name in ("output", "h_n"):
            sign = (mine > 0) - 1.0 * (theirs > 0)
            expected = sign * alone.shift[name]
            assert excused.shift[name] == pytest.approx(expected, abs=1e-12)
            count = (mine > 0) + (theirs > 0)
            total = count * alone.extra[name]
            assert excused.extra[name] == pytest.approx(total, abs=1e-12)


def test_what_flushing_may_move_is_asked_only_of_what_flushes() -> None:
    case = make_case(RELU)
    for own in (None, relu(0.0), relu(0.5)):
        assert flushed_extra(evidence_of(case, own=own)) is None
    evidence = evidence_of(case, own=relu(0.0, flushes=True))
    assert flushed_extra(evidence) is flush(evidence.oracle).extra


def moved_by_flushing(a: float) -> Array:
    """One step of a relu layer of one unit whose largest weight is 2, at a."""
    config = Config.of(nonlinearity="relu")
    weights = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[2.0]]}
    found = flush(Oracle(case_of(config, weights=weights, x=[[[a]]])))
    assert found.cause == "flush"
    assert not any(array.any() for array in found.shift.values())
    return found.extra["output"]


def test_flushing_may_move_every_sum_by_what_it_may_do_to_its_terms() -> None:
    """4 terms, twice, of 1 and a weight of 2; and the state itself: 25 smallest normal numbers.

    The oracle shifts nothing, and spreads by 2 sqrt(4) times that.
    """
    assert moved_by_flushing(0.0).item() == pytest.approx(4 * 25 * TINY, rel=1e-12, abs=0)
    assert moved_by_flushing(-1.0).item() == pytest.approx(4 * TINY, rel=1e-12, abs=0)


@pytest.mark.parametrize("steps", [12, 9])
def test_flushing_explains_nothing_where_what_it_moves_overflows(steps: int) -> None:
    """A state of 0 that every step multiplies by 2^126."""
    weights = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[2.0**126]]}
    config = Config.of(nonlinearity="relu", bias=False, steps=steps, batch=2)
    x = np.zeros((steps, 2, 1))
    x[:, 1] = -(2.0**126)
    extra = flush(Oracle(case_of(config, weights=weights, x=x))).extra
    for array in extra.values():
        assert array[0, 0, 0] <= 4 * TINY  # downwards
        assert 0 < array[0, 1, 0] < 1  # beside it


def test_flushing_may_decide_either_way() -> None:
    """A state that grows from a subnormal number to 1: what moves it upwards goes where it goes."""
    case = case_of(
        Config.of(bias=False, steps=40),
        x=np.full((40, 1, 1), 2.0**-140),
        weights={"weight_ih_l0": [[1.0]], "weight_hh_l0": [[16.0]]},
    )
    (extra,) = flush(Oracle(case)).extra["h_n"].ravel()
    assert extra > 2  # the other way it goes to -1
