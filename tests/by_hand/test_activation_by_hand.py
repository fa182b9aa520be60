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


def swept(
    points: list[float], moved: dict[int, float], nonlinearity: str = "tanh"
) -> dict[str, Comparison]:
    x = np.array(points, "f")
    y = np.tanh(x.astype(float)) if nonlinearity == "tanh" else np.maximum(x, 0)
    y = y.astype("f")
    for index, value in moved.items():
        y[index] = value
    config = Config.of(nonlinearity=nonlinearity, bias=False, batch=len(points))
    case = case_of(config, x=x.reshape(1, -1, 1), weights={"weight_ih_l0": [[1.0]]})
    found = activation(evidence_of(case, outputs_of(y.reshape(1, -1, 1))))
    return {result.part: result for result in found}


def worst_of(result: Comparison) -> Worst:
    assert result.worst is not None
    return result.worst


def test_the_sweep_judges_every_point_in_its_range() -> None:
    for nonlinearity in ("tanh", "relu"):
        found = swept(POINTS, {}, nonlinearity)
        assert {part: r.compared for part, r in found.items()} == OF_EACH_RANGE
        unseen = {"2 to 3", "3 to 4"}
        assert {part for part, r in found.items() if r.verdict == "inconclusive"} == unseen
        passed = [r for part, r in found.items() if part not in unseen]
        assert {(r.verdict, r.message, r.cause) for r in passed} == {("pass", "", None)}


def test_an_error_of_the_activation_shows_where_it_is() -> None:
    found = swept(POINTS, {8: np.tanh(0.5) + 6 * 2.0**-25})
    assert {part for part, r in found.items() if r.verdict == "fail"} == {"0 to 1"}
    result = found["0 to 1"]
    assert summary(result) == ("fail", "activation", 3, 1)
    assert result.message == "1 of 3 points; worst at x = 0.5"
    place = worst_of(result)
    assert (place.output, place.layer, place.direction, place.step) == ("output", 0, "forward", 0)
    assert (place.batch, place.unit) == (8, 0)


@pytest.mark.parametrize(
    "moved",
    [
        {8: np.tanh(0.5) + 4 * 2.0**-25, 4: -np.tanh(0.5) + 4 * 2.0**-25},
        {12: 1 + 2.0**-23, 0: -1 - 2.0**-23},
    ],
    ids=["not odd", "beyond one"],
)
def test_no_law_is_asked_more_strictly_than_the_accuracy(moved: dict[int, float]) -> None:
    """Each value is within 5 ulp; no page promises more of two of them."""
    assert {r.verdict for r in swept(POINTS, moved).values()} == {"pass", "inconclusive"}


def test_tanh_may_fall_by_what_two_values_may_err() -> None:
    value, ulp = float(np.tanh(0.75)), 2.0**-24
    for off, verdict in ((4, "pass"), (6, "fail")):
        points = [0.75, 0.75 + ulp]
        found = swept(points, {0: value + off * ulp, 1: value - off * ulp})["0 to 1"]
        assert found.verdict == verdict


@pytest.mark.parametrize(
    "moved",
    [
        {8: np.tanh(0.5) + 6 * 2.0**-25, 4: -np.tanh(0.5) + 6 * 2.0**-25},
        {12: 1 + 4 * 2.0**-23},
        {11: 1.0, 12: 1 - 12 * 2.0**-24},
    ],
    ids=["not odd", "beyond one", "falling"],
)
def test_a_law_broken_by_more_than_the_accuracy_allows_is_inaccurate(
    moved: dict[int, float],
) -> None:
    assert "fail" in {r.verdict for r in swept(POINTS, moved).values()}


def test_flushed_subnormals_are_not_the_activations_error() -> None:
    found = swept(POINTS, {5: 0.0, 7: 0.0})
    assert {part for part, r in found.items() if r.verdict == "fail"} == {"subnormal"}
    assert summary(found["subnormal"]) == ("fail", "flush", 2, 2)
    # Another error of the size of a subnormal number is none of flushing it.
    assert swept(POINTS, {5: -2 * SUBNORMAL})["subnormal"].cause == "activation"
    assert swept(POINTS, {5: -2 * SUBNORMAL, 7: 0.0})["subnormal"].cause == "activation"
    # What gives 0 for normal numbers just above as well does not flush: it is inaccurate near 0.
    near = [-8 * TINY, -SUBNORMAL, SUBNORMAL, 8 * TINY]
    assert swept(near, {1: 0.0, 2: 0.0})["subnormal"].cause == "flush"
    assert swept(near, {1: 0.0, 2: 0.0, 3: 0.0})["subnormal"].cause == "activation"
    # Only what is subnormal itself: the smallest normal number is no such point.
    found = swept([-TINY, TINY], {0: 0.0, 1: 0.0})
    assert (found["subnormal"].compared, found["0 to 1"].cause) == (0, "activation")


def test_an_error_of_twice_what_is_allowed_shows_but_not_among_subnormals() -> None:
    """10 ulp of 5 allowed, 1 of 0; wherever the exact value has that ulp on both sides."""
    found = swept(POINTS, {})
    judged = {part: found[part].power for part in OF_EACH_RANGE}
    nothing = {"error": 0.0}
    assert judged == {part: {"error": 1.0} if n else nothing for part, n in OF_EACH_RANGE.items()}
    assert swept([-TINY, TINY], {})["subnormal"].power == nothing
    assert swept([1, 2.0**100], {}, "relu")["beyond 5"].power == {"error": 1.0}
