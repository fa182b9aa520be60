"""One step of each cell with one unit, in plain floats: values, and gradients of gated cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reference import Exact, Moved, elman, evaluate, exact_activation, parameters_of
from reference.formats import FORMATS
from reference.gradient import gradients
from tests.gated_cells import GRU, LSTM, MGU, PROJECTED

X, H, C = 0.5, -0.25, 0.75


def s(a: float) -> float:
    return 1 / (1 + math.exp(-a))


def arrays(ih: list[float], hh: list[float], *, bias: float = 0.125) -> dict[str, Any]:
    """A row for each gate; biases are multiples of 1/8 and 1/4, gate by gate."""
    numbers = np.arange(1.0, len(ih) + 1)
    return {
        "weight_ih_l0": np.array(ih)[:, None],
        "weight_hh_l0": np.array(hh)[:, None],
        "bias_ih_l0": bias * numbers,
        "bias_hh_l0": -2 * bias * numbers,
    }


def step(cell: Any, weights: dict[str, Any], **states: float) -> dict[str, float]:
    initial = {name: [[[value]]] for name, value in states.items()}
    found = evaluate(cell, [[[X]]], initial, weights)
    return {name: array.item() for name, array in found.items()}


def linear(weights: dict[str, Any]) -> list[tuple[float, float]]:
    """W_ih x + b_ih and W_hh h + b_hh of each gate."""
    ih = weights["weight_ih_l0"][:, 0] * X + weights["bias_ih_l0"]
    hh = weights["weight_hh_l0"][:, 0] * H + weights["bias_hh_l0"]
    return list(zip(ih.tolist(), hh.tolist(), strict=True))


def test_elman() -> None:
    weights = arrays([2.0], [3.0])
    assert step(elman("tanh"), weights, h=H)["output"] == pytest.approx(math.tanh(0.125), rel=1e-15)
    assert step(elman("relu"), weights, h=H)["h_n"] == 1 - 0.75 + 0.125 - 0.25 or 0


@pytest.mark.parametrize("projection", [None, -3.0])
def test_lstm(projection: float | None) -> None:
    """Gates in torch's order: i, f, g, o."""
    weights = arrays([1.0, -2.0, 3.0, 0.5], [0.25, 1.0, -1.0, 2.0])
    i, f, g, o = (a + b for a, b in linear(weights))
    c = s(f) * C + s(i) * math.tanh(g)
    h = s(o) * math.tanh(c)
    cell = LSTM
    if projection is not None:
        cell, h = PROJECTED, projection * h
        weights["weight_hr_l0"] = [[projection]]
    found = step(cell, weights, h=H, c=C)
    assert list(found) == ["output", "h_n", "c_n"]
    assert found == pytest.approx({"output": h, "h_n": h, "c_n": c}, rel=1e-14)


def test_gru() -> None:
    """Gates r, z, n; r acts on W_hn h + b_hn; z keeps what was."""
    weights = arrays([1.0, -2.0, 3.0], [0.25, 1.0, -1.0])
    (ir, hr), (iz, hz), (i_n, hn) = linear(weights)
    z, n = s(iz + hz), math.tanh(i_n + s(ir + hr) * hn)
    expected = (1 - z) * n + z * H
    assert step(GRU, weights, h=H)["h_n"] == pytest.approx(expected, rel=1e-14)


def test_minimal_gated_unit() -> None:
    weights = arrays([1.0, 3.0], [0.25, -1.0])
    (i_f, hf), (i_n, _) = linear(weights)
    f = s(i_f + hf)
    n = math.tanh(i_n - 1.0 * f * H - 0.5)
    assert step(MGU, weights, h=H)["h_n"] == pytest.approx((1 - f) * H + f * n, rel=1e-14)


def test_gradients_of_gru_by_hand() -> None:
    """dh' = 2; dz = 2 (h - n), dn = 2 (1 - z), and so on, as the equations are written."""
    weights = arrays([1.0, -2.0, 3.0], [0.25, 1.0, -1.0])
    (ir, hr), (iz, hz), (i_n, hn) = linear(weights)
    r, z = s(ir + hr), s(iz + hz)
    n = math.tanh(i_n + r * hn)
    of_n = 2 * (1 - z) * (1 - n * n)
    of_z = 2 * (H - n) * z * (1 - z)
    of_r = of_n * hn * r * (1 - r)
    found = gradients(GRU, [[[X]]], {"h": [[[H]]]}, weights, [[[2.0]]], {})
    ih, hh = [of_r, of_z, of_n], [of_r, of_z, of_n * r]
    assert found["x"].item() == pytest.approx(of_r - 2 * of_z + 3 * of_n, rel=1e-13)
    expected = 0.25 * of_r + of_z - of_n * r + 2 * z
    assert found["h_0"].item() == pytest.approx(expected, rel=1e-13)
    assert found["bias_ih_l0"].tolist() == pytest.approx(ih, rel=1e-13)
    assert found["bias_hh_l0"].tolist() == pytest.approx(hh, rel=1e-13)
    assert found["weight_ih_l0"].ravel().tolist() == pytest.approx([X * d for d in ih], rel=1e-13)
    assert found["weight_hh_l0"].ravel().tolist() == pytest.approx([H * d for d in hh], rel=1e-13)


def test_gradients_of_lstm_by_hand() -> None:
    """dh' = 2 and dc' = 5, projected by -3: dc = 5 + -3 * 2 o (1 - tanh(c)^2)."""
    weights = arrays([1.0, -2.0, 3.0, 0.5], [0.25, 1.0, -1.0, 2.0]) | {"weight_hr_l0": [[-3.0]]}
    i, f, g, o = (a + b for a, b in linear(weights))
    i, f, g, o = s(i), s(f), math.tanh(g), s(o)
    t = math.tanh(f * C + i * g)
    of_c = 5 - 3 * 2 * o * (1 - t * t)
    deltas = [
        of_c * g * i * (1 - i), of_c * C * f * (1 - f), of_c * i * (1 - g * g),
        -3 * 2 * t * o * (1 - o),
    ]  # fmt: skip
    found = gradients(
        PROJECTED, [[[X]]], {"h": [[[H]]], "c": [[[C]]]}, weights, [[[2.0]]], {"c": [[[5.0]]]}
    )
    assert found["c_0"].item() == pytest.approx(of_c * f, rel=1e-13)
    assert found["weight_hr_l0"].item() == pytest.approx(2 * o * t, rel=1e-13)
    assert found["bias_ih_l0"].tolist() == pytest.approx(deltas, rel=1e-13)
    assert found["bias_hh_l0"].tolist() == pytest.approx(deltas, rel=1e-13)
    passed = sum(w * d for w, d in zip([0.25, 1.0, -1.0, 2.0], deltas, strict=True))
    assert found["h_0"].item() == pytest.approx(passed, rel=1e-13)
    passed = sum(w * d for w, d in zip([1.0, -2.0, 3.0, 0.5], deltas, strict=True))
    assert found["x"].item() == pytest.approx(passed, rel=1e-13)


def test_parameters_are_split_by_gate_in_float64() -> None:
    weights = {name: np.asarray(a, "f") for name, a in arrays([1.0, 2.0], [3.0, 4.0]).items()}
    found = parameters_of(MGU, weights, 0, False, True)
    block = found("hh", "n")
    assert (block.kind, block.gate, block.weight.tolist()) == ("hh", 1, [[4.0]])
    assert block.bias is not None
    assert block.bias.tolist() == [-0.5]
    assert block.weight.dtype == block.bias.dtype == np.float64
    assert parameters_of(MGU, weights, 0, False, False)("ih", "f").bias is None


def test_sigmoid_neither_overflows_nor_loses_small_values() -> None:
    a = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    expected = [0.0, math.exp(-40), 0.5, 1.0, 1.0]
    with np.errstate(over="raise"):
        found = exact_activation("sigmoid", a)
    assert found.tolist() == pytest.approx(expected, rel=1e-15, abs=1e-300)
    assert exact_activation("sigmoid", a.astype("f")).dtype == np.float32
    with pytest.raises(ValueError, match="activation = 'cosine'"):
        exact_activation("cosine", a)


def test_exact_operations_are_those_of_numbers() -> None:
    op, two, three = Exact(), np.array([2.0]), np.array([3.0])
    assert op.add(two, three, two).item() == 7
    assert op.multiply(two, three).item() == 6
    assert op.complement(three).item() == -2
    assert op.blend(np.array([0.25]), two, three).item() == 2.25
    assert op.complement(np.array([3], np.float32)).dtype == np.float32


def test_moved_activations_err_by_all_they_may_to_either_side() -> None:
    """tanh by 5 ulp, relu by half an ulp, where they are not 0; inputs by an ulp."""
    moved, a = Moved(FORMATS["fp32"], np.random.PCG64(1)), np.full(64, 0.7)
    found = moved.activation("tanh", a) - np.tanh(a)
    assert sorted({round(v * 2**24) for v in found.tolist()}) == [-5, 5]
    found = moved.activation("relu", np.full(64, 1.0)) - 1
    assert sorted(set((found * 2**24).tolist())) == [-1, 1]
    assert not moved.activation("relu", np.full(64, -1.0)).any()
    found = moved.moved(np.full(64, 1.0, "f")) - 1
    assert sorted(set((found * 2**23).tolist())) == [-1, 1]
