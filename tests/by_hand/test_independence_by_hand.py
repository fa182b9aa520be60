"""Initial weights and what they are paired with: signs and sizes counted by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.comparison import Comparison
from harness.judging.independence import _begun_alike, _neighbours, _parameters, independence_tests
from reference.arrays import Array

SIGNS = "signs of neighbouring elements of bias_ih"
SIZES = "sizes of neighbouring elements of bias_ih"
ALIKE, UNLIKE = (0.25, 0.75), (0.25, -0.25)
"""Two of one sign, two of both; all small."""


def vector(*pairs: tuple[float, float]) -> dict[str, Array]:
    return {"bias_ih_l0": np.array(pairs, "f").ravel()}


def found(*layers: dict[str, Array], limit: float = 2.0) -> dict[str, Comparison]:
    results = list(independence_tests(layers, limit))
    return {result.part: result for result in results}


def summary_of(result: Comparison) -> tuple[Any, ...]:
    return result.verdict, result.compared, result.message, result.cause


def rarity(same: int, count: int) -> float:
    """How probable it is that no more of so many coins show the other side, on either side."""
    few = sum(math.comb(count, k) for k in range(min(same, count - same) + 1))
    return 2 * few / float(2**count)


def test_signs_and_sizes_are_counted_where_they_are_alike() -> None:
    """0 is not positive, and half the limit, 1 of 2, not larger than half the limit."""
    apart = [
        *[(0.0, -0.25), (-0.25, 0.0)],
        *[(0.25, -0.25), (-0.25, 0.25)],  # other signs
        *[(1.0, 0.75), (0.75, 1.0), (0.75, 0.25), (-0.25, -0.75)],
        *[(-1.5, 0.25), (1.5, 0.75), (0.75, 1.5)],  # other sizes; the first, another sign
    ]
    results = found(vector(*(10 * apart), *(90 * [ALIKE])))
    assert list(results) == [SIGNS, SIZES]
    for part, same in ((SIGNS, 170), (SIZES, 170)):
        p = rarity(same, 200)
        message = f"{same} of 200 pairs are alike: probability {p:.1e} by chance"
        assert summary_of(results[part]) == ("fail", 200, message, "unexplained")
        ratio = math.log(p) / math.log(1e-9)
        assert results[part].ratio == pytest.approx(ratio, rel=1e-9, abs=0)


def test_what_is_always_alike_shows_from_31_pairs_on() -> None:
    """All of 31 are alike, or none, with a chance of 2^-30, below 1e-9; all of 30 with 2^-29."""
    alike = found(vector(*31 * [ALIKE]))[SIGNS]
    assert summary_of(alike) == (
        "fail", 31, "31 of 31 pairs are alike: probability 9.3e-10 by chance", "unexplained",
    )  # fmt: skip
    assert alike.ratio == pytest.approx(30 * math.log(2) / (9 * math.log(10)), rel=1e-12, abs=0)
    unlike = found(vector(*31 * [UNLIKE]))[SIGNS]
    message = "0 of 31 pairs are alike: probability 9.3e-10 by chance"
    assert summary_of(unlike) == ("fail", 31, message, "unexplained")
    few = found(vector(*30 * [ALIKE]))[SIGNS]
    assert summary_of(few) == ("inconclusive", 30, "30 pairs are too few", None)
    assert few.ratio == pytest.approx(29 * math.log(2) / (9 * math.log(10)), rel=1e-12, abs=0)


def test_what_is_alike_by_chance_passes() -> None:
    p = rarity(10, 32)
    result = found(vector(*10 * [ALIKE], *22 * [UNLIKE]))[SIGNS]
    assert summary_of(result) == ("pass", 32, f"p = {p:.2g}", None)
    assert result.ratio == pytest.approx(math.log(p) / math.log(1e-9), rel=1e-12, abs=0)


def test_all_layers_are_counted_together() -> None:
    """All of one layer are alike and none of the other: half of them."""
    result = found(vector(*16 * [ALIKE]), vector(*16 * [UNLIKE]))[SIGNS]
    assert (*summary_of(result), result.ratio) == ("pass", 32, "p = 1", None, 0)


def test_each_row_column_or_element_has_one_neighbour() -> None:
    """Of an odd number the last one has none; a single one has none either."""
    layer = {
        "weight_ih_l0": np.arange(20.0).reshape(5, 4),
        "bias_hh_l1_reverse": np.arange(7.0),
        "weight_hh_l0": np.array([[5.0, 6.0]]),
        "odd": np.arange(2.0),
    }
    rows = [[0, 1, 2, 3], [8, 9, 10, 11]], [[4, 5, 6, 7], [12, 13, 14, 15]]
    columns = [[4 * k, 4 * k + 2] for k in range(5)], [[4 * k + 1, 4 * k + 3] for k in range(5)]
    pairs = [(what, one.tolist(), two.tolist()) for what, (one, two) in _neighbours(layer)]
    assert pairs == [
        ("neighbouring rows of weight_ih", *rows),
        ("neighbouring columns of weight_ih", *columns),
        ("neighbouring elements of bias_hh", [0, 2, 4], [1, 3, 5]),
        ("neighbouring columns of weight_hh", [[5]], [[6]]),
        ("neighbouring elements of odd", [0], [1]),
    ]


def test_each_parameter_is_laid_beside_the_others_of_its_place_and_the_next_place() -> None:
    """Four places have two pairs of successive ones; three have one."""

    def pairs(layer: dict[str, list[float]]) -> list[tuple[str, list[float], list[float]]]:
        arrays = {name: np.array(values) for name, values in layer.items()}
        return [(what, one.tolist(), two.tolist()) for what, (one, two) in _parameters(arrays)]

    places = ["0", "0_reverse", "1", "1_reverse"]
    of_one_kind = {f"bias_ih_l{place}": [float(k)] for k, place in enumerate(places)}
    apart = "bias_ih of two layers or directions"
    assert pairs(of_one_kind) == [(apart, [0], [1]), (apart, [2], [3])]
    del of_one_kind["bias_ih_l1_reverse"]
    assert pairs(of_one_kind) == [(apart, [0], [1])]
    of_one_place = {"weight_ih_l0": [1.0], "bias_ih_l0": [2.0], "bias_hh_l0": [3.0]}
    assert pairs(of_one_place | {"bias_hh_l1": [4.0]}) == [
        ("weight_ih and bias_ih", [1], [2]),
        ("weight_ih and bias_hh", [1], [3]),
        ("bias_ih and bias_hh", [2], [3]),
        ("bias_hh of two layers or directions", [3], [4]),
    ]
    assert pairs({"one": [1.0], "two": [2.0]}) == [("one and two", [1], [2])]


def test_of_two_sizes_as_many_are_paired_as_the_smaller_has() -> None:
    matrix, vector = np.arange(6.0).reshape(2, 3), np.arange(10.0, 14)
    for one, two, expected in (
        (matrix, vector, ([0, 1, 2, 3], [10, 11, 12, 13])),
        (vector, matrix, ([10, 11, 12, 13], [0, 1, 2, 3])),
    ):
        begun = _begun_alike(one, two)
        assert tuple(a.tolist() for a in begun) == expected


def test_a_bias_that_is_the_opposite_of_another_is_related_to_it() -> None:
    """40 signs never agree, 40 sizes always; either has a chance of 2^-39."""
    b_ih = np.array(vector(*20 * [(0.25, -1.5)])["bias_ih_l0"])
    results = found({"bias_ih_l0": b_ih, "bias_hh_l0": -b_ih})
    for what, same in (("signs", 0), ("sizes", 40)):
        message = f"{same} of 40 pairs are alike: probability 1.8e-12 by chance"
        result = results[f"{what} of bias_ih and bias_hh"]
        assert summary_of(result) == ("fail", 40, message, "unexplained")
