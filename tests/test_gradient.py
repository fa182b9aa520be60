"""The gradient oracle: complex-step differentiation, and known values.

torch's float64 autograd is asked in test_gated_cells, in all options.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference import Cell, elman
from reference.gradient import gradients, previous_states
from tests.gated_cells import CELLS, Stack

Arrays = dict[str, NDArray[Any]]
"""Of numbers, or of complex numbers: those that differentiate by a complex step."""

Step = Callable[[Arrays, NDArray[Any], Arrays], Arrays]


def _sigmoid(a: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = 1 / (1 + np.exp(-a))
    return found


def _linear(w: Arrays, kind: str, v: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = w[f"weight_{kind}"] @ v + w.get(f"bias_{kind}", 0)
    return found


def _elman(w: Any, x: Any, s: Any) -> Arrays:
    return {"h": np.tanh(_linear(w, "ih", x) + _linear(w, "hh", s["h"]))}


def _relu(w: Any, x: Any, s: Any) -> Arrays:
    a = _linear(w, "ih", x) + _linear(w, "hh", s["h"])
    return {"h": np.where(a.real > 0, a, 0)}


def _lstm(w: Any, x: Any, s: Any) -> Arrays:
    i, f, g, o = np.split(_linear(w, "ih", x) + _linear(w, "hh", s["h"]), 4)
    c = _sigmoid(f) * s["c"] + _sigmoid(i) * np.tanh(g)
    h = _sigmoid(o) * np.tanh(c)
    return {"h": w["weight_hr"] @ h if "weight_hr" in w else h, "c": c}


def _gru(w: Any, x: Any, s: Any) -> Arrays:
    (r, z, n), (hr, hz, hn) = (
        np.split(_linear(w, kind, v), 3) for kind, v in (("ih", x), ("hh", s["h"]))
    )
    new = np.tanh(n + _sigmoid(r + hr) * hn)
    return {"h": new + _sigmoid(z + hz) * (s["h"] - new)}


def _mgu(w: Any, x: Any, s: Any) -> Arrays:
    h, half = s["h"], len(s["h"])
    gate, new = np.split(_linear(w, "ih", x), 2)
    f = _sigmoid(gate + w["weight_hh"][:half] @ h + w.get("bias_hh", np.zeros(2 * half))[:half])
    hn = w["weight_hh"][half:] @ (f * h) + w.get("bias_hh", np.zeros(2 * half))[half:]
    return {"h": (1 - f) * h + f * np.tanh(new + hn)}


STEPS: dict[str, Step] = {
    "elman": _elman, "relu": _relu, "lstm": _lstm, "projected": _lstm, "gru": _gru, "mgu": _mgu
}  # fmt: skip


class Call(Stack):
    """Its loss is written once more, for complex arrays: row by row, in plain NumPy."""

    def __init__(self, kind: str, drawn: dict[str, Any]) -> None:
        super().__init__(CELLS[kind], drawn)
        self.kind, self.drawn = kind, drawn
        starts = {f"{name}_0": array for name, array in self.initial.items()}
        self.arrays: Arrays = {"x": self.x, **starts, **self.weights}

    def loss(self, arrays: Arrays) -> Any:
        total: Any = 0.0
        for row in range(self.drawn["batch"]):
            length = self.drawn["steps"] if self.lengths is None else int(self.lengths[row])
            y = arrays["x"][:length, row]
            for layer in range(self.drawn["layers"]):
                sides = []
                for direction in range(self.directions):
                    end = f"_l{layer}" + "_reverse" * direction
                    w = {n.removesuffix(end): a for n, a in arrays.items() if n.endswith(end)}
                    at = layer * self.directions + direction
                    states = {name: arrays[f"{name}_0"][at, row] for name in self.cell.states}
                    found = []
                    for x in y[::-1] if direction else y:
                        states = STEPS[self.kind](w, x, states)
                        found.append(states["h"])
                    sides.append(found[::-1] if direction else found)
                    for name, array in states.items():
                        total = total + (array * self.g_n[name][at, row]).sum()
                y = np.array([np.concatenate(both) for both in zip(*sides, strict=True)])
            total = total + (y * self.g[:length, row]).sum()
        return total


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("kind", STEPS)
def test_a_stack_agrees_with_complex_step_differentiation(kind: str, ragged: bool) -> None:
    """Two layers, both directions; biases where there are lengths, two different ones."""
    drawn = {"seed": 5, "inputs": 2, "hidden": 3, "layers": 2, "bidirectional": True,
             "bias": ragged, "batch": 2, "steps": 3, "ragged": ragged}  # fmt: skip
    call, step = Call(kind, drawn), 1e-30
    arrays = {name: array.astype(np.complex128) for name, array in call.arrays.items()}
    found = call.gradients()
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        for index in np.ndindex(array.shape):
            moved = array.copy()
            moved[index] += 1j * step
            expected = np.imag(call.loss({**arrays, name: moved})) / step
            assert found[name][index] == pytest.approx(expected, rel=1e-12, abs=1e-14), name


TANH, RELU = elman("tanh"), elman("relu")


def test_no_gradient_comes_from_memory_that_was_never_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the end of a row the reverse direction has no state before; 0 times NaN is NaN."""
    monkeypatch.setattr(np, "empty_like", lambda a, *_: np.full(np.shape(a), np.nan))
    valid = np.arange(4)[:, None] < np.array([2, 4])
    states = np.arange(16.0).reshape(4, 2, 2)
    previous = previous_states(states, np.ones((2, 2)), valid, reverse=True)
    assert np.isfinite(previous).all()
    assert (previous[3, 0] == 0).all()
    assert (previous[1, 0] == 1).all()


def test_float32_arguments_are_evaluated_in_float64() -> None:
    rng = np.random.default_rng(1)
    sizes = {"weight_ih_l0": (3, 2), "weight_hh_l0": (3, 3), "bias_ih_l0": (3,)}
    sizes["bias_hh_l0"] = (3,)
    weights = {name: rng.uniform(-1, 1, size).astype("f") for name, size in sizes.items()}
    shapes = ((4, 5, 2), (1, 5, 3), (4, 5, 3), (1, 5, 3))
    x, h_0, output, h_n = (rng.uniform(-1, 1, shape).astype("f") for shape in shapes)
    found = gradients(TANH, x, {"h": h_0}, weights, output, {"h": h_n})
    wide = {name: array.astype(float) for name, array in weights.items()}
    exact = gradients(TANH, x * 1.0, {"h": h_0 * 1.0}, wide, output * 1.0, {"h": h_n * 1.0})
    lists = gradients(
        TANH, x.tolist(), {"h": h_0.tolist()}, wide, output.tolist(), {"h": h_n.tolist()}
    )
    assert set(found) == {"x", "h_0", *weights}
    for name, gradient in found.items():
        assert gradient.dtype == np.float64
        np.testing.assert_array_equal(gradient, exact[name])
        np.testing.assert_array_equal(gradient, lists[name])


def test_relu_by_hand_and_its_slope_of_0_at_0() -> None:
    """h_1 = relu(2 x_1) = 0 at x_1 = 0; h_2 = relu(2 / 4 + 5 h_1) = 1/2, with a slope of 1."""
    weights = {"weight_ih_l0": [[2.0]], "weight_hh_l0": [[5.0]]}
    found = gradients(
        RELU, [[[0.0]], [[0.25]]], {}, weights, [[[7.0]], [[1.0]]], {"h": [[[10.0]]]}, bias=False
    )
    assert found["x"].ravel().tolist() == [0, 22]
    assert found["h_0"].ravel().tolist() == [0]
    assert found["weight_ih_l0"].ravel().tolist() == [2.75]
    assert found["weight_hh_l0"].ravel().tolist() == [0]


def test_a_cotangent_that_is_left_out_is_zero() -> None:
    """h' = relu(x + h): no gradient but that of the output, 7."""
    weights = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]]}
    found = gradients(RELU, [[[1.0]]], {}, weights, [[[7.0]]], {}, bias=False)
    assert found["x"].item() == found["h_0"].item() == 7


def test_an_equation_that_uses_x_elsewhere_than_in_linear_terms_is_refused() -> None:
    """Its values would be right and its gradients not."""

    def equation(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
        return {"h": op.multiply(x, op.linear(w("hh"), s["h"]))}

    cell = Cell("other", equation, ())
    weights = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]]}
    with pytest.raises(ValueError, match="cell = 'other', expected x in linear terms only"):
        gradients(cell, [[[1.0]]], {}, weights, [[[7.0]]], {}, bias=False)


def test_states_that_a_step_hands_on_by_themselves_have_gradients_too() -> None:
    """h' = relu(x + h + m), m' = h, which no row of a matrix sees: by hand over two steps.

    Of h'' = x2 + h' + h (all positive): 1 to each, and h' = x1 + h_0 + m_0.
    """

    def equation(op: Any, w: Any, x: Any, s: Any) -> dict[str, Any]:
        a = op.add(op.linear(w("ih"), x), op.linear(w("hh"), s["h"]), s["m"])
        return {"m": s["h"], "h": op.activation("relu", a)}

    cell = Cell("delayed", equation, ("relu",), states=("h", "m"))
    weights = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]]}
    found = gradients(
        cell, [[[1.0]], [[2.0]]], {"h": [[[3.0]]], "m": [[[4.0]]]}, weights,
        [[[0.0]], [[1.0]]], {"m": [[[10.0]]]}, bias=False,
    )  # fmt: skip
    # h_2 + 10 h_1, h_1 = 1 + 3 + 4 = 8, h_2 = 2 + 8 + 3
    assert found["x"].ravel().tolist() == [11, 1]
    assert found["h_0"].item() == 12
    assert found["m_0"].item() == 11
    assert found["weight_ih_l0"].item() == 11 * 1 + 2
    assert found["weight_hh_l0"].item() == 11 * 3 + 8


def test_two_layers_of_one_direction_by_hand() -> None:
    """relu of 2 x, then of 3 h, all positive: 7 goes back to 7 * 3 and 7 * 3 * 2."""
    weights = {"weight_ih_l0": [[2.0]], "weight_ih_l1": [[3.0]]}
    weights |= {"weight_hh_l0": [[5.0]], "weight_hh_l1": [[5.0]]}
    found = gradients(RELU, [[[1.0]]], {}, weights, [[[7.0]]], {}, num_layers=2, bias=False)
    assert found["x"].item() == 42
    assert found["h_0"].ravel().tolist() == [21 * 5, 7 * 5]
    assert (found["weight_ih_l0"].item(), found["weight_ih_l1"].item()) == (21, 14)
