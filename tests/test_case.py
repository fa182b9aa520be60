"""Cases: the same bits everywhere, and numbers that can tell faults apart."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from harness.case import Case, changed, make_case
from harness.config import Config
from harness.corpus import load_corpus
from harness.data import sweep_points
from harness.strategies import configs
from reference import FORMATS

CONFIG = Config.of(
    input_size=3,
    hidden_size=4,
    batch=7,
    steps=6,
    states=True,
    lengths="ragged",
    num_layers=2,
    bidirectional=True,
)


def digest(case: Case) -> str:
    arrays = [case.x, *case.initial.values(), case.lengths, *case.weights.values()]
    sha = hashlib.sha256()
    for array in arrays:
        # NaN payloads are not part of the promise.
        sha.update(b"" if array is None else np.nan_to_num(array, nan=12345.0).tobytes())
    return sha.hexdigest()[:16]


PINNED = {
    CONFIG.id: "92886765bea3f4c7",
    CONFIG.replace(dtype="fp16", lengths="emptyrows", seed=5).id: "d605d956655fed3c",
    CONFIG.replace(nonlinearity="relu", data="ints").id: "df90cf51ca256555",
    "rnn-nobias-sweep-i00001-h00001-b65536-t00001-s000000": "b4bed70532cfe1d4",
}


@pytest.mark.parametrize("config_id", PINNED)
def test_arrays_are_the_same_on_every_machine(config_id: str) -> None:
    assert digest(make_case(Config.parse(config_id))) == PINNED[config_id]


@given(configs())
def test_building_twice_gives_the_same_bits(config: Config) -> None:
    assert digest(make_case(config)) == digest(make_case(config))


@given(configs())
def test_the_last_row_of_three_or_more_is_the_first_one_again(config: Config) -> None:
    case = make_case(config)
    if config.batch < 3 or config.data == "lone" or config.lengths in ("descending", "ascending"):
        return
    valid = case.valid[:, 0]
    np.testing.assert_array_equal(case.valid[:, -1], valid)
    assert case.x[valid, -1].tobytes() == case.x[valid, 0].tobytes()  # NaN of bfloat16, too
    for state in case.initial.values():
        assert state[:, -1].tobytes() == state[:, 0].tobytes()


def test_equal_rows_have_different_padding() -> None:
    case = make_case(CONFIG)
    padding = ~case.valid[:, 0]
    assert padding.any()
    assert case.x[padding, 0].tobytes() != case.x[padding, -1].tobytes()


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("fulllengths", 6, 6),
        ("ragged", 1, 6),
        ("emptyrows", 0, 6),
        ("shorter", 1, 5),
        ("equal", 1, 5),
        ("descending", 1, 6),
        ("ascending", 1, 6),
    ],
)
def test_lengths_are_of_their_kind(kind: str, low: int, high: int) -> None:
    for seed in range(50):
        lengths = make_case(CONFIG.replace(lengths=kind, seed=seed)).lengths
        assert lengths is not None
        assert lengths.min() >= low
        assert lengths.max() <= high
        assert (lengths == 0).any() == (kind == "emptyrows")
        assert kind != "ragged" or {int(v) < 6 for v in lengths} == {True, False}
        assert kind != "equal" or set(lengths.tolist()) == {1 + seed % 5}
        turned = -lengths if kind == "descending" else lengths
        assert kind not in ("descending", "ascending") or (np.diff(turned) >= 0).all()


def test_regimes_stand_side_by_side() -> None:
    x = np.abs(make_case(CONFIG.replace(lengths="nolengths", steps=40)).x)
    assert x[:, 0].max() <= 2
    assert 8 < x[:, 1].max() <= 16
    assert 0 < x[:, 2].max() < 1e-4
    assert x[:, 3].max() > 1e4


def test_some_tiny_rows_are_subnormal_throughout_and_some_are_not() -> None:
    tiny = FORMATS["fp32"].smallest_normal
    rows = [make_case(CONFIG.replace(seed=seed)) for seed in range(20)]
    subnormal = [bool((np.abs(case.x[:, 2][case.valid[:, 2]]) < tiny).all()) for case in rows]
    assert 2 < sum(subnormal) < 18


def test_weights_differ_by_layer_direction_and_kind() -> None:
    weights = make_case(CONFIG.replace(input_size=4)).weights
    flat = [w.ravel()[:4].tolist() for w in weights.values()]
    assert len({tuple(f) for f in flat}) == len(weights) == 16


def test_small_integers_are_integers_and_not_symmetric() -> None:
    case = make_case(CONFIG.replace(nonlinearity="relu", data="ints"))
    for array in (*case.weights.values(), case.x[case.valid], case.inputs["h_0"]):
        np.testing.assert_array_equal(array, np.rint(array))
    for name, weight in case.weights.items():
        if name.startswith("weight_hh"):
            assert (weight != weight.T).any()


def test_page_case_is_the_pages() -> None:
    page = next(c for c in load_corpus() if (c.layer, c.data) == ("rnn", "page"))
    case = make_case(page)
    assert case.x.tolist() == [[[3.0, 4.0]]]
    assert case.inputs["h_0"][:, 0].tolist() == [[1, 2, 3], [3, 4, 5], [3, 4, 5], [3, 4, 5]]


def test_changed_rows_change_and_kept_ones_do_not() -> None:
    case = make_case(CONFIG)
    other, kept = changed(case, padding=True, neighbours=True)
    assert kept.tolist() == [True, False, True, False, True, False, True]
    x, valid = other.x, case.valid
    assert x[:, kept][valid[:, kept]].tobytes() == case.x[:, kept][valid[:, kept]].tobytes()
    assert (x[:, ~kept][valid[:, ~kept]] != case.x[:, ~kept][valid[:, ~kept]]).any()
    assert x[~valid].tobytes() != case.x[~valid].tobytes()
    assert (other.inputs["h_0"] != case.inputs["h_0"])[:, ~kept].all()
    assert (other.inputs["h_0"] == case.inputs["h_0"])[:, kept].all()


def test_a_single_row_is_called_again_and_a_padded_one_is_among_those_kept() -> None:
    for seed in range(4):
        alone = make_case(Config.of(input_size=3, hidden_size=4, steps=3, seed=seed))
        assert changed(alone, padding=True, neighbours=True)[1].all()
        for batch in (2, 3):
            case = make_case(CONFIG.replace(batch=batch, seed=seed))
            kept = changed(case, padding=True, neighbours=True)[1]
            assert not kept.all()
            assert (~case.valid[:, kept]).any()


def test_a_second_call_that_was_given_keeps_the_rows_that_it_does_not_move() -> None:
    case = make_case(CONFIG.replace(lengths="nolengths"))
    second = case.x.copy()
    second[:, 2] += 1
    given_case = replace(case, second_x=second)
    other, kept = changed(given_case, padding=True, neighbours=True)
    assert np.flatnonzero(~kept).tolist() == [2]
    np.testing.assert_array_equal(other.x, second)
    assert changed(given_case, padding=True, neighbours=False)[1].all()


@pytest.mark.parametrize("dtype", FORMATS)
def test_sweep_has_equal_zeros_by_their_sign(dtype: str) -> None:
    """An unstable sort leaves them as the processor's instructions happen to."""
    points = sweep_points(dtype)
    negative = np.signbit(points[points == 0].astype(np.float64))
    assert negative[0]
    assert not negative[-1]
    assert (np.diff(negative.astype(int)) <= 0).all()


@pytest.mark.parametrize("dtype", ["fp16", "fp32", "fp64"])
def test_sweep_covers_the_range(dtype: str) -> None:
    points, fmt = sweep_points(dtype).astype(np.float64), FORMATS[dtype]
    assert (np.diff(points[np.isfinite(points)]) >= 0).all()
    assert points[0] == -np.inf
    assert points[-1] == np.inf
    assert {0.0, fmt.smallest_subnormal, fmt.smallest_normal, fmt.largest, 1.0} <= set(points)
    np.testing.assert_array_equal(points, -points[::-1])
    dense = points[(points > 2.0**-10) & (points < 16)]
    assert (np.diff(dense) / dense[1:]).max() < 1 / 900


def test_rows_differ_where_anything_of_them_does() -> None:
    """Of equal rows nobody can tell which is which: of a mapping page's, say."""
    assert not any(make_case(c).rows_differ for c in load_corpus() if c.data == "page")
    alike = make_case(Config.of(batch=3, states=True))
    one = {name: array[:, :1].repeat(3, axis=1) for name, array in alike.inputs.items()}
    alike = alike.with_inputs(**one)
    assert not alike.rows_differ
    for name, array in one.items():
        other = array.copy()
        other[0, 2, 0] = np.nan
        assert alike.with_inputs(**{name: other}).rows_differ
    assert alike.with_inputs(lengths=np.array([2, 2, 1])).rows_differ
