"""What is recorded for backpropagation, and one step back, number by number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reference import FORMATS, GRU, Block, Bounded, Cell, Interval, Parameters, Rounded, elman
from reference.arrays import Array
from reference.bounded import BoundedArithmetic
from reference.reverse import Node, Slopes, Tape, _slope, adjoints, record

FP16, FP32 = FORMATS["fp16"], FORMATS["fp32"]
ROUNDINGS = 4 * (2.0**-24 + 2.0**-52)


def slope(
    name: str, a: list[float], error: list[float], seen: Any = None, own: bool = False,
    flushed: bool = False,
) -> Bounded:  # fmt: skip
    """The slope of an activation of everything in [a - error, a + error], in float32."""
    rounded, middle, off = Rounded(FP32, flushed=flushed), np.array(a), np.array(error)
    argument = Interval(middle - off, middle, middle + off)
    node = Node(rounded.activation(name, argument), (Node(argument),), activation=name)
    return _slope(rounded, node, None if seen is None else np.array(seen, "f"), Slopes(own=own))


def test_slope_of_relu_is_open_where_rounding_decides_it() -> None:
    """By the sign of a within E; and where a state of 0 may stand for a positive one."""
    for seen, values, bounds in (
        ([1, 0.25, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 1]),
        (None, [1, 1, 0, 0, 1], [0, 1, 0, 1, 0]),
    ):
        found = slope("relu", [1, 0.25, -1, -0.25, 1], [0.25] * 5, seen)
        assert (found.value.tolist(), found.bound.tolist()) == (values, bounds)
        assert found.value.dtype == found.bound.dtype == np.float64


@pytest.mark.parametrize("flushed", [False, True])
def test_slope_of_relu_is_open_where_a_state_of_zero_may_be_positive(flushed: bool) -> None:
    """Up to 3/4 and 1/8 are possible; a state that is no number has no slope, flushed or not."""
    a, error = [0.5, 0.0625, -0.5, 1], [0.25, 0.03125, 0.25, 0]
    found = slope("relu", a, error, [0, 0, 0, math.nan], flushed=flushed)
    assert found.bound.tolist() == [1, 1, 0, 0]
    assert found.value.tolist()[:3] == [0, 0, 0]
    assert math.isnan(found.value[3])


def test_slope_of_tanh_from_its_own_states() -> None:
    found = slope("tanh", [9.0] * 2, [0.1] * 2, [0.5, -2], own=True)
    assert found.value.tolist() == [0.75, -3]
    assert found.bound.tolist() == [ROUNDINGS] * 2


def test_slope_of_tanh_from_any_value_that_rounding_allows() -> None:
    """1 - y^2 over [tanh(a - E), tanh(a + E)], widened: largest at 0, and at most 1 in size."""
    a, error = np.array([0.5, -0.5, 0.1, 20.0]), np.array([0.1, 0.1, 0.3, 0.1])
    found = slope("tanh", a.tolist(), error.tolist(), [0.0] * 4)
    interval = Rounded(FP32).activation("tanh", Interval(a - error, a, a + error))
    low, high = interval.low, interval.high
    assert found.value == pytest.approx(1 - np.tanh(a) ** 2, rel=1e-15, abs=0)
    square = np.tanh(0.5) ** 2
    expected = [
        max(high[0] ** 2 - square, square - low[0] ** 2),
        max(low[1] ** 2 - square, square - high[1] ** 2),
        high[2] ** 2 - np.tanh(0.1) ** 2,
        1 - low[3] ** 2,
    ]
    assert found.bound - ROUNDINGS == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_slope_of_tanh_is_at_most_one_and_no_smaller_than_that_of_the_largest_value() -> None:
    """Of 3 and -3 within 3 1/2, 0 is possible, whose slope is 1; of -20 no value is beyond -1."""
    found = slope("tanh", [3.0, -3.0, -20.0], [3.5, 3.5, 0.1]).bound - ROUNDINGS
    square, high = np.tanh(3.0) ** 2, np.tanh(-19.9) + 5 * 2.0**-24 + 4 * 2.0**-52
    assert found == pytest.approx([square, square, 1 - high**2], rel=1e-9, abs=0)


def test_slope_of_sigmoid() -> None:
    """s (1 - s): 3/16 of 1/4; over [1/4, 3/4] around 1/2; from 3 to less than 0."""
    found = slope("sigmoid", [9.0], [0.1], [0.25], own=True)
    assert (found.value.item(), found.bound.item()) == (0.1875, ROUNDINGS)
    a = math.log(3.0)
    found = slope("sigmoid", [0.0, 3.0, 50.0], [a, 3.25, 1.0], [0.0] * 3)
    widened = 0.25 - 8.625 * 2.0**-24 - 6 * 2.0**-53
    of_three = math.exp(3) / (1 + math.exp(3)) ** 2
    expected = [0.25 - widened * (1 - widened), 0.25 - of_three]
    assert found.value[:2].tolist() == pytest.approx([0.25, of_three], rel=1e-14)
    assert found.bound[:2] - ROUNDINGS == pytest.approx(expected, rel=1e-9)
    # 1 is possible, whose slope is 0; and what is 9 u below it.
    assert found.bound[2] - ROUNDINGS == pytest.approx(9 * 2.0**-24, rel=1e-6)


def test_slope_of_relu_is_open_by_what_flushing_may_take() -> None:
    """Two products, 4 results; factors of magnitude 1 (and 7 v): five smallest normal numbers v."""
    tiny = 2.0**-126
    arrays = {"ih": 1.0, "hh": 2.0**-30}
    blocks = {(k, ""): Block(k, 0, np.array([[w]]), None) for k, w in arrays.items()}
    a = np.array([[[4.5], [5.5], [-4.5], [-5.5]]]) * tiny
    for flushed, bounds in ((True, [1, 0, 1, 0]), (False, [0, 0, 0, 0])):
        tape = record(
            elman("relu"), Parameters(blocks), a, {"h": np.zeros((1, 4, 1))}, FP32,
            Slopes({"h": np.maximum(a, 0)}), flushed=flushed,
        )  # fmt: skip
        (factor,) = tape.after["h"].factors
        assert factor is not None
        assert factor.bound.ravel().tolist() == bounds


def relative(roundings: int) -> Fraction:
    """gamma of float16 and of the oracle's float64."""
    return Fraction(roundings, 2**11 - roundings) + Fraction(roundings, 2**53 - roundings)


ETA = Fraction(1, 2**24)
Number = tuple[Any, Any]
"""A value and its bound."""


def product(a: Number, b: Number, roundings: int) -> Number:
    size = (abs(a[0]) + a[1]) * (abs(b[0]) + b[1])
    passed = abs(a[0]) * b[1] + a[1] * (abs(b[0]) + b[1])
    return a[0] * b[0], passed + relative(roundings) * size + ETA


def total(*terms: Number) -> Number:
    return sum(t[0] for t in terms), sum(t[1] for t in terms)


def assert_is(found: Bounded, expected: Number) -> None:
    assert found.value.item() == float(expected[0])
    assert found.bound.item() == pytest.approx(float(expected[1]), rel=1e-12)


def array(value: float) -> Array:
    return np.full((1, 1, 1), value)


def taped(cell: Cell, weights: Mapping[tuple[str, str], float], **states: float) -> Tape:
    """One step of one unit at x = 1, with states before it that are exact."""
    gates = [*cell.gates, ""]
    blocks = {
        at: Block(at[0], gates.index(at[1]), np.array([[w]]), None) for at, w in weights.items()
    }
    before = {name: Interval(array(v), array(v), array(v)) for name, v in states.items()}
    return record(cell, Parameters(blocks), array(1.0), before, FP16, Slopes())


def back(tape: Tape, above: int, **given: float) -> tuple[dict[str, Bounded], dict[str, Bounded]]:
    exact = {name: Bounded.exact(np.full((1, 1), value)) for name, value in given.items()}
    return adjoints(tape, 0, exact, BoundedArithmetic(FP16), tape.terms(above))


def half_width(weight: float) -> Fraction:
    """Of W x: one product, with stored operands; float64's own product."""
    one = Fraction(2, 2**11 - 2) + Fraction(1, 2**53 - 1)
    return one * Fraction(weight) + ETA / 2


def test_a_step_back_through_a_blend() -> None:
    """h' = (1 - z) n + z h, z = 1/2, n = 2, h = 4, adjoint 3: z' = 12 - 6, n' = 3 - 3/2, h' = 3/2.

    Each is a sum of two terms, dh_0 too: that of this step, and a cotangent.
    """

    def equation(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
        return {"h": op.blend(op.linear(w("ih", "z"), x), op.linear(w("ih", "n"), x), s["h"])}

    cell = Cell("blend", equation, (), gates=("z", "n"))
    tape = taped(cell, {("ih", "z"): 0.5, ("ih", "n"): 2.0}, h=4.0)
    assert tape.after["h"].value.expected.item() == 3
    handed, deltas = back(tape, 1, h=3.0)
    s, z, n, h = (3, 0), (Fraction(1, 2), half_width(0.5)), (2, half_width(2)), (4, 0)
    assert_is(handed["h"], product(z, s, 2))
    of_z = total(product(h, s, 2), product((-2, n[1]), s, 2))
    of_n = total(product((1, 0), s, 2), product((-z[0], z[1]), s, 2))
    assert deltas["ih"].value.tolist() == [[6, 1.5]]
    assert_is(deltas["ih"][:, :1], of_z)
    assert_is(deltas["ih"][:, 1:], of_n)


def test_a_step_back_through_a_state_that_is_used_twice() -> None:
    """c = x + c_0, h = o c, with o = 2, c_0 = 4 and x = 1: c' = 5 + 2 * 3, whose two terms pass
    through an addition each; so does c' on its way to c_0, which has another use, c' itself.
    """

    def equation(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
        c = op.add(op.linear(w("ih", "c"), x), s["c"])
        return {"c": c, "h": op.multiply(op.linear(w("ih", "o"), x), c)}

    cell = Cell("memory", equation, (), states=("h", "c"), gates=("c", "o"))
    tape = taped(cell, {("ih", "c"): 1.0, ("ih", "o"): 2.0}, h=0.0, c=4.0)
    assert list(tape.after) == ["h", "c"]
    assert (tape.carried("h"), tape.carried("c")) == (0, 2)
    handed, deltas = back(tape, 1, h=3.0, c=5.0)
    o = (2, half_width(2))
    of_c = total((5, relative(2) * 5), product(o, (3, 0), 2))
    size = abs(of_c[0]) + of_c[1]
    assert handed["h"].value.item() == handed["h"].bound.item() == 0
    assert_is(handed["c"], (11, of_c[1] + relative(1) * size))
    assert_is(deltas["ih"][:, :1], of_c)
    (node,) = (n for n in tape.nodes if n is tape.after["c"])
    c = Rounded(FP16).close(node.value)
    assert_is(deltas["ih"][:, 1:], product((5, Fraction(c.half_width.item())), (3, 0), 1))


def test_a_step_back_through_a_product_and_a_matrix() -> None:
    """h = P (1 - o) with o = 3 and P = -2, adjoint 5: -10 to 1 - o, and 10 to o."""

    def equation(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
        return {"h": op.linear(w("hr"), op.complement(op.linear(w("ih", "o"), x)))}

    tape = taped(
        Cell("out", equation, (), gates=("o",)), {("ih", "o"): 3.0, ("hr", ""): -2.0}, h=0.0
    )
    _, deltas = back(tape, 1, h=5.0)
    # A matrix product has one rounding more, of stored weights; its operand is no sum.
    of_one = (-10, relative(2) * 10 + ETA)
    assert deltas["hr"].value.item() == 5
    assert deltas["hr"].bound.item() == 0
    assert_is(deltas["ih"], product((-1, 0), of_one, 1))
    assert tape.matrices["hr"].tolist() == [[-2]]
    (node,) = tape.linear["hr"]
    (operand,) = node.factors
    assert operand is not None
    assert operand.value.item() == -2


@pytest.mark.parametrize(("h", "parts"), [(-4.0, (25, 20)), (4.0, (-15, -20))])
def test_a_step_back_with_magnitudes_alone(h: float, parts: tuple[int, int]) -> None:
    """h' = -2 x + (-3) h + (1 - h) h, all of 5: through W, and as each factor, signs or not."""

    def equation(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
        a = op.add(op.linear(w("ih"), x), op.linear(w("hh"), s["h"]))
        return {"h": op.add(a, op.multiply(op.complement(s["h"]), s["h"]))}

    tape = taped(Cell("signs", equation, ()), {("ih", ""): -2.0, ("hh", ""): -3.0}, h=h)
    given = {"h": Bounded.exact(np.full((1, 1), 5.0))}
    terms, rounding = tape.terms(1), BoundedArithmetic(FP16)
    plain, _ = adjoints(tape, 0, given, rounding, terms)
    sums, deltas = adjoints(tape, 0, given, rounding, terms, absolute=True)
    # 5 (1 - h) as a factor of it, and -5 h through it
    assert plain["h"].value.item() == -15 + sum(parts)
    assert sums["h"].value.item() == 15 + sum(map(abs, parts))
    assert deltas["ih"].value.item() == deltas["hh"].value.item() == 5


def test_terms_of_adjoints_are_counted_where_they_meet() -> None:
    """GRU of 2 units, 5 terms from above: h has those, 6 rows of W_hh, and z h."""
    shapes = {"ih": (2, 3), "hh": (2, 2)}
    blocks = {
        (kind, gate): Block(kind, number, np.full(shape, number + 1.0), None)
        for number, gate in enumerate(GRU.gates)
        for kind, shape in shapes.items()
    }
    x, h = np.zeros((1, 1, 3)), np.zeros((1, 1, 2))
    tape = record(GRU, Parameters(blocks), x, {"h": h}, FP16, Slopes())
    terms = tape.terms(5)
    assert terms[id(tape.before["h"])] == terms[id(tape.after["h"])] == 5 + 6 + 1
    assert terms[id(tape.before["x"])] == 6
    assert tape.carried("h") == 7
    assert tape.weight("h").tolist() == [[1, 1]] * 2 + [[2, 2]] * 2 + [[3, 3]] * 2
    by_name = {node.activation: terms[id(node)] for node in tape.nodes if node.activation}
    assert by_name == {"sigmoid": 2, "tanh": 2}  # z and n of the blend; r, recorded first, has 1
    assert [n.block.gate for n in tape.linear["hh"] if n.block] == [0, 1, 2]
