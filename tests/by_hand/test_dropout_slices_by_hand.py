"""Any two parts of dropout masks, counted by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from harness.checks.dropout_independent import dropout_independent
from harness.comparison import Comparison
from harness.judging.dropout_counts import KeptElements
from harness.judging.dropout_slices import (
    LayerMasks,
    Slices,
    any_two,
    any_two_masks,
    any_two_padded,
    layer_masks,
    own_rates,
)
from harness.significance import binomial
from reference.arrays import Array, BoolArray
from tests.synthetic_dropout import DROPPING, drawn, dropping, only

WIDE = DROPPING.replace(hidden_size=8, batch=10, steps=3)


def kept(*shape: int, seed: int = 0) -> BoolArray:
    bits: BoolArray = drawn(seed, *shape) == 1
    return bits


def test_two_rows_that_are_alike_in_one_call_are_named() -> None:
    calls = kept(5, 4, 6, 10)
    calls[4, :, 5] = calls[4, :, 1]
    found = any_two(KeptElements(calls, 0.5, 0.5), 2, "rows")
    # 15 pairs of rows in each of five calls, in the first three, and in all.
    assert found == Slices("rows 1 and 5 in call 5", 40, 40, 0.5, 7 * 15)


def test_two_units_that_are_opposite_in_all_calls_are_named() -> None:
    calls = kept(4, 2, 3, 5)
    calls[..., 3] = ~calls[..., 0]
    found = any_two(KeptElements(calls, 0.5, 0.5), 3, "units")
    # Too few for anything: then all calls together are what is compared.
    assert found == Slices("units 0 and 3 in all 4 calls", 0, 24, 0.5, 10)
    assert found.ratio == binomial(0, 24, 0.5, 10).ratio


def test_padding_fares_neither_alike_nor_otherwise() -> None:
    """Rows 0 and 2 have three and four steps: what they share is three steps of ten units."""
    valid = np.arange(4)[:, None] < np.array([3, 1, 4])
    calls = kept(5, 4, 3, 10) & valid[:, :, None]
    calls[..., 2, :] = calls[..., 0, :]
    found = any_two_padded(KeptElements(calls, 0.5, 0.5, valid=valid), valid, 2, "rows")
    # Three pairs in all calls; one in the first three, where the others have 30 elements only.
    assert found == Slices("rows 0 and 2 in all 5 calls", 150, 150, 0.5, 3 + 1)
    alone = np.arange(4)[:, None] < np.array([4])
    assert any_two_padded(KeptElements(calls[:, :, :1], 0.5, 0.5), alone, 2, "rows") is None


def test_one_step_has_no_other() -> None:
    assert any_two(KeptElements(kept(4, 1, 3, 5), 0.5, 0.5), 1, "steps") is None


def test_masks_of_layers_are_read_from_final_states() -> None:
    first, second = [[1, 1, 0, 1]], [[1, 0, 0, 1]]
    answer = only(np.zeros((1, 1, 4)), [[[2, 2, 2, 2]], first, second])
    calls: Any = dropping(DROPPING, trained=(answer,)).observation.details
    masks = layer_masks(calls, "h", 3, 0.25)
    assert masks.reached.tolist() == [[[True] * 4, [True, True, False, True]]]
    assert masks.kept.tolist() == [[[True, True, False, True], [True, False, False, True]]]
    assert masks.probability == 0.75


def test_the_layer_that_keeps_least_as_it_should_is_named() -> None:
    reached = np.ones((1, 2, 40), bool)
    masks = LayerMasks(reached, np.stack([kept(40), np.ones(40, bool)])[None], 0.5)
    assert own_rates(masks) == Slices("what reached layer 3 got further", 40, 40, 0.5, 2)


def test_masks_of_two_calls_agree_where_both_were_reached() -> None:
    bits = kept(2, 2, 64)
    reached = np.stack([np.ones((2, 64), bool), bits[:, 0]], axis=1)
    bits[1, 1] = bits[0, 0]
    found = any_two_masks(LayerMasks(reached, bits & reached, 0.5))
    both = int(reached[1, 1].sum())
    assert found == Slices("layer 1 in call 1 and layer 2 in call 2", both, both, 0.5, 6)


def test_within_a_call_two_masks_agree_where_the_later_one_keeps() -> None:
    """So a second layer that drops nothing of 48 that a quarter reached is what is unexpected."""
    first = np.arange(192) % 4 == 0
    reached = np.stack([np.ones(192, bool), first])[None]
    found = any_two_masks(LayerMasks(reached, np.stack([first, first])[None], 0.25))
    assert found == Slices("layer 1 in call 1 and layer 2 in call 1", 48, 48, 0.25, 1)


def of_calls(calls: Array) -> dict[str, Comparison]:
    answers = tuple(only(one) for one in calls)
    evidence = dropping(WIDE, trained=answers[:3], later=answers[3:])
    return {result.part: result for result in dropout_independent(evidence)}


def test_independent_masks_pass_with_their_power() -> None:
    results = of_calls(drawn(7, 12, 3, 10, 8))
    new = {part: r for part, r in results.items() if part.startswith(("any", "calls in"))}
    assert {part: result.verdict for part, result in new.items()} == {
        "any two steps": "pass",
        "any two rows": "pass",
        "any two units": "pass",
        "calls in sequence": "pass",
    }
    for result in new.values():
        (deviation,) = result.power.values()
        assert 0 < deviation < 0.5


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("any two steps", lambda m: m.__setitem__((slice(None), 2), m[:, 0])),
        ("any two rows", lambda m: m.__setitem__((slice(None), slice(None), 7), 1 - m[:, :, 2])),
        ("any two units", lambda m: m.__setitem__((..., 5), m[..., 1])),
    ],
)
def test_what_repeats_fails(part: str, change: Any) -> None:
    calls = drawn(7, 12, 3, 10, 8)
    change(calls)
    assert of_calls(calls)[part].verdict == "fail"


def test_calls_that_overlap_fail() -> None:
    """Each begins with the last third of the one before."""
    calls = drawn(7, 12, 3, 10, 8)
    for one, other in itertools.pairwise(calls):
        other.ravel()[:80] = one.ravel()[-80:]
    assert of_calls(calls)["calls in sequence"].verdict == "fail"
