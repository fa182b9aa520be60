"""Calls that repeat themselves: masks laid over themselves, displaced, counted by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from made_up_dropping import DROPPING, calls, drawn, dropping, mask, said, through

from harness.checks import repetition
from harness.checks.masks import (
    _repeating,
    independent,
    rate,
)
from harness.checks.repetition import Displaced, displacements, most_striking
from harness.comparison import Comparison
from harness.observe import Forward
from harness.significance import binomial


@pytest.fixture(autouse=True)
def _sixteen_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What explains a repetition depends on how many there can be."""
    monkeypatch.setattr(repetition, "THREADS", 16)


def test_a_call_repeats_itself_more_often_than_its_own_layers_would() -> None:
    """Halves of 192 that are the same, in one of two calls; shared or not."""
    rng = np.random.default_rng(0)
    for kept in (0.25, 0.5):
        once, twice = rng.random((2, 1, 192)) < kept, rng.random((4, 1, 96)) < kept
        again = np.concatenate([once, once])
        found = calls(again, np.concatenate([once, rng.random((2, 1, 192)) < kept]), twice)
        assert [found.repeats(k) for k in range(3)] == [True, False, False]


def test_a_call_whose_layers_share_repeats_itself_only_beyond_that() -> None:
    """9/10 of two dropouts: 69% are alike, and 82% of a call whose layers share; in any halves."""
    rng = np.random.default_rng(0)
    shared = rng.random((4, 6, 96)) < 0.9
    found = calls(shared, np.concatenate([shared[:2], shared[:2]]), each=0.9)
    assert (found.shares(0), found.shares(1)) == (True, True)
    assert (found.repeats(0), found.repeats(1)) == (False, True)


def test_layers_that_share_as_threads_repeat_themselves_explain_both() -> None:
    """Both layers drop the same, but one thread fills the first mask and two fill the second: in
    the one half 1/2 come through, in the other 1/4, which are alike with 1/2 + 1/4. Places that
    fare alike seldom, as there are others many, are none that come again.
    """
    for seed in range(10):
        rng = np.random.default_rng(seed)
        first, second = rng.random((2, 2560)) < 0.5
        found = calls(np.concatenate([first, first & second]).reshape(2, 64, 40))
        assert found.shares(0)
        assert found.repeats(0)


def test_a_call_repeats_itself_if_it_does_in_either_order_of_its_memory() -> None:
    """Four threads fill the second mask: 1,440 places on, what they dropped comes again. Counted
    in pairs by rows, what is three steps on, 72 places, is even more alike; but no thread is there.
    """
    rng = np.random.default_rng(7)
    first, part = rng.random(5760) < 0.5, rng.random(1440) < 0.5
    found = calls((first & np.tile(part, 4)).reshape(6, 40, 24))
    steps, rows = displacements(found.masks[0], found.own_alike(0), more=True)
    assert (steps.distance, rows.distance) == (1440, 72)
    assert rows.same > steps.same
    assert found.repeats(0)


def test_what_sharing_explains_is_not_put_down_to_repetition() -> None:
    """A call whose layers share has as many alike as that makes, whatever else is said of it."""
    rng = np.random.default_rng(0)
    masks = [rng.random((4, 6, 96)) < share for share in (0.81, 0.9, 0.81)]
    assert _repeating(calls(*masks, each=0.9)).verdict == "pass"
    # In one half only: of a quarter, or half of them, within the halves more than across.
    half = rng.random((40, 20, 96)) < np.where(np.arange(40) < 20, 0.25, 0.5)[:, None, None]
    found = calls(half, half)
    assert _repeating(found).cause == "shared"
    vars(found)["repeats"] = lambda number: True
    assert _repeating(found).cause == "shared"
    # The rate of three calls that share, and repeat themselves: others that do neither pass.
    config = dataclasses.replace(DROPPING, hidden_size=96, batch=6, steps=4, num_layers=3)
    halves = [rng.random((2, 6, 96)) < 0.5 for _ in range(3)]
    trained = tuple(Forward(np.concatenate([one, one]) * 1.0, np.zeros(1)) for one in halves)
    later = tuple(rng.random((4, 6, 96)) < 0.25 for _ in range(3))
    first, second = rate(dropping(config, trained=trained, later=later))
    assert (first.verdict, first.cause, second.verdict) == ("fail", "shared", "pass")


def displaced(same: int, pairs: int = 100, choices: int = 1) -> Displaced:
    return Displaced(same, pairs, 1, "steps", choices)


def test_a_displacement_is_as_striking_as_it_is_many_deviations_away() -> None:
    """Of 100 pairs, half expected: a standard deviation is 5. Where it is below 1, 1 counts."""
    assert [displaced(same).deviation(0.5) for same in (50, 60, 35)] == [0, 2, 3]
    assert displaced(90).deviation(0.8) == pytest.approx(2.5, rel=1e-12)
    assert displaced(3, 3).deviation(0.5) == 1.5
    assert displaced(7, 10).deviation(1.0) == 3


def test_a_displacement_repeats_where_more_agree_than_by_chance_alone() -> None:
    """90 of 100 are 8 deviations more; as many less are none that repeat. So many choices may be
    chance: a probability of 3e-17 in 1e7 choices is not, in 1e8 it is."""
    assert binomial(90, 100, 0.5).p_value == pytest.approx(3.1e-17, rel=0.05, abs=0)
    assert displaced(90).repeats(0.5)
    assert not displaced(10).repeats(0.5)
    assert displaced(140, 140).repeats(0.82)  # 5.5 deviations, and 0.82^140 = 9e-13
    assert not displaced(90).repeats(0.9)
    assert displaced(90, choices=10**7).repeats(0.5)
    assert not displaced(90, choices=10**8).repeats(0.5)
    assert displaced(90, choices=10).test(0.5) == binomial(90, 100, 0.5, 10)


@pytest.mark.parametrize(
    ("places", "alike", "expected"),
    [
        # Two apart all six are unlike, in four disjoint pairs: (0, 2), (1, 3), (4, 6), (5, 7).
        ([1, 1, 0, 0, 1, 1, 0, 0], 0.5, (0, 4, 2)),
        # Where unlike is what is expected, it is the neighbours: three of seven, of four pairs 4.
        ([1, 1, 0, 0, 1, 1, 0, 0], 0.0, (4, 4, 4)),
        # Five apart, of nine: (0, 5), ..., (3, 8), all alike.
        ([1, 0, 0, 1, 1, 1, 0, 0, 1], 0.25, (4, 4, 5)),
    ],
)
def test_the_most_striking_displacement(
    places: list[int], alike: float, expected: tuple[int, int, int]
) -> None:
    same, pairs, distance = expected
    size = len(places)
    found = most_striking(np.array(places).reshape(size, 1, 1) == 1, alike)
    assert found == Displaced(same, pairs, distance, "steps", 2 * ((size + 1) // 2))


@pytest.mark.parametrize("size", [15, 16, 23, 31])
def test_no_displacement_is_more_striking_than_the_one_found(size: int) -> None:
    """Counted one by one: the share that agrees, off what is expected, times the root of pairs."""
    for seed in range(12):
        flat = np.random.default_rng(seed).random(size) < 0.6
        excess = {}
        for distance in range(1, (size + 1) // 2 + 1):
            pairs = [flat[k] == flat[k + distance] for k in range(size - distance)]
            excess[distance] = abs(sum(pairs) / len(pairs) - 0.52) * math.sqrt(len(pairs))
        found = most_striking(flat.reshape(size, 1, 1), 0.52)
        assert excess[found.distance] == pytest.approx(max(excess.values()), rel=1e-9)


def test_a_displacement_in_the_order_of_rows() -> None:
    """240 places that begin again behind 93 of them, row by row, or step by step."""
    again = np.resize(np.random.default_rng(1).random(93) < 0.5, (2, 3, 40))
    assert most_striking(again.swapaxes(0, 1), 0.5) == Displaced(93, 93, 93, "rows", 240)
    assert most_striking(again, 0.5) == Displaced(93, 93, 93, "steps", 240)


def test_spread_of_pairs_is_that_of_a_binomial() -> None:
    found: Any = displaced(60, 64).deviation(0.75)
    assert found == pytest.approx((60 - 48) / math.sqrt(12), rel=1e-12)


@pytest.mark.parametrize("order", ["steps", "rows"])
@pytest.mark.parametrize(("parts", "call"), [(2, 3), (3, 5), (7, 1), (2, 4)])
def test_a_call_whose_parts_fare_alike(order: str, parts: int, call: int) -> None:
    """A mask (5, 7, 8) of 280 places: 2, 3 or 7 parts of it the same, in an order of memory."""
    config = dataclasses.replace(DROPPING, hidden_size=8, batch=7, steps=5)
    size = -(-280 // parts)
    masks = [drawn(seed, 5, 7, 8) for seed in range(5)]
    if order == "steps":
        masks[call - 1] = np.resize(masks[call - 1].ravel()[:size], (5, 7, 8))
    else:
        masks[call - 1] = np.resize(masks[call - 1].ravel()[:size], (7, 5, 8)).swapaxes(0, 1)
    facts = {
        "trained": tuple(Forward(mask, np.zeros(1)) for mask in masks[:3]),
        "later": tuple(mask != 0 for mask in masks[3:]),
    }
    result, *others = independent(dropping(config, **facts))
    pairs = {2: 140, 3: 94, 7: 3 * 40}[parts]
    through = np.count_nonzero(masks[call - 1]) / 280
    alike = through**2 + (1 - through) ** 2
    # Distances up to 140, in two orders, of five calls.
    p = binomial(pairs, pairs, alike, 140 * 2 * 5)
    said_here = f"call {call}: {pairs} of {pairs} pairs of elements {size} places apart "
    said_here += f"(of 280, {order} first) fare alike, expected {pairs * alike:.0f}: probability "
    said_here += f"{p.p_value:.1e} by chance; 1 of 5 calls repeat themselves"
    assert said(result) == ("a call and itself", "fail", pairs, said_here, "repeats", p.ratio)
    assert {r.cause for r in others if r.verdict == "fail"} <= {"repeats"}


def test_what_fails_because_calls_repeat_themselves_is_explained_by_calls_that_do_not() -> None:
    """Four steps, the last two dropped as the first two: without these calls pairs are as many as
    they should be. Where too few calls do not repeat themselves, nothing is explained.
    """
    config = dataclasses.replace(DROPPING, hidden_size=8, batch=6, steps=4)
    whole = [drawn(seed, 4, 6, 8) for seed in range(6)]
    halves = [np.concatenate([mask[:2], mask[:2]]) for mask in whole]
    part = "pairs of steps, 2 apart from 0"

    def result(masks: list[np.ndarray]) -> Comparison:
        facts = {
            "trained": tuple(Forward(mask, np.zeros(1)) for mask in masks[:3]),
            "later": tuple(mask != 0 for mask in masks[3:]),
        }
        return {r.part: r for r in independent(dropping(config, **facts))}[part]

    explained = result([*halves[:3], *whole[3:]])
    assert (explained.verdict, explained.cause) == ("fail", "repeats")
    assert result([*halves[:4], *whole[4:]]).cause == "unexplained"
    assert result([*whole[:3], *halves[3:]]).verdict == "pass"


def test_what_fails_without_calls_that_repeat_themselves_has_another_cause() -> None:
    """Of ten elements nine are kept, not five, in halves that are alike and in others.

    That the halves are alike does not explain it, whatever else the other calls are.
    """
    config = dataclasses.replace(DROPPING, hidden_size=24, batch=6, steps=4, dropout=50)
    many = [np.random.default_rng(seed).random((4, 6, 24)) < 0.9 for seed in range(6)]
    halves = [np.concatenate([mask[:2], mask[:2]]) for mask in many]
    right = [drawn(seed, 4, 6, 24) != 0 for seed in range(6)]
    for others in (many, right):
        masks = [*halves[:3], *others[3:]]
        facts = {"trained": tuple(Forward(mask * 1.0, np.zeros(1)) for mask in masks[:3])}
        first, _ = rate(dropping(config, **facts, later=tuple(masks[3:])))
        assert (first.verdict, first.cause) == ("fail", "unexplained")


def test_a_wrong_rate_is_no_repetition() -> None:
    """Half of what p says is dropped from the fourth call on, and in halves that are alike."""
    rng = np.random.default_rng(0)
    for halves in (False, True):
        masks = [rng.random((4, 6, 96)) < (0.5 if k < 3 else 0.75) for k in range(9)]
        if halves:
            masks[3:] = [np.concatenate([one[:2], one[:2]]) for one in masks[3:]]
        config = dataclasses.replace(DROPPING, hidden_size=96, batch=6, steps=4, dropout=50)
        trained = tuple(Forward(mask * 1.0, np.zeros(1)) for mask in masks[:3])
        evidence = dropping(config, trained=trained, later=tuple(masks[3:]))
        results = [*rate(evidence), *independent(evidence)]
        causes = {r.part: r.cause for r in results if r.verdict == "fail"}
        assert causes["kept elements, later calls"] == "unexplained"
        assert "repeats" not in causes.values()


def test_a_rate_that_is_off_by_chance_is_no_part_of_a_repetition() -> None:
    """Of 2,880 pairs 2,840 are alike. Where 98.01% come through that is striking (2,768); where in
    this call 98.5% did, which is no wonder, it is not (2,795): one failure, and one cause of it.
    """
    rng = np.random.default_rng(0)
    found = {}
    for dropped in (57, 43):
        half = np.ones(2880, bool)
        half[rng.choice(2880, dropped, replace=False)] = False
        other = half.copy()
        at, to = np.flatnonzero(~half)[:20], np.flatnonzero(half)[:20]
        other[at], other[to] = True, False
        one = calls(np.concatenate([half, other]).reshape(40, 6, 24), each=0.99)
        result = _repeating(one)
        found[dropped] = result.verdict, result.cause
        assert (result.verdict == "fail") == one.repeats(0)
    assert found == {57: ("fail", "repeats"), 43: ("pass", None)}


def test_a_rate_is_right_as_far_as_elements_tell_that_do_not_come_again() -> None:
    """Of 2,000, 500 are expected. 660 (330 of 1,000) have 1e-8, 680 have 4e-10; as 170 of 500,
    where a quarter comes four times, 680 have 8e-6. What is begun once more counts. Two calls of
    which each has 8e-6 have too many together.
    """

    def right(distance: int, *numbers: int, kept: tuple[int, ...] = (660, 680, 680, 1000)) -> bool:
        found = calls(*[mask(k, 2000) for k in kept], each=0.5, times=2)
        vars(found)["_distance"] = lambda _: distance
        return found.rate_is_right(numbers)

    assert right(1000, 0)
    assert not right(1000, 1)
    assert [right(distance, 1) for distance in (500, 999, 1001)] == [True, True, False]
    assert not right(500, 1, 2)
    assert right(1000, 0, 3)  # half come through the last one: its layers share
    assert right(1000, 3)


def test_calls_that_repeat_themselves_are_explained_by_clean_ones_that_share() -> None:
    """Three layers, p = 1/2: three calls whose halves are the same, three whose layers share."""
    config = dataclasses.replace(DROPPING, hidden_size=96, batch=6, steps=4, num_layers=3)
    halves = [through(k, 0.25) for k in range(3)]
    halves = [np.concatenate([one[:2], one[:2]]) for one in halves]
    trained = tuple(Forward(mask * 1.0, np.zeros(1)) for mask in halves)
    later = tuple(through(k, 0.5) for k in range(3, 6))
    results = {r.part: r for r in independent(dropping(config, trained=trained, later=later))}
    assert results["pairs of steps, 2 apart from 0"].cause == "repeats"


@pytest.mark.parametrize(
    ("distance", "size", "threads", "fits"),
    [
        (2880, 5760, 2, True),
        (2338, 5760, 2, True),
        (1440, 5760, 2, True),
        (1439, 5760, 2, False),
        (960, 5760, 2, False),  # one of six steps
        (960, 5760, 6, True),
        (1, 5760, 16, False),  # neighbours
        (179, 5760, 16, False),
        (180, 5760, 16, True),
    ],
)
def test_threads_repeat_themselves_a_part_apart(
    distance: int, size: int, threads: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repetition, "THREADS", threads)
    assert Displaced(1, 1, distance, "steps", 1).between_threads(size) is fits


def test_neighbours_that_fare_alike_are_no_threads() -> None:
    """Every second unit is dropped as the one before it, in the last three of six calls."""
    config = dataclasses.replace(DROPPING, hidden_size=96, batch=6, steps=4)
    right = [through(k, 0.5) for k in range(6)]
    wrong = [np.repeat(one[..., ::2], 2, axis=2) for one in right[3:]]
    trained = tuple(Forward(one * 1.0, np.zeros(1)) for one in right[:3])
    itself, *_ = independent(dropping(config, trained=trained, later=tuple(wrong)))
    assert (itself.verdict, itself.cause) == ("fail", "unexplained")


def test_a_repetition_beyond_the_half_is_found() -> None:
    """The last fifth of 720 is dropped as the first."""
    flat = np.random.default_rng(0).random(720) < 0.5
    flat[504:] = flat[:216]
    found = most_striking(flat.reshape(6, 5, 24), 0.5)
    assert (found.distance, found.pairs, found.same) == (504, 216, 216)
