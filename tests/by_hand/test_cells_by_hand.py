"""Parameters of a cell, and the operations that its equation is written in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference import Exact, Moved, exact_activation, parameters_of
from reference.formats import FORMATS
from tests.gated_cells import MGU


def test_parameters_are_split_by_gate_in_float64() -> None:
    biases = {"bias_ih_l0": np.array([1, 2], "f"), "bias_hh_l0": np.array([3, -0.5], "f")}
    matrices = {
        "weight_ih_l0": np.array([[1], [2]], "f"),
        "weight_hh_l0": np.array([[3], [4]], "f"),
    }
    weights = {**matrices, **biases}
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
