"""How many elements were dropped, counted by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from harness.case import make_case
from harness.checks.dropout_rate import dropout_rate
from harness.comparison import Comparison
from harness.judging.dropout_counts import judge_count, kept_elements
from harness.significance import binomial, smallest_deviation
from tests.synthetic import wording
from tests.synthetic_dropout import DROPPING, answer, dropping, only


def test_chances_of_an_element_to_be_kept_and_of_two_to_fare_alike() -> None:
    """Kept with 3/4 by each of two dropouts: 9/16 of both, so alike with 81/256 + 49/256."""
    two = DROPPING.replace(num_layers=3, dropout=25)
    for config, kept, alike in ((two, 9 / 16, 130 / 256), (DROPPING, 1 / 2, 1 / 2)):
        found = kept_elements(dropping(config))
        assert found is not None
        assert (found.probability, found.alike) == (kept, alike)
        assert found.calls.shape == (3, 2, 3, 2)


def test_the_rate_is_a_binomial_test() -> None:
    """Of 48 elements half are kept, or a quarter, of each of two calls."""

    def rated(*kept: int, layers: int = 2) -> Comparison:
        config = DROPPING.replace(hidden_size=8, num_layers=layers)
        trained = [only((np.arange(48) < k).reshape(2, 3, 8)) for k in kept]
        (result,) = dropout_rate(dropping(config, trained=tuple(trained)))
        return result

    result = rated(24, 26)
    p = binomial(50, 96, 0.5)
    ratio = pytest.approx(p.ratio, rel=1e-6, abs=0)  # p = 1/2 may be held an ulp off
    assert wording(result) == ("kept elements", "pass", 96, f"p = {p.p_value:.2g}", None, ratio)
    # 54 of 96 are too many for a quarter, and fit a half: one dropout, where there are two.
    for counts, layers, expected, chance, cause in (
        ((40, 42), 2, 48, 0.5, "unexplained"),
        ((40, 42), 3, 24, 0.25, "unexplained"),
        ((28, 26), 3, 24, 0.25, "shared"),
    ):
        result = rated(*counts, layers=layers)
        p = binomial(sum(counts), 96, chance)
        message = f"{sum(counts)} of 96 kept, expected {expected}: "
        message += f"probability {p.p_value:.1e} by chance"
        ratio = pytest.approx(p.ratio, rel=1e-5, abs=0)
        assert wording(result) == ("kept elements", "fail", 96, message, cause, ratio)


def test_of_several_choices_each_counts() -> None:
    """90 of 100, where half are expected: 3.1e-17, which is rare in 1e7 choices, not in 1e8."""
    assert binomial(90, 100, 0.5).p_value == pytest.approx(3.1e-17, rel=0.05, abs=0)
    for choices, verdict in ((10**7, "fail"), (10**8, "pass")):
        result = judge_count("part", 90, 100, 0.5, "a message", choices)
        assert result.verdict == verdict
        assert result.ratio == binomial(90, 100, 0.5, choices).ratio
        # What passes says how small a deviation it would have seen.
        power = judge_count("part", 500, 1000, 0.5, "a message", choices).power
        assert power == {"smallest_deviation": smallest_deviation(1000, 0.5, choices)}
    assert smallest_deviation(1000, 0.5, 1000) > smallest_deviation(1000, 0.5)


def test_what_is_rarer_than_any_number_is_called_so() -> None:
    """2^-2399 is no float64."""
    config = DROPPING.replace(hidden_size=400)
    (result,) = dropout_rate(dropping(config, trained=(only(np.ones((2, 3, 400))),)))
    assert result.message == "2400 of 2400 kept, expected 1200: probability below 1e-300 by chance"
    assert (result.verdict, result.cause, result.ratio) == ("fail", "unexplained", math.inf)


def test_few_elements_tell_nothing_about_the_rate() -> None:
    (result,) = dropout_rate(dropping(trained=(answer(), answer(0))))
    message = "24 elements are too few to notice anything at 1e-09"
    p = binomial(12, 24, 0.5)
    assert wording(result) == ("kept elements", "inconclusive", 24, message, None, p.ratio)


def test_the_rate_of_later_calls_is_judged_too() -> None:
    every = only(np.ones((2, 3, 8)))
    half = only(np.arange(48.0).reshape(2, 3, 8) % 2)
    config = DROPPING.replace(hidden_size=8)
    later = every, every, half
    one, two = dropout_rate(dropping(config, trained=(half, half, half), later=later))
    assert (one.part, one.verdict, one.compared) == ("kept elements", "pass", 144)
    assert (two.part, two.verdict) == ("kept elements, later calls", "fail")
    assert two.message.startswith("120 of 144 kept, expected 72: ")


def test_padding_does_not_count() -> None:
    """Half of what is valid is kept; in the third row everything, in the fourth nothing."""
    case = make_case(DROPPING.replace(hidden_size=60, batch=4, lengths="ragged"))
    valid = case.valid
    assert not valid.all()
    half = np.zeros((2, 4, 60))
    half[..., ::2] = valid[:, :, None]

    def rated() -> Iterator[Comparison]:
        answers = (only(half),) * 3
        return dropout_rate(replace(dropping(case.config, trained=answers), case=case))

    one, row = rated()
    count = 60 * int(valid.sum()) * 3
    assert (one.verdict, one.compared) == ("pass", count)
    assert row.verdict == "pass"
    half[:, 2], half[:, 3] = valid[:, 2:3], 0
    _, row = rated()
    steps = valid.sum(axis=0)
    worst = 2 if steps[2] >= steps[3] else 3
    assert row.verdict == "fail"
    assert f"kept in row {worst}, expected" in row.message


@pytest.mark.parametrize(("slack", "verdict"), [(0.0, "fail"), (0.001, "pass")])
def test_a_chance_that_is_held_otherwise_is_tested_as_the_nearest(
    slack: float, verdict: str
) -> None:
    """1,250 of 100,000 where 1% are expected: not by chance, unless p may be 0.2% off."""
    assert judge_count("part", 1400, 100_000, 0.01, "", slack=0.004).verdict == "pass"
    assert judge_count("part", 1250, 100_000, 0.01, "", slack=slack + slack).verdict == verdict
    assert judge_count("part", 750, 100_000, 0.01, "", slack=slack + slack).verdict == verdict
