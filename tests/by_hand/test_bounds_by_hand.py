"""The bounds of the backward pass, number by number: each value is worked out here.

A bound that grows by one rounding or one ulp still passes everything that is right; only its own
value shows it.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from reference import FORMATS, elman, parameters_of
from reference.arrays import Array
from reference.bounded import Bounded, BoundedArithmetic
from reference.gradient import backpropagate, previous_states
from reference.reverse import Slopes, Tape, record

FP16, FP64 = FORMATS["fp16"], FORMATS["fp64"]


def relative(roundings: int) -> Fraction:
    """gamma of float16 and of the oracle's float64: k u / (1 - k u) is k / (1 / u - k)."""
    return Fraction(roundings, 2**11 - roundings) + Fraction(roundings, 2**53 - roundings)


ETA, TINY = Fraction(1, 2**24), Fraction(1, 2**14)
"""Smallest subnormal and smallest normal number of float16."""


def bounded(value: object, bound: object) -> Bounded:
    return Bounded(np.array(value, np.float64), np.array(bound, np.float64))


def assert_bounds(actual: Bounded, value: list[object], bound: list[Fraction]) -> None:
    assert actual.value.ravel().tolist() == value
    assert actual.bound.ravel().tolist() == pytest.approx(
        [float(b) for b in bound], rel=4e-16, abs=0
    )


@pytest.mark.parametrize("flushed", [0, 1])
@pytest.mark.parametrize(
    ("errors", "exact"), [((0.5, 0.25), 0), ((0, 0.25), 3), ((0.5, 0), 1), ((0, 0), 4)]
)
def test_running_error_of_a_sum(flushed: int, errors: tuple[float, float], exact: int) -> None:
    """Of 5 terms: what has an error counts its own roundings; -3 or 1, exact, passes all five."""
    one, two = bounded([-3], [errors[0]]), bounded([1], [errors[1]])
    found = BoundedArithmetic(FP16, bool(flushed)).plus(one, two, 5)
    expected = Fraction(sum(errors)) + relative(5) * exact + flushed * 3 * TINY
    assert_bounds(found, [-2], [expected])


def test_a_sum_whose_terms_reach_half_the_largest_number_has_no_bound() -> None:
    """65504 / 2 = 32752 in float16; magnitudes count, and errors with them."""
    rounding = BoundedArithmetic(FP16, False)
    for size, finite in ((31, True), (32, False)):
        found = rounding.plus(bounded([32720], [0]), bounded([-size], [0]), 2)
        assert np.isfinite(found.bound).all() == finite
        found = rounding.plus(bounded([32720], [0]), bounded([0], [size]), 2)
        assert np.isfinite(found.bound).all() == finite
    for size, finite in ((2046, True), (2047, False)):
        assert np.isfinite(rounding.product(bounded([16], [0]), bounded([-size], [0])).bound) == (
            finite
        )
        terms = bounded([[-size, size]], [[0, 0]])
        assert np.isfinite(rounding.times(terms, np.full((2, 1), 8.0), 0).bound) == finite
        outer = rounding.outer(bounded([[[size]]], [[[0]]]), bounded([[[-16]]], [[[0]]]))
        assert np.isfinite(outer.bound) == finite
        terms = bounded([[[-8 * size]], [[8 * size]]], np.zeros((2, 1, 1)))
        assert np.isfinite(rounding.total(terms).bound) == finite


@pytest.mark.parametrize("flushed", [0, 1])
def test_running_error_of_a_product(flushed: int) -> None:
    """(-3 +- 1/2)(2 +- 1/4): 3/4 + (1/2)(9/4) passed on, one rounding of (7/2)(9/4), one eta."""
    found = BoundedArithmetic(FP16, bool(flushed)).product(
        bounded([-3], [0.5]), bounded([2], [0.25])
    )
    expected = Fraction(15, 8) + relative(1) * Fraction(63, 8) + ETA
    expected += flushed * TINY * (1 + Fraction(7, 2) + Fraction(9, 4))
    assert_bounds(found, [-6], [expected])


@pytest.mark.parametrize("flushed", [0, 1])
def test_running_error_of_a_matrix_product(flushed: int) -> None:
    """Three terms beside two of another sum: 5, and a rounding for stored weights."""
    matrix = np.array([[1.0, -1.0], [2.0, 0.0], [0.0, 3.0]])
    vector = bounded([[1, -2, 4]], [[0.5, 0.25, 0]])
    found = BoundedArithmetic(FP16, bool(flushed)).times(vector, matrix, 2)
    operands = Fraction(31, 4)  # 3/2 + 9/4 + 4; the columns of |matrix| sum up to 3 and 4
    expected = [
        1 + relative(6) * 6 + 5 * ETA + flushed * TINY * (10 + operands + 3),
        Fraction(1, 2) + relative(6) * Fraction(27, 2) + 5 * ETA
        + flushed * TINY * (10 + operands + 4),
    ]  # fmt: skip
    assert_bounds(found, [-3, 11], expected)


@pytest.mark.parametrize("flushed", [0, 1])
def test_running_error_of_an_outer_product(flushed: int) -> None:
    """Over 2 steps and 2 rows: 4 terms, and two roundings more for what was stored."""
    delta = bounded(
        [[[1, -2], [0, 0]], [[3, 4], [0, 0]]], [[[0.5, 0.25], [0, 0]], [[0, 0.125], [0, 0]]]
    )
    inputs = np.array([[[2.0, 1], [5, 0]], [[-1, -3], [7, 0]]])
    found = BoundedArithmetic(FP16, bool(flushed)).outer(delta, Bounded.exact(inputs))
    passed_on = [Fraction(1), Fraction(1, 2), Fraction(5, 8), Fraction(5, 8)]
    magnitudes = [Fraction(6), Fraction(21, 2), Fraction(69, 8), Fraction(117, 8)]
    # |delta| sums up to 9/2 and 51/8, |inputs| to 15 and 4.
    operands = [Fraction(39, 2), Fraction(17, 2), Fraction(171, 8), Fraction(83, 8)]
    # Of each delta that meets a stored number, half of eta.
    stored = [Fraction(9, 2), Fraction(9, 2), Fraction(51, 8), Fraction(51, 8)]
    expected = [
        passed + relative(6) * magnitude + (4 + of_stored / 2) * ETA
        + flushed * TINY * (8 + operand)
        for passed, magnitude, operand, of_stored
        in zip(passed_on, magnitudes, operands, stored, strict=True)
    ]  # fmt: skip
    assert_bounds(found, [-1, -8, -8, -14], expected)


def test_an_outer_product_has_a_term_for_each_step_and_row() -> None:
    """3 steps, 2 rows, 5 units that are all 1: a sum of 6, with 8 roundings, 6 eta, 6 stored."""
    found = BoundedArithmetic(FP16, False).outer(
        bounded(np.ones((3, 2, 5)), np.zeros((3, 2, 5))), Bounded.exact(np.ones((3, 2, 1)))
    )
    assert_bounds(found, [6] * 5, [relative(8) * 6 + (6 + 3) * ETA] * 5)


def test_the_oracle_may_underflow_too() -> None:
    assert BoundedArithmetic(FP64, False).eta == 2 * 2.0**-1074


@pytest.mark.parametrize("flushed", [0, 1])
def test_running_error_of_a_sum_over_steps_and_rows(flushed: int) -> None:
    """2 steps, 3 rows: 6 terms, no products; for each of two units."""
    delta = bounded(np.tile([-2, 1], (2, 3, 1)), np.tile([0.5, 0.25], (2, 3, 1)))
    found = BoundedArithmetic(FP16, bool(flushed)).total(delta)
    flush = flushed * 12 * TINY
    expected = [
        3 + relative(6) * 15 + flush,
        Fraction(3, 2) + relative(6) * Fraction(15, 2) + flush,
    ]
    assert_bounds(found, [-12, 6], expected)


def slope_of(tape: Tape) -> Bounded:
    (node,) = (node for node in tape.nodes if node.activation)
    (slope,) = node.factors
    assert slope is not None
    return slope


def numbers(tape: Tape, leaf: str) -> Array:
    (node,) = (node for node in tape.nodes if node.leaf == leaf)
    return np.asarray(node.value.expected)


def row_by_row(
    tapes: list[list[Tape]], weights: dict[str, Array], g: Array, g_n: Array,
    lengths: list[int], flushed: bool,
) -> dict[str, Bounded]:  # fmt: skip
    """Backpropagation of one row after the other, over its own steps only.

    s is a single sum: of a cotangent, or the deltas of both directions above, and W_hh^T delta.
    """
    rounding, hidden = BoundedArithmetic(FP16, flushed), g.shape[2] // 2
    into, found = Bounded(g * 1.0, np.zeros(g.shape)), {}
    starts = Bounded(np.zeros(g_n.shape), np.zeros(g_n.shape))
    for row, length in enumerate(lengths):
        into.value[length:, row] = 0
    for layer in reversed(range(len(tapes))):
        above = 1 if layer == len(tapes) - 1 else 2 * hidden
        below = numbers(tapes[layer][0], "x").shape
        deltas = Bounded(np.zeros(g.shape), np.zeros(g.shape))
        for side, tape in enumerate(tapes[layer]):
            own, at = slice(side * hidden, (side + 1) * hidden), 2 * layer + side
            suffix = f"_l{layer}" + "_reverse" * side
            for row, length in enumerate(lengths):
                carry = Bounded(g_n[at, row], np.zeros(hidden))
                for t in range(length) if side else reversed(range(length)):
                    s = rounding.plus(
                        Bounded(into.value[t, row, own], into.bound[t, row, own]),
                        carry,
                        above + hidden,
                    )
                    delta = rounding.product(slope_of(tape)[t, row], s)
                    deltas.value[t, row, own], deltas.bound[t, row, own] = delta.value, delta.bound
                    carry = rounding.times(delta, weights["weight_hh" + suffix], above)
                starts.value[at, row], starts.bound[at, row] = carry.value, carry.bound
            delta = Bounded(deltas.value[..., own], deltas.bound[..., own])
            found["weight_ih" + suffix] = rounding.outer(delta, Bounded.exact(numbers(tape, "x")))
            found["weight_hh" + suffix] = rounding.outer(delta, Bounded.exact(numbers(tape, "h")))
            found["bias_ih" + suffix] = found["bias_hh" + suffix] = rounding.total(delta)
        both = np.concatenate([weights[f"weight_ih_l{layer}{end}"] for end in ("", "_reverse")])
        into = Bounded(np.zeros(below), np.zeros(below))
        for row, length in enumerate(lengths):
            for t in range(length):
                here = Bounded(deltas.value[t, row], deltas.bound[t, row])
                passed = rounding.times(here, both, hidden if layer else 0)
                into.value[t, row], into.bound[t, row] = passed.value, passed.bound
    return {"x": into, "h_0": starts, **found}


@pytest.mark.parametrize("flushed", [False, True])
def test_bounds_of_a_stack_are_those_of_its_rows(flushed: bool) -> None:
    """Two layers, both directions, lengths 3, 1 and 2: values and bounds, padding without any."""
    steps, batch, inputs, hidden, lengths = 3, 3, 2, 4, [3, 1, 2]
    rng = np.random.default_rng(7)
    valid = np.arange(steps)[:, None] < np.array(lengths)
    weights: dict[str, Array] = {}
    tapes: list[list[Tape]] = []
    for layer in range(2):
        columns = 2 * hidden if layer else inputs
        x = rng.uniform(-1, 1, (steps, batch, columns)) * valid[:, :, None]
        tapes.append([])
        for suffix in (f"_l{layer}", f"_l{layer}_reverse"):
            weights["weight_ih" + suffix] = rng.uniform(-1, 1, (hidden, columns))
            weights["weight_hh" + suffix] = rng.uniform(-1, 1, (hidden, hidden))
            weights["bias_ih" + suffix] = weights["bias_hh" + suffix] = np.zeros(hidden)
            parameters = parameters_of(elman("tanh"), weights, layer, "reverse" in suffix, True)
            before = {"h": rng.uniform(-1, 1, (steps, batch, hidden))}
            tapes[layer].append(record(elman("tanh"), parameters, x, before, FP16, Slopes()))
    g = rng.uniform(-1, 1, (steps, batch, 2 * hidden))
    g_n = rng.uniform(-1, 1, (4, batch, hidden))
    found = backpropagate(
        tapes, g, {"h": g_n}, bias=True, valid=valid, fmt=FP16, flushed=flushed
    ).by_name
    expected = row_by_row(tapes, weights, g, g_n, lengths, flushed)
    assert set(found) == set(expected)
    for name in found:
        np.testing.assert_allclose(found[name].value, expected[name].value, rtol=1e-12)
        np.testing.assert_allclose(found[name].bound, expected[name].bound, rtol=1e-12)
    assert (found["x"].bound[valid] > 0).all()
    assert not found["x"].bound[~valid].any()
    cut = backpropagate(tapes, g, {"h": g_n}, bias=False, valid=valid, fmt=FP16).by_name
    assert set(cut) == {name for name in found if not name.startswith("bias")}
    default = found["x"].bound if not flushed else expected["x"].bound
    assert (cut["x"].bound[valid] < default[valid]).all() == flushed


def test_bounds_of_one_unit_and_one_step_by_hand() -> None:
    """s = 3 - 1, of two terms at most; delta = s (1/2 +- 1/8); then what each factor makes of it.

    dh_0 is computed as what is carried to an earlier step: a term of a sum with that step's g.
    """
    shape = (1, 1, 1)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = dict(zip(names, np.array([[[-4.0]], [[2.0]], [[0]], [[0]]]), strict=True))
    weights |= {name: weights[name][0] for name in names[2:]}
    parameters = parameters_of(elman("tanh"), weights, 0, False, True)
    before = {"h": np.full(shape, -6.0)}
    tape = record(elman("tanh"), parameters, np.full(shape, 5.0), before, FP16, Slopes())
    (node,) = (node for node in tape.nodes if node.activation)
    node.factors = (Bounded(np.full(shape, 0.5), np.full(shape, 0.125)),)
    found = backpropagate(
        [[tape]], np.full(shape, 3.0), {"h": np.full(shape, -1.0)},
        bias=True, valid=np.ones((1, 1), bool), fmt=FP16,
    ).by_name  # fmt: skip
    of_s = relative(2) * 4
    of_slope = Fraction(1, 8)
    off = of_s / 2 + of_slope * (2 + of_s)
    off += relative(1) * Fraction(5, 8) * (2 + of_s) + ETA
    largest = 1 + off
    assert_bounds(found["x"], [-4], [4 * off + relative(2) * 4 * largest + ETA])
    assert_bounds(found["h_0"], [2], [2 * off + relative(3) * 2 * largest + 2 * ETA])
    stored = (1 + largest / 2) * ETA
    assert_bounds(found["weight_ih_l0"], [5], [5 * off + relative(3) * 5 * largest + stored])
    assert_bounds(found["weight_hh_l0"], [-6], [6 * off + relative(3) * 6 * largest + stored])
    for name in names[2:]:
        assert_bounds(found[name], [1], [off + relative(1) * largest])


def test_a_sum_of_two_bounded_values() -> None:
    assert_bounds(bounded([1], [0.5]) + bounded([2], [0.25]), [3], [Fraction(3, 4)])


def test_the_state_before_each_step() -> None:
    """Three steps, two rows of which the first has two: in reverse it starts at its own end.

    In the padding it is 0, whatever stands there: 5, and what is before it.
    """
    states = np.array([[1, 2], [3, 4], [5, 6]], np.float32)[:, :, None]
    valid = np.array([[True, True], [True, True], [False, True]])
    start = np.array([[7], [8]], np.float32)
    forward = previous_states(states, start, valid, False)
    assert forward[:, :, 0].tolist() == [[7, 8], [1, 2], [0, 4]]
    assert forward.dtype == np.float32
    backward = previous_states(states, start, valid, True)
    assert backward[:, 0, 0].tolist() == [3, 7, 0]
    assert backward[:, 1, 0].tolist() == [4, 6, 8]


def test_a_term_passes_through_the_additions_of_its_sum() -> None:
    """-3 +- 1/2 among 4 others: four roundings of 7/2; alone it stays as it is."""
    rounding, one = BoundedArithmetic(FP16), bounded([-3], [0.5])
    assert_bounds(rounding.term(one, 4), [-3], [Fraction(1, 2) + relative(4) * Fraction(7, 2)])
    assert rounding.term(one, 0) is one


def test_an_outer_product_passes_on_the_errors_of_both() -> None:
    """(2 +- 1/2)(3 +- 1/4): (1/2)(13/4) + 2 (1/4), three roundings, eta (1 + 5/4)."""
    found = BoundedArithmetic(FP16).outer(bounded([[[2]]], [[[0.5]]]), bounded([[[3]]], [[[0.25]]]))
    expected = Fraction(17, 8) + relative(3) * Fraction(65, 8) + (1 + Fraction(5, 4)) * ETA
    assert_bounds(found, [6], [expected])
