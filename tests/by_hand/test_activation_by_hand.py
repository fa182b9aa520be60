"""The sweep of an activation, point by point."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.checks.activation import activation
from harness.comparison import Comparison, Worst
from harness.config import Config
from tests.synthetic import TINY, case_of, evidence_of, outputs_of, summary

SUBNORMAL = 2.0**-130
POINTS = [-math.inf, -5.0, -4.5, -1.0, -0.5, -SUBNORMAL, 0.0]
POINTS += [-x for x in reversed(POINTS[:-1])]
OF_EACH_RANGE = {
    "subnormal": 2,
    "0 to 1": 3,
    "1 to 2": 2,
    "2 to 3": 0,
    "3 to 4": 0,
    "4 to 5": 2,
    "beyond 5": 4,
}
OF_ALL = {"monotone": 11, "odd": 11, "bounded": 13}


def swept(
    points: list[float], moved: dict[int, float], nonlinearity: str = "tanh"
) -> dict[str, Comparison]:
    x = np.array(points, "f")
    y = np.tanh(x.astype(float)) if nonlinearity == "tanh" else np.maximum(x, 0)
    y = y.astype("f")
    for index, value in moved.items():
        y[index] = value
    config = Config.of(nonlinearity=nonlinearity, batch=len(points))
    case = case_of(config, x=x.reshape(1, -1, 1))
    found = activation(evidence_of(case, outputs_of(y.reshape(1, -1, 1))))
    return {result.part: result for result in found}


def worst_of(result: Comparison) -> Worst:
    assert result.worst is not None
    return result.worst


def test_the_sweep_judges_every_point_in_its_range() -> None:
    found = swept(POINTS, {})
    assert {part: r.compared for part, r in found.items()} == OF_EACH_RANGE | OF_ALL
    # Nothing lies in two ranges; and points so far apart hide every fall between them.
    unseen = {"2 to 3", "3 to 4", "monotone"}
    assert {part for part, r in found.items() if r.verdict == "inconclusive"} == unseen
    passed = [r for part, r in found.items() if part not in unseen]
    assert {(r.verdict, r.message, r.cause) for r in passed} == {("pass", "", None)}
    assert (found["odd"].ratio, found["monotone"].ratio) == (0, 0)
    relu = swept(POINTS, {}, "relu")
    assert {part: r.compared for part, r in relu.items()} == OF_EACH_RANGE | {
        "monotone": 10
    }  # finite values that are not subnormal
    assert "fail" not in {r.verdict for r in relu.values()}


def test_an_error_of_the_activation_shows_where_it_is() -> None:
    found = swept(POINTS, {8: np.tanh(0.5) + 6 * 2.0**-25})
    assert {part for part, r in found.items() if r.verdict == "fail"} == {"0 to 1", "odd"}
    result = found["0 to 1"]
    assert summary(result) == ("fail", "activation", 3, 1)
    assert result.message == "1 of 3 points; worst at x = 0.5"
    place = worst_of(result)
    assert (place.output, place.layer, place.direction, place.step) == ("output", 0, "forward", 0)
    assert (place.batch, place.unit) == (8, 0)
    assert summary(found["odd"]) == ("fail", "activation", 11, 2)
    assert found["odd"].ratio == math.inf
    assert found["odd"].max_abs == pytest.approx(1.8e-7, rel=0.1, abs=0)


def test_flushed_subnormals_are_not_the_activations_error() -> None:
    found = swept(POINTS, {5: 0.0, 7: 0.0})
    assert {part for part, r in found.items() if r.verdict == "fail"} == {"subnormal"}
    assert summary(found["subnormal"]) == ("fail", "flush", 2, 2)
    assert swept(POINTS, {5: -SUBNORMAL - TINY})["subnormal"].cause == "flush"
    assert swept(POINTS, {5: -SUBNORMAL - 1.25 * TINY})["subnormal"].cause == "activation"
    # Only what is subnormal itself: the smallest normal number is no such point.
    found = swept([-TINY, TINY], {0: 0.0, 1: 0.0})
    assert (found["subnormal"].compared, found["0 to 1"].cause) == (0, "activation")


def test_subnormals_of_which_some_are_flushed_break_no_law() -> None:
    """Zero, and after it a negative number: a fall, and not the mirror of the other side."""
    points = [-1.0, -2 * SUBNORMAL, -SUBNORMAL, 0.0, SUBNORMAL, 2 * SUBNORMAL, 1.0]
    found = swept(points, {1: 0.0})
    assert {part for part, r in found.items() if r.verdict == "fail"} == {"subnormal"}
    assert found["subnormal"].cause == "flush"


def test_tanh_beyond_one_breaks_its_bound_of_one() -> None:
    beyond = float(np.nextafter(np.float32(1), np.float32(2)))
    found = swept(POINTS, {12: beyond, 0: -beyond})
    assert {part for part, r in found.items() if r.verdict == "fail"} == {"bounded"}
    assert (*summary(found["bounded"]), found["bounded"].max_abs) == (
        "fail", "activation", 13, 2, 2.0**-23,
    )  # fmt: skip


def test_what_lies_beyond_one_is_off_by_its_distance_from_one() -> None:
    """To either side: by an ulp of 1, and by 1/2."""
    for index, y, off in ((12, 1 + 2.0**-23, 2.0**-23), (0, -1.5, 0.5), (12, 1.5, 0.5)):
        result = swept(POINTS, {index: y})["bounded"]
        assert (*summary(result), result.ratio) == ("fail", "activation", 13, 1, abs(y))
        assert (result.max_abs, worst_of(result).expected) == (off, math.copysign(1, y))


def test_a_tanh_five_ulp_too_large_shows_where_less_is_left_to_one() -> None:
    """An ulp of 1 is 2^-23: from 1 - 5 * 2^-23 on, on both sides; three of thirteen points."""
    least = 1 - 5 * 2.0**-23
    moved = {0: -least, 1: -least + 2.0**-24, 11: least - 2.0**-24, 10: least + 2.0**-24, 12: least}
    assert swept([0.5] * 13, moved)["bounded"].power == {"saturated": 3 / 13}
    assert swept([0.5] * 13, {})["bounded"].verdict == "inconclusive"


def test_tanh_may_fall_by_ten_ulp_below_its_largest_value_so_far() -> None:
    """An ulp from 1/2 on is 2^-24. Twelve ulp in two steps are twelve."""
    ulp = 2.0**-24
    for falls, ratio in (([10], 1.0), ([11], 1.1), ([6, 12], 1.2), ([12, 0], 1.2)):
        moved = {k: 0.75 - fall * ulp for k, fall in enumerate([0, *falls])}
        found = swept([0.97] * len(moved), moved)["monotone"]
        assert found.power == {"dip": pytest.approx(len(falls) / len(moved), rel=1e-15, abs=0)}
        assert found.ratio == pytest.approx(ratio, rel=1e-12, abs=0)
        assert found.verdict == ("pass" if ratio <= 1 else "fail")
        assert found.max_abs == max(falls) * ulp


def test_a_fall_shows_where_the_activation_climbs_less_than_the_fault_has_to_spare() -> None:
    """A fall by 15 ulp is 10 or less where tanh climbs by 5; its slope is 7/16 where it is 3/4.

    There 11 ulp of x are 4.8 of tanh, 12 are 5.25. Of relu a fall by 1 ulp hides in a climb
    by 1, and what is not finite is not compared. No point comes before the first.
    """
    x, ulp = float(np.float32(math.atanh(0.75))), 2.0**-24
    found = swept([x, x + 11 * ulp, x + 23 * ulp, x + 34 * ulp], {})["monotone"]
    assert (found.verdict, found.power) == ("pass", {"dip": 0.5})
    found = swept([1, 1 + 2 * ulp, 1 + 2 * ulp, math.inf], {}, "relu")["monotone"]
    assert found.verdict == "pass"
    assert found.power == {"dip": pytest.approx(1 / 3, rel=1e-15)}
    found = swept([1, 1 + 2 * ulp], {}, "relu")["monotone"]
    assert (found.verdict, found.power) == ("inconclusive", {"dip": 0})


def test_an_error_of_twice_what_is_allowed_shows_but_not_among_subnormals() -> None:
    """10 ulp of 5 allowed, 1 of 0; wherever the exact value has that ulp on both sides."""
    found = swept(POINTS, {})
    judged = {part: found[part].power for part in OF_EACH_RANGE}
    nothing = {"error": 0.0}
    assert judged == {part: {"error": 1.0} if n else nothing for part, n in OF_EACH_RANGE.items()}
    assert swept([-TINY, TINY], {})["subnormal"].power == nothing
    assert swept([1, 2.0**100], {}, "relu")["beyond 5"].power == {"error": 1.0}


def test_a_fall_is_measured_in_ulp_of_the_value_before() -> None:
    """That of 1/16 is 2^-27, of which ten are allowed; below 1/16 it would be half of that."""
    one = {0: 0.0625, 1: 0.0625 - 5 * 2.0**-28}
    assert swept([0.0625] * 2, one)["monotone"].ratio == 0.25
    other = {0: 0.125, 1: 0.125 - 5 * 2.0**-26}
    assert swept([0.125] * 2, other)["monotone"].ratio == 0.5


def test_relu_never_falls() -> None:
    below = np.nextafter(np.float32(2), np.float32(0))
    assert swept([1, 2, 2], {2: below}, "relu")["monotone"].ratio == math.inf
    assert swept([1, 2, 2], {2: 2.0}, "relu")["monotone"].verdict == "pass"


def test_a_nan_neither_falls_nor_hides_a_fall() -> None:
    found = swept([1, 2, 3], {0: 5.0, 1: math.nan}, "relu")["monotone"]
    assert (found.compared, found.failing, worst_of(found).batch) == (2, 1, 2)
    found = swept([1, 2, 2], {0: math.nan}, "relu")["monotone"]
    assert (found.compared, found.verdict) == (2, "pass")
