"""Pairs of elements that fare alike, counted by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from harness.baseline import read_baseline
from harness.causes import Cause
from harness.checks.dropout_independent import (
    _distances,
    _least_by_chance,
    _most_striking_calls,
    dropout_independent,
)
from harness.comparison import Comparison
from harness.config import Config
from harness.expectations import Expectations
from harness.judging.displacement import Displaced, apart, most_striking_displacement
from harness.judging.dropout_counts import KeptElements
from harness.results import Result
from harness.significance import binomial
from harness.verdicts import Verdict
from reference.arrays import Array, BoolArray
from tests.synthetic import wording
from tests.synthetic_dropout import BOTH, DROPPING, drawn, dropping, only

WIDE = DROPPING.replace(hidden_size=8)


def of_calls(calls: Sequence[Array | BoolArray], config: Config = WIDE) -> dict[str, Comparison]:
    """The results for what came through in each of some calls, by part: those of pairs at fixed
    distances; `test_dropout_slices_by_hand` has the others."""
    trained = tuple(only(one) for one in calls[:3])
    later = tuple(only(one) for one in calls[3:])
    results = dropout_independent(dropping(config, trained=trained, later=later))
    return {r.part: r for r in results if r.part.startswith(("pairs of", "calls and"))}


def test_distances_of_pairs() -> None:
    assert _distances(1) == []
    assert _distances(2) == [(1, 0)]
    assert _distances(3) == [(1, 0), (1, 1)]
    assert _distances(4) == [(1, 0), (1, 1), (2, 0)]
    assert _distances(9) == [(1, 0), (1, 1), (2, 0), (4, 0)]


@pytest.mark.parametrize(
    ("distance", "start", "expected"),
    [
        (1, 0, [(0, 1), (2, 3), (4, 5), (6, 7)]),
        (1, 1, [(1, 2), (3, 4), (5, 6), (7, 8)]),
        (2, 0, [(0, 2), (1, 3), (4, 6), (5, 7)]),
        (4, 0, [(0, 4), (1, 5), (2, 6), (3, 7)]),
        (2, 1, [(1, 3), (2, 4), (5, 7), (6, 8)]),
        (1, 3, [(3, 4), (5, 6), (7, 8)]),
    ],
)
def test_each_element_is_in_one_pair_at_most(
    distance: int, start: int, expected: list[tuple[int, int]]
) -> None:
    numbered: Any = np.arange(9)[None, :]
    one, two = apart(numbered, 1, distance, start)
    assert list(zip(one[0].tolist(), two[0].tolist(), strict=True)) == expected


def test_pairs_by_hand() -> None:
    """Three calls, two steps, three rows, two units, two directions: the pairs of each part."""
    found = of_calls([drawn(seed, 2, 3, 4) for seed in range(3)], BOTH)
    assert {part: r.compared for part, r in found.items()} == {
        "calls and themselves": 3,
        "pairs of calls": 24,
        "pairs of steps": 36,
        "pairs of rows": 24,
        "pairs of units": 36,
        "pairs of directions": 36,
    }
    assert "pairs of directions" not in of_calls([drawn(seed, 2, 3, 2) for seed in range(3)])


@pytest.mark.parametrize("other", [0, 1])
def test_the_two_directions_are_the_halves_of_the_units(other: int) -> None:
    """One is dropped as the other, or as the other is not: 72 of 72 pairs, or none, not 36."""
    config = BOTH.replace(hidden_size=4)
    halves = [drawn(seed, 2, 3, 4) for seed in range(3)]
    calls = [np.concatenate([one, np.abs(one - other)], axis=2) for one in halves]
    result = of_calls(calls, config)["pairs of directions"]
    same = 0 if other else 72
    p = binomial(same, 72, 0.5)
    message = f"{same} of 72 pairs of directions fare alike, expected 36: "
    message += f"probability {p.p_value:.1e} by chance"
    assert wording(result) == ("pairs of directions", "fail", 72, message, "dependent", p.ratio)


@pytest.mark.parametrize(
    ("axis", "name"), [(1, "steps"), (2, "rows"), (3, "units")], ids=["steps", "rows", "units"]
)
@pytest.mark.parametrize(
    ("places", "which", "share"),
    [
        ([0, 0, 1, 1, 2, 2, 3, 3], "1 apart from 0", 4),
        ([0, 1, 1, 2, 2, 3, 3, 4], "1 apart from 1", 3),
        ([0, 1, 0, 1, 2, 3, 2, 3], "2 apart from 0", 4),
        ([0, 1, 2, 3, 0, 1, 2, 3], "4 apart from 0", 4),
    ],
)
def test_places_that_are_dropped_alike(
    axis: int, name: str, places: list[int], which: str, share: int
) -> None:
    """Eight steps, rows or units, of which some have what others have; other axes have none.

    The distance found is one of four.
    """
    shape = [3, 5, 5, 5]
    shape[axis] = 8
    config = DROPPING.replace(steps=shape[1], batch=shape[2], hidden_size=shape[3])
    calls = np.take(drawn(0, *shape), places, axis)
    results = of_calls(list(calls), config)
    pairs = 3 * 25 * share
    p = binomial(pairs, pairs, 0.5, 4)
    message = f"{pairs} of {pairs} pairs of {name}, {which} fare alike, "
    message += f"expected {pairs / 2:.0f}: probability {p.p_value:.1e} by chance"
    expected = (f"pairs of {name}", "fail", pairs, message, "dependent", p.ratio)
    assert wording(results.pop(f"pairs of {name}")) == expected
    results.pop("calls and themselves")
    assert "fail" not in {r.verdict for r in results.values()}


def test_the_two_calls_that_are_most_alike_or_least() -> None:
    """Of eight places: 4, 5 and 7 pairs of 3 calls; where half are expected, seven stand out."""

    def striking(rows: list[str], probability: float) -> tuple[int, int, int]:
        calls = np.array([[place == "1" for place in row] for row in rows])
        found = KeptElements(calls.reshape(-1, 2, 2, 2), probability, probability)
        return _most_striking_calls(calls, None, found.alike)

    first, second, third = "11110000", "11000011", "11000010"
    other = "00001111"
    assert striking([first, second, third], 0.5) == (1, 2, 3)
    assert striking([first, second, third], 1.0) == (0, 1, 3)  # four where eight are expected
    assert striking([first, third, second, other], 0.5) == (0, 3, 6)
    # What is dropped by both counts as much as what both keep: six places, where others have five.
    assert striking(["00000011", "00000000", "11100011"], 0.5) == (0, 1, 3)
    assert striking(["11111100", "11111111", "00011100"], 0.5) == (0, 1, 3)


def test_calls_of_two_layers() -> None:
    """The second call of one layer and the third of the other, of 3 times 3 pairs."""
    own = [drawn(k, 2, 3, 8) for k in range(3)]
    beside = tuple(only(one) for one in (drawn(7, 2, 3, 8), drawn(8, 2, 3, 8), own[1]))
    trained = tuple(map(only, own))
    for others, verdict in ((beside, "fail"), (beside[:2], "pass")):
        found = dropout_independent(dropping(WIDE, trained=trained, beside=others))
        (result,) = (one for one in found if one.part == "pairs of calls of two layers")
        assert result.verdict == verdict
        assert result.compared == 48
        p = binomial(48, 48, 0.5, 9)
        assert (result.ratio == p.ratio) == (verdict == "fail")


@pytest.mark.parametrize("same", [(0, 1), (2, 3), (0, 4)])
def test_two_calls_that_fare_alike(same: tuple[int, int]) -> None:
    """Two of five calls, the same 48 elements: alike are 48 of 48, where 24 are expected.

    They are the most striking of 10 pairs.
    """
    calls = [drawn(0 if k in same else 1 + k, 2, 3, 8) for k in range(5)]
    results = of_calls(calls)
    p = binomial(48, 48, 0.5, 10)
    assert p.p_value == pytest.approx(10 * 2 * 0.5**48)
    message = "48 of 48 pairs of calls fare alike, expected 24"
    message += f": probability {p.p_value:.1e} by chance"
    result = results.pop("pairs of calls")
    assert wording(result) == ("pairs of calls", "fail", 48, message, "dependent", p.ratio)
    assert "fail" not in {r.verdict for r in results.values()}


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
def test_themost_striking_displacement(
    places: list[int], alike: float, expected: tuple[int, int, int]
) -> None:
    same, pairs, distance = expected
    size = len(places)
    found = most_striking_displacement(np.array(places).reshape(size, 1, 1) == 1, alike)
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
        found = most_striking_displacement(flat.reshape(size, 1, 1), 0.52)
        assert excess[found.distance] == pytest.approx(max(excess.values()), rel=1e-9)


def test_a_displacement_beyond_the_half_is_found_in_a_large_call() -> None:
    """The last 216 of 720 are dropped as the first; up to 540 in two orders are looked at."""
    flat = np.random.default_rng(0).random(720) < 0.5
    flat[504:] = flat[:216]
    found = most_striking_displacement(flat.reshape(6, 5, 24), 0.5)
    assert found == Displaced(216, 216, 504, "steps", 2 * 540)


@pytest.mark.parametrize("order", ["steps", "rows"])
@pytest.mark.parametrize(("parts", "call"), [(2, 3), (3, 5), (7, 1), (2, 4)])
def test_a_call_whose_parts_fare_alike(order: str, parts: int, call: int) -> None:
    """A call (5, 7, 8) of 280 places: 2, 3 or 7 parts of it the same, in an order of memory."""
    config = WIDE.replace(batch=7, steps=5)
    size = -(-280 // parts)
    calls = [drawn(seed, 5, 7, 8) for seed in range(5)]
    part = calls[call - 1].ravel()[:size]
    shape = (5, 7, 8) if order == "steps" else (7, 5, 8)
    calls[call - 1] = np.resize(part, shape).reshape(shape)
    if order == "rows":
        calls[call - 1] = calls[call - 1].swapaxes(0, 1)
    result = of_calls(calls, config)["calls and themselves"]
    pairs = {2: 140, 3: 94, 7: 3 * 40}[parts]
    # Distances up to 140, in two orders, of five calls.
    p = binomial(pairs, pairs, 0.5, 140 * 2 * 5)
    message = f"call {call}: {pairs} of {pairs} pairs of elements {size} places apart "
    message += f"(of 280, {order} first) fare alike, expected {pairs / 2:.0f}: probability "
    message += f"{p.p_value:.1e} by chance; 1 of 5 calls"
    assert wording(result) == ("calls and themselves", "fail", 5, message, "dependent", p.ratio)
    assert result.failing == 1


def test_of_calls_that_fare_like_themselves_all_are_counted_and_the_worst_is_named() -> None:
    """Parts of 140 and of 70 places, which make 140 pairs and 2 x 70; of 93, which make 94."""
    config = WIDE.replace(batch=7, steps=5)
    calls: list[Any] = [drawn(seed, 5, 7, 8) for seed in range(5)]
    right = of_calls(calls, config)["calls and themselves"]
    assert (right.verdict, right.compared, right.failing) == ("pass", 5, 0)
    assert right.message.startswith("p = ")
    assert _least_by_chance(right) == right.ratio == 0
    for number, size in ((1, 94), (3, 140)):
        calls[number] = np.resize(calls[number].ravel()[:size], (5, 7, 8))
    result = of_calls(calls, config)["calls and themselves"]
    assert (result.compared, result.failing) == (5, 2)
    assert result.message.startswith("call 4: 140 of 140 pairs")
    assert result.message.endswith(" by chance; 2 of 5 calls")
    assert result.ratio == binomial(140, 140, 0.5, 140 * 2 * 5).ratio


@pytest.mark.parametrize(("failing", "known"), [(19, True), (20, False), (24, False)])
def test_mindspore_may_repeat_itself_in_some_calls_but_not_in_all(
    failing: int, known: bool
) -> None:
    entries = [one for one in read_baseline() if one.id == "mindspore-dropout-repeats-itself"]
    result = Result(
        WIDE.id, "mindspore", "dropout_independent", "dropout-independent", Verdict.FAIL, 24,
        None, None, None, math.inf, None, "", "", "calls and themselves", Cause.DEPENDENT,
        failing=failing,
    )  # fmt: skip
    (judged,) = Expectations(entries).join([result])
    assert bool(judged.known) is known
