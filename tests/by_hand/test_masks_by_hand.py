"""Which elements were dropped: masks made up by hand, and how often they agree."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from made_up_dropping import BOTH, DROPPING, answer, calls, drawn, dropping, mask, said, through

from harness.checks import repetition
from harness.checks.masks import (
    _distances,
    _in_parts,
    _striking,
    _tested,
    independent,
    rate,
)
from harness.checks.repetition import pairs_along
from harness.comparison import Comparison
from harness.observe import Forward
from harness.significance import binomial, smallest_deviation


@pytest.fixture(autouse=True)
def _sixteen_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What explains a repetition depends on how many there can be."""
    monkeypatch.setattr(repetition, "THREADS", 16)


def test_chances_of_two_elements_to_fare_alike() -> None:
    """Kept with 3/4 by each of two dropouts: 9/16 of both, so alike with 81/256 + 49/256."""
    found = calls(each=0.75)
    assert (found.kept, found.alike, found.alike_if_shared) == (
        9 / 16,
        130 / 256,
        (130 / 256, 10 / 16),
    )
    one = calls(each=0.75, times=1)
    assert (one.kept, one.alike) == (3 / 4, 10 / 16)


def test_chances_of_two_calls_to_fare_alike_if_they_have_dropouts_in_common() -> None:
    """Of 3/4 each. One against one: alike with 10/16. One against both: 3/4 9/16 + 1/4 7/16, or,
    where it is one of both, 1/4 + 3/4 3/4. Both against both of which one is the same: 1/4 + 3/4
    10/16. The same in both is no other call, and nothing in common is what is expected.
    """
    apart, within, half = 34 / 64, 13 / 16, 1 / 4 + 3 / 4 * 10 / 16
    found = calls(each=0.75).chances_if_common()
    assert found == pytest.approx([10 / 16, apart, within, apart, within, half], rel=1e-15, abs=0)
    assert calls(each=0.75, times=1).chances_if_common() == []
    # One to three, against as many, with from none to all in common, but for these four.
    assert len(calls(each=0.75, times=3).chances_if_common()) == 5 * 2 + 3 * 3 + 4 - 4


def test_layers_share_where_as_many_come_through_as_through_one() -> None:
    """Of 192, with two dropouts of 1/2: 48 through masks of their own, 96 through shared ones."""
    shared, own, most = mask(96, 192), mask(48, 192), mask(180, 192)
    found = calls(shared, own, most)
    assert [found.shares(k) for k in range(3)] == [True, False, False]
    # What 180 of 192 come through is neither; of such calls sharing says nothing.
    assert found.any_shares([0, 1])
    assert not found.any_shares([1])
    assert not found.any_shares([0, 1, 2])
    assert not calls(mask(4, 12)).shares(0)
    assert not calls(mask(90, 100)).shares(0)  # with 1/2 their probability is 3e-17
    one = calls(shared, most, times=1)
    assert not one.shares(0)
    assert not one.shares(1)


def test_few_that_are_dropped_tell_of_sharing_together() -> None:
    """p = 1/100, 5,760 elements: 115 are dropped by two layers, 58 if they drop the same. 75 fit
    both, with 9e-5 and 0.02; 225 of three such calls are too few for two layers, with 7e-12.
    """
    found = calls(*[mask(5760 - 75, 5760)] * 3, each=0.99)
    assert not any(map(found.shares, range(3)))
    assert not found.any_shares([0])
    assert found.any_shares([0, 1, 2])
    right = calls(*[mask(5760 - 110, 5760)] * 3, each=0.99)
    assert not right.any_shares([0, 1, 2])
    # Nine times 27% or 22% fit neither a quarter nor a half: it is another rate.
    for kept in (622, 510):
        other = calls(*[mask(kept, 2304)] * 9)
        assert not any(map(other.shares, range(9)))
        assert not other.any_shares(range(9))


def test_of_several_choices_each_counts_in_every_number() -> None:
    """90 of 100, where 25 are expected, or 50: a probability of 3e-17 in 1e7 choices, or 1e8."""
    for choices, cause in ((10**7, "unexplained"), (10**8, "shared")):
        result = _tested("part", 90, 100, 0.25, [(0.5, 0.5)], "said", choices)
        assert (result.verdict, result.cause) == ("fail", cause)
        assert result.ratio == binomial(90, 100, 0.25, choices).ratio
    assert smallest_deviation(1000, 0.5, 1000) > smallest_deviation(1000, 0.5)
    power = _tested("part", 500, 1000, 0.5, [], "said", 1000).power
    assert power == {"smallest_deviation": smallest_deviation(1000, 0.5, 1000)}


def test_pairs_of_places_are_no_choice_of_several() -> None:
    """Three calls of two steps that are dropped alike: 72 of 72 pairs."""
    config = dataclasses.replace(DROPPING, hidden_size=8)
    steps = [drawn(seed, 1, 3, 8) for seed in range(3)]
    trained = tuple(Forward(np.concatenate([one, one]), np.zeros(1)) for one in steps)
    results = {r.part: r for r in independent(dropping(config, trained=trained))}
    result = results["pairs of steps, 1 apart from 0"]
    assert (result.compared, result.ratio) == (72, binomial(72, 72, 0.5).ratio)


def test_the_two_calls_that_are_most_alike_or_least() -> None:
    """Of eight places: 4, 7 and 3 pairs of 3 calls; where half are expected, seven stand out."""
    first = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    second = np.array([1, 1, 0, 0, 0, 0, 1, 1])
    third = np.array([1, 1, 0, 0, 0, 0, 1, 0])
    masks = [row.reshape(2, 2, 2) == 1 for row in (first, second, third)]
    assert [int((a == b).sum()) for a, b in ((first, second), (first, third), (second, third))] == [
        4, 5, 7,
    ]  # fmt: skip
    assert _striking(masks, 0.5) == (3, 1, 2)
    assert _striking(masks, 1.0) == (3, 0, 1)  # four where eight are expected
    assert _striking([masks[0], masks[2], masks[1], ~masks[0]], 0.5) == (6, 0, 3)
    assert _striking([masks[2], masks[1], masks[0], ~masks[2]], 0.0) == (6, 0, 1)
    # What is dropped by both counts as much as what both keep: six places, and five.
    rows = ("00000011", "00000000", "11111100", "11111011")
    masks = [np.array([place == "1" for place in row]).reshape(2, 2, 2) for row in rows]
    assert _striking(masks, 0.0) == (6, 0, 1)


def test_the_rate_is_a_binomial_test() -> None:
    """Of 48 elements half are kept, or all of 96; 3 / 4 of 48 if both layers drop the same."""

    def rated(*kept: int, layers: int = 2) -> Comparison:
        config = dataclasses.replace(DROPPING, hidden_size=8, num_layers=layers)
        trained = [Forward((np.arange(48) < k).reshape(2, 3, 8) * 1.0, np.zeros(1)) for k in kept]
        (result,) = rate(dropping(config, trained=tuple(trained)))
        return result

    result = rated(24, 26)
    p = binomial(50, 96, 0.5)
    assert said(result) == ("kept elements", "pass", 96, f"p = {p.p_value:.2g}", None, p.ratio)
    result = rated(40, 42)
    p = binomial(82, 96, 0.5)
    message = f"82 of 96 kept, expected 48: probability {p.p_value:.1e} by chance"
    assert said(result) == ("kept elements", "fail", 96, message, "unexplained", p.ratio)
    result = rated(28, 26, layers=3)
    p = binomial(54, 96, 0.25)
    message = f"54 of 96 kept, expected 24: probability {p.p_value:.1e} by chance; "
    message += "24 to 48 if layers drop the same elements"
    assert said(result) == ("kept elements", "fail", 96, message, "shared", p.ratio)


def test_what_passes_says_how_small_a_deviation_it_would_have_seen() -> None:
    """Of 144 elements kept with 1/4; of 48 pairs of those two of three calls that stand out."""
    config = dataclasses.replace(DROPPING, hidden_size=8, num_layers=3)
    masks = [np.random.default_rng(seed).random((2, 3, 8)) < 0.25 for seed in range(3)]
    trained = tuple(Forward(one * 1.0, np.zeros(1)) for one in masks)
    evidence = dropping(config, trained=trained)
    (result,) = rate(evidence)
    assert result.power == {"smallest_deviation": smallest_deviation(144, 0.25)}
    of_calls = next(r for r in independent(evidence) if r.part == "pairs of calls")
    assert of_calls.verdict == "pass"
    assert of_calls.power == {"smallest_deviation": smallest_deviation(48, 10 / 16, 3)}


def test_what_is_rarer_than_any_number_is_said_to_be() -> None:
    """2^-2399 is no float64."""
    config = dataclasses.replace(DROPPING, hidden_size=400)
    (result,) = rate(dropping(config, trained=(Forward(np.ones((2, 3, 400)), np.zeros(1)),)))
    assert result.message == "2400 of 2400 kept, expected 1200: probability below 1e-300 by chance"
    assert (result.verdict, result.cause, result.ratio) == ("fail", "unexplained", math.inf)


def test_few_elements_tell_nothing_about_the_rate() -> None:
    facts = (answer(), answer(0))
    (result,) = rate(dropping(trained=facts))
    message = "24 elements are too few to notice anything at 1e-09"
    p = binomial(12, 24, 0.5)
    assert said(result) == ("kept elements", "inconclusive", 24, message, None, p.ratio)


def test_distances_of_pairs() -> None:
    assert _distances(1) == []
    assert _distances(2) == [(1, 0)]
    assert _distances(3) == [(1, 0), (1, 1)]
    assert _distances(4) == [(1, 0), (1, 1), (2, 0)]
    assert _distances(9) == [(1, 0), (1, 1), (2, 0), (4, 0)]


def test_each_element_is_in_one_pair_at_most() -> None:
    places = np.arange(9)[None, :]
    for distance, start, expected in (
        (1, 0, [(0, 1), (2, 3), (4, 5), (6, 7)]),
        (1, 1, [(1, 2), (3, 4), (5, 6), (7, 8)]),
        (2, 0, [(0, 2), (1, 3), (4, 6), (5, 7)]),
        (4, 0, [(0, 4), (1, 5), (2, 6), (3, 7)]),
        (2, 1, [(1, 3), (2, 4), (5, 7), (6, 8)]),
        (1, 3, [(3, 4), (5, 6), (7, 8)]),
    ):
        one, two = pairs_along(places, 1, distance, start)
        assert list(zip(one[0].tolist(), two[0].tolist(), strict=True)) == expected


def test_the_rate_of_later_calls_is_judged_too() -> None:
    every = Forward(np.ones((2, 3, 8)), np.zeros(1))
    half = Forward(np.arange(48.0).reshape(2, 3, 8) % 2, np.zeros(1))
    config = dataclasses.replace(DROPPING, hidden_size=8)
    later = tuple(one.output != 0 for one in (every, every, half))
    one, two = rate(dropping(config, trained=(half, half, half), later=later))
    assert (one.part, one.verdict, one.compared) == ("kept elements", "pass", 144)
    assert (two.part, two.verdict) == ("kept elements, later calls", "fail")
    assert two.message.startswith("120 of 144 kept, expected 72: ")


def test_pairs_by_hand() -> None:
    """Three calls, two steps, three rows, two units, two directions: the pairs of each part."""
    rng = np.random.default_rng(0)
    trained = [Forward(rng.integers(0, 2, (2, 3, 4)) * 1.0, np.zeros(1)) for _ in range(3)]
    itself, *found = independent(dropping(BOTH, trained=tuple(trained)))
    assert itself.part == "a call and itself"
    assert {r.part: r.compared for r in found} == {
        "pairs of calls": 24,
        "pairs of steps, 1 apart from 0": 36,
        "pairs of rows, 1 apart from 0": 24,
        "pairs of rows, 1 apart from 1": 24,
        "pairs of units, 1 apart from 0": 36,
        "pairs of units, 1 apart from 1": 18,
        "pairs of units, 2 apart from 0": 36,
        "pairs of directions": 36,
    }
    assert not any("directions" in r.part for r in independent(dropping()))


@pytest.mark.parametrize("same", [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (0, 4)])
def test_two_calls_that_fare_alike(same: tuple[int, int]) -> None:
    """Two of five calls, the same 48 elements: alike are 48 of 48, where 24 are expected.

    They are the most striking of 10 pairs.
    """
    config = dataclasses.replace(DROPPING, hidden_size=8)
    masks = [drawn(0 if k in same else 1 + k, 2, 3, 8) for k in range(5)]
    facts = {
        "trained": tuple(Forward(mask, np.zeros(1)) for mask in masks[:3]),
        "later": tuple(mask != 0 for mask in masks[3:]),
    }
    results = {r.part: r for r in independent(dropping(config, **facts))}
    p = binomial(48, 48, 0.5, 10)
    assert p.p_value == pytest.approx(10 * 2 * 0.5**48)
    message = "48 of 48 pairs of calls fare alike, expected 24"
    message += f": probability {p.p_value:.1e} by chance"
    calls = results.pop("pairs of calls")
    assert said(calls) == ("pairs of calls", "fail", 48, message, "unexplained", p.ratio)
    assert "fail" not in {r.verdict for r in results.values()}
    three = dataclasses.replace(config, num_layers=3)
    results = {r.part: r for r in independent(dropping(three, **facts))}
    # Kept with 1/4: alike with 1/16 + 9/16.
    assert results["pairs of calls"].ratio == binomial(48, 48, 0.625, 10).ratio


def test_layers_that_share_in_some_calls_explain_what_these_calls_change() -> None:
    """Three layers, p = 1/2: a quarter comes through, or half where both dropouts are the same."""
    config = dataclasses.replace(DROPPING, hidden_size=96, batch=6, steps=4, num_layers=3)

    def causes(masks: list[np.ndarray]) -> dict[str, str | None]:
        evidence = dropping(
            config,
            trained=tuple(Forward(mask * 1.0, np.zeros(1)) for mask in masks[:3]),
            later=tuple(masks[3:]),
        )
        results = [*rate(evidence), *independent(evidence)]
        return {r.part: r.cause for r in results if r.verdict == "fail"}

    own = [through(k, 0.25) for k in range(12)]
    assert causes(own) == {}
    mixed = [through(k, 0.5 if k in (1, 5, 6, 7, 8) else 0.25) for k in range(12)]
    assert causes(mixed)["kept elements, later calls"] == "shared"
    assert set(causes(mixed).values()) == {"shared"}
    wrong = [through(k, 0.35 if k in (1, 5, 6, 7, 8) else 0.25) for k in range(12)]
    assert "unexplained" in causes(wrong).values()
    # One dropout of the second call is that of the first call's other layer.
    first, second, third = (through(k, 0.5) for k in (20, 21, 22))
    assert causes([first & second, second & third, *own[2:]]) == {"pairs of calls": "shared"}
    assert causes([own[0], own[0], *own[2:]])["pairs of calls"] == "unexplained"


@pytest.mark.parametrize("seed", range(8))
def test_as_many_alike_as_if_layers_shared_is_no_sharing(seed: int) -> None:
    """Two dropouts of a tenth, of which one repeats itself in the third of three calls.

    Alike are then 84% of its halves, where two that share would have 82%, and others 69%. That no
    more come through than through two of their own tells which it is.
    """
    config = dataclasses.replace(DROPPING, hidden_size=96, batch=6, steps=4, num_layers=3)
    config = dataclasses.replace(config, dropout=10)
    rng = np.random.default_rng(seed)
    masks = [(rng.random((4, 6, 96)) < 0.9) & (rng.random((4, 6, 96)) < 0.9) for _ in range(6)]
    one, other = rng.random((2, 6, 96)) < 0.9, rng.random((4, 6, 96)) < 0.9
    masks[2] = np.concatenate([one, one]) & other
    facts = {
        "trained": tuple(Forward(mask * 1.0, np.zeros(1)) for mask in masks[:3]),
        "later": tuple(masks[3:]),
    }
    evidence = dropping(config, **facts)
    results = [*rate(evidence), *independent(evidence)]
    found = {r.part: r.cause for r in results if r.verdict == "fail"}
    assert found["a call and itself"] == "repeats"
    assert set(found.values()) == {"repeats"}


def test_two_calls_may_have_dropouts_in_common_in_a_part() -> None:
    """Two dropouts of 1/4 each in two calls: of one half of the memory one dropout is the same."""
    config = dataclasses.replace(DROPPING, hidden_size=960, batch=6, steps=4, num_layers=3)
    config = dataclasses.replace(config, dropout=25)

    def found(alike: Any) -> str | None:
        rng = np.random.default_rng(0)
        one, two, three = (rng.random((4, 6, 960)) < 0.75 for _ in range(3))
        masks = [(rng.random((4, 6, 960)) < 0.75**2) for _ in range(6)]
        masks[1], masks[4] = one & two, alike(one, three) & (rng.random((4, 6, 960)) < 0.75)
        trained = tuple(Forward(mask * 1.0, np.zeros(1)) for mask in masks[:3])
        results = independent(dropping(config, trained=trained, later=tuple(masks[3:])))
        (result,) = (r for r in results if r.part == "pairs of calls")
        assert result.verdict == "fail"
        return result.cause

    assert found(lambda one, three: np.concatenate([one[:2], three[2:]])) == "shared"
    rng = np.random.default_rng(1)
    some = rng.random((4, 6, 960)) < 0.3
    assert found(lambda one, three: np.where(some, one, three)) == "unexplained"


def in_parts(*kept: int, size: int) -> np.ndarray:
    """Parts of so many places, of which so many are kept, as evenly as can be."""
    places = np.arange(1, size + 1)
    parts = [places * k // size > (places - 1) * k // size for k in kept]
    return np.concatenate(parts).reshape(1, 1, -1)


@pytest.mark.parametrize("count", [2, 3, 15, 16])
def test_parts_have_chances_of_their_own(count: int) -> None:
    """A quarter and a half in turn, of up to sixteen parts; 3/8 throughout is neither."""
    kept = [100 + 100 * (k % 2) for k in range(count)]
    assert _in_parts(in_parts(*kept, size=400), [0.25, 0.5])
    assert not _in_parts(in_parts(*[150] * count, size=400), [0.25, 0.5])
    assert not _in_parts(in_parts(*[100] * count, size=400), [0.25, 0.5])


def test_of_more_parts_than_are_looked_for_none_is_found() -> None:
    kept = [100 + 100 * (k % 2) for k in range(17)]
    assert not _in_parts(in_parts(*kept, size=400), [0.25, 0.5])


def test_parts_are_likelier_than_one_chance_by_more_than_their_choice() -> None:
    """Two parts out of two chances, 2 ln 2, and which of 2 x 16 splits, ln 32: 4.85. For 21 and 40
    of 80 each 4.81 is won, for 12 and 29 of 60 each 5.02 (logarithms of the likelihoods' ratio).
    """
    assert not _in_parts(in_parts(21, 40, size=80), [0.25, 0.5])
    assert _in_parts(in_parts(12, 29, size=60), [0.25, 0.5])


def test_a_part_must_fit_its_chance() -> None:
    """Of 1,000 places 500 are expected, or 400: that is 6.3 deviations off, with 3e-10."""
    first, second = in_parts(250, size=1000), np.arange(1000).reshape(1, 1, -1)
    for kept, fits in ((500, True), (400, False)):
        mask = np.concatenate([first, second < kept], axis=2)
        assert _in_parts(mask, [0.25, 0.5]) is fits


def test_of_nothing_no_part_is_likelier() -> None:
    assert not _in_parts(np.zeros((1, 1, 40), bool), [0.25, 0.5])
    assert not _in_parts(np.ones((1, 1, 40), bool), [0.25, 0.5])


def test_layers_that_share_with_another_call_in_one_half_are_told_from_other_causes() -> None:
    """Three layers, p = 1/2. In one half, one dropout of the second call is one of the first's."""
    config = dataclasses.replace(DROPPING, hidden_size=96, batch=12, steps=8, num_layers=3)
    rng = np.random.default_rng(0)
    first, second, third, fourth, *others = (rng.random((8, 12, 96)) < 0.5 for _ in range(8))
    half = np.arange(8)[:, None, None] < 4
    masks = [first & second, np.where(half, second, fourth) & third]
    masks += [others[0] & others[1], others[2] & others[3]]

    def pairs_of_calls(masks: list[np.ndarray]) -> Comparison:
        trained = tuple(Forward(mask * 1.0, np.zeros(1)) for mask in masks[:3])
        evidence = dropping(config, trained=trained, later=tuple(masks[3:]))
        return {r.part: r for r in independent(evidence)}["pairs of calls"]

    result = pairs_of_calls(masks)
    assert (result.verdict, result.cause) == ("fail", "shared")
    # Alike in one half for no such reason: all of it is the same.
    masks[1] = np.where(half, masks[0], masks[1])
    assert pairs_of_calls(masks).cause == "unexplained"
    # Calls whose own layers share in one half: .5 of these are alike, and .625 of the others.
    own = [first & np.where(half, second, True), third & np.where(half, fourth, True)]
    result = pairs_of_calls([*own, *masks[2:]])
    assert result.cause == "shared"
    assert "; 4608 to 5760 if layers drop the same elements" in result.message
