"""What chance is judged by, at sizes where the numbers can be worked out."""

from __future__ import annotations

import math

import pytest

from harness.significance import (
    SIGNIFICANCE,
    at_most,
    binomial,
    smallest_deviation,
    smallest_distance,
)


def test_the_smallest_deviation_is_to_the_first_count_that_is_rejected() -> None:
    """40 fair coins: P(X <= 1) = 41 / 2^40 = 3.7e-11, P(X <= 2) = 821 / 2^40 = 7.5e-10.

    Of a significance of 1e-9 each side has half: 1 head is rejected and 2 are not, so 20 - 1 of
    40 must be missing. With p = 1/4, expected 10, the sides differ: upwards it takes more.
    """
    assert SIGNIFICANCE == 1e-9
    below = sum(math.comb(40, k) for k in range(3)) / 2**40
    assert SIGNIFICANCE / 2 > 41 / 2**40
    assert below > SIGNIFICANCE / 2
    assert smallest_deviation(40, 0.5) == pytest.approx(19 / 40, abs=1e-15)
    upper = [sum(math.comb(40, j) * 3 ** (40 - j) for j in range(k, 41)) / 4**40 for k in range(41)]
    first = next(k for k in range(41) if upper[k] <= SIGNIFICANCE / 2)
    none = 0.75**40
    assert none > SIGNIFICANCE / 2  # no count is low enough to be rejected: -1 would be
    assert smallest_deviation(40, 0.25) == pytest.approx(max(first - 10, 11) / 40, abs=1e-15)
    assert smallest_deviation(40, 0.75) == pytest.approx(max(first - 10, 11) / 40, abs=1e-15)


def test_the_smallest_distance_falls_with_the_root_of_the_count() -> None:
    """sqrt(ln(2e9) / 2 n): 21.416 / 200 for 100."""
    assert smallest_distance(100) == pytest.approx(math.sqrt(math.log(2e9) / 200), rel=1e-15)
    assert smallest_distance(400) == pytest.approx(smallest_distance(100) / 2, rel=1e-15)


def test_of_many_choices_one_is_no_more_than_certain() -> None:
    assert binomial(50, 100, 0.5, choices=10).p_value == 1


def test_a_chance_of_no_more_than_this() -> None:
    """Three fair coins: two heads or more with 1/2. None at all is never too few."""
    assert at_most(2, 3, 0.5).p_value == pytest.approx(0.5, rel=1e-12)
    assert at_most(0, 10**6, 0.5).p_value == 1
    # Half of 4, of 1 in 100,000 each: 6e-10; of 1 in 10,000: 6e-8.
    assert at_most(0, 4, 1e-5).powerful
    assert not at_most(0, 4, 1e-4).powerful
    assert not at_most(0, 1, 1e-9).powerful
