"""Stacks of a cell over sequences: hand-computed values, laws, lengths, and refusals.

torch in float64 is asked in test_gated_cells, in all options.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reference import Exact, evaluate, expected_parameters
from tests.gated_cells import CELLS, arrays_of
from tests.plain_layer import rnn

WEIGHTS_1 = {
    "weight_ih_l0": [[2.0]],
    "weight_hh_l0": [[3.0]],
    "bias_ih_l0": [0.25],
    "bias_hh_l0": [-0.5],
}
ONES: dict[str, Any] = {"weight_ih_l0": [[1.0]], "weight_hh_l0": [[1.0]]}
BOTH_WAYS = ONES | {f"{name}_reverse": w for name, w in ONES.items()}
RELU: dict[str, Any] = {"nonlinearity": "relu", "bias": False}


def test_relu_by_hand() -> None:
    # a_1 = 2*1 + .25 - .5 + 3*1 = 4.75; a_2 = 2*-8 - .25 + 3*4.75 = -2 -> 0; a_3 = 2 - .25
    output, h_n = rnn([[[1.0]], [[-8.0]], [[1.0]]], [[[1.0]]], WEIGHTS_1, nonlinearity="relu")
    assert output.ravel().tolist() == [4.75, 0.0, 1.75]
    assert h_n.ravel().tolist() == [1.75]


def test_two_units_by_hand() -> None:
    weights = {"weight_ih_l0": [[1.0, 2.0], [0.0, -1.0]], "weight_hh_l0": [[0.0, 1.0], [2.0, 0.0]]}
    output, h_n = rnn([[[1.0, 2.0]], [[3.0, -1.0]]], [[[1.0, 4.0]]], weights, **RELU)
    # step 1: [1 + 4 + 4, -2 + 2] = [9, 0]; step 2: [3 - 2 + 0, 1 + 18]
    assert output.reshape(2, 2).tolist() == [[9.0, 0.0], [1.0, 19.0]]
    assert h_n.ravel().tolist() == [1.0, 19.0]


def test_lengths_by_hand() -> None:
    weights = BOTH_WAYS | {"weight_ih_l0_reverse": [[10.0]]}
    x = np.array([[1.0, 1.0, 1.0], [2.0, np.nan, 2.0], [np.inf, 7.0, 3.0]])[:, :, None]
    h_0 = [[[0.5]] * 3, [[100.0]] * 3]
    output, h_n = rnn(x, h_0, weights, bidirectional=True, lengths=[2, 0, 3], **RELU)
    assert output[:, 0].tolist() == [[1.5, 130.0], [3.5, 120.0], [0.0, 0.0]]
    assert output[:, 1].tolist() == [[0.0, 0.0]] * 3
    assert output[:, 2].tolist() == [[1.5, 160.0], [3.5, 150.0], [6.5, 130.0]]
    assert h_n[:, :, 0].tolist() == [[3.5, 0.5, 6.5], [130.0, 100.0, 160.0]]


def test_dropout_masks_act_between_layers_only() -> None:
    rng = np.random.default_rng(1)
    weights = arrays_of(CELLS["elman"], rng, (2, 3, 3), layers=3)
    x = rng.uniform(-1, 1, (4, 5, 2))
    masks = [rng.integers(0, 2, (4, 5, 3)) * 2.0 for _ in range(2)]
    output, h_n = rnn(x, None, weights, num_layers=3, dropout_masks=masks)
    y = x
    for k in range(3):
        single = {n.replace(f"_l{k}", "_l0"): w for n, w in weights.items() if n.endswith(str(k))}
        y, last = rnn(y, None, single)
        np.testing.assert_array_equal(h_n[k], last[0])
        y = y * masks[k] if k < 2 else y
    np.testing.assert_array_equal(output, y)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_evaluates_in_the_dtype_asked_for(dtype: type) -> None:
    output, h_n = rnn([[[0.5]]], None, WEIGHTS_1, dtype=dtype)
    assert output.dtype == h_n.dtype == dtype


ONE = [[[1.0]], [[2.0]]]
TWO_LAYERS = {
    "num_layers": 2,
    "weights": WEIGHTS_1 | {name.replace("l0", "l1"): w for name, w in WEIGHTS_1.items()},
}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"x": [1.0]}, r"x.shape = \(1,\), expected \(T, B, input_size\)"),
    ({"h_0": [[1.0]]}, r"h_0.shape = \(1, 1\), expected \(1, 1, 1\)"),
    ({"h_0": [[[1.0], [1.0]]]}, r"h_0.shape = \(1, 2, 1\), expected \(1, 1, 1\)"),
    ({"num_layers": 0}, "num_layers = 0, expected at least 1"),
    ({"num_layers": 2}, "missing .'bias_hh_l1'"),
    ({"bias": False}, r"not expected \['bias_hh_l0', 'bias_ih_l0'\]"),
    ({"nonlinearity": "sigmoid"}, "nonlinearity = 'sigmoid', expected 'tanh' or 'relu'"),
    ({"lengths": [3]}, r"lengths = \[3\], expected each in 0..2"),
    ({"lengths": [-1]}, r"lengths = \[-1\], expected each in 0..2"),
    ({"lengths": [1, 1]}, "expected 1 integers"),
    ({"lengths": [1.0]}, "expected 1 integers"),
    ({"lengths": [1], "x": [[1.0]]}, "expected None for unbatched"),
    ({"dropout_masks": [np.ones((2, 1, 1))]}, "expected num_layers - 1"),
    ({"dtype": np.int64}, "dtype = int64, expected a floating type"),
    ({"weights": WEIGHTS_1 | {"weight_hh_l0": [[1.0, 2.0]]}}, r"weight_hh_l0.shape = \(1, 2\)"),
    ({"weights": WEIGHTS_1 | {"weight_ih_l0": [[1.0, 2.0]]}}, r"weight_ih_l0.shape = \(1, 2\)"),
    (
        {"weights": WEIGHTS_1 | {"weight_ih_l0": [1.0]}},
        r"weight_ih_l0.shape = \(1,\), expected \(1 \* hidden_size, input_size\)",
    ),
    (
        {"weights": WEIGHTS_1 | {"weight_ih_l0": 1.0}},
        r"weight_ih_l0.shape = \(\), expected \(1 \* hidden_size, input_size\)",
    ),
    (
        {"weights": WEIGHTS_1 | {"weight_hh_l0": [1.0]}},
        r"weight_hh_l0.shape = \(1,\), expected \(1, 1\)",
    ),
    (
        {"weights": WEIGHTS_1 | {"weight_ih_l0": [[1.0], [1.0]]}},
        r"weight_hh_l0.shape = \(1, 1\), expected \(2, 2\)",
    ),
    (
        {"weights": WEIGHTS_1 | {"bias_hh_l0": [[1.0]]}},
        r"bias_hh_l0.shape = \(1, 1\), expected \(1,\)",
    ),
    ({"dropout_masks": []} | TWO_LAYERS, "dropout_masks: 0 given"),
    (
        {"dropout_masks": [np.ones((2, 1, 2))]} | TWO_LAYERS,
        r"shape \(2, 1, 2\), expected \(2, 1, 1\)",
    ),
    ({"x": [[1.0]], "h_0": [[[1.0]]]}, r"h_0.shape = \(1, 1, 1\), expected \(1, 1\)"),
    ({"dtype": np.complex128}, "dtype = complex128"),
    ({"x": [[[[1.0]]]]}, "expected .T, B, input_size."),
]


@pytest.mark.parametrize(
    ("change", "message"), REFUSED, ids=[m[:30].replace("\\", "") for _, m in REFUSED]
)
def test_inconsistent_arguments_are_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"x": ONE, "h_0": None, "weights": WEIGHTS_1} | change
    with pytest.raises(ValueError, match=message):
        rnn(arguments.pop("x"), arguments.pop("h_0"), arguments.pop("weights"), **arguments)


def test_each_layer_has_its_own_shapes() -> None:
    """Of ten layers, both directions: I columns below, 2 H above; any other is refused."""
    weights: dict[str, Any] = {}
    for k in range(10):
        for end in ("", "_reverse"):
            weights[f"weight_ih_l{k}{end}"] = np.zeros((3, 6 if k else 2))
            weights[f"weight_hh_l{k}{end}"] = np.zeros((3, 3))
    options: dict[str, Any] = {"num_layers": 10, "bidirectional": True, "bias": False}
    output, h_n = rnn(np.zeros((4, 5, 2)), None, weights, **options)
    assert (output.shape, h_n.shape) == ((4, 5, 6), (20, 5, 3))
    for name in weights:
        wrong = weights | {name: np.zeros((3, weights[name].shape[1] + 1))}
        with pytest.raises(ValueError, match=rf"{name}.shape"):
            rnn(np.zeros((4, 5, 2)), None, wrong, **options)


def test_unbatched_states_are_flat_both_ways() -> None:
    options = RELU | {"bidirectional": True, "batch_first": True}
    output, h_n = rnn([[1.0], [2.0]], [[10.0], [20.0]], BOTH_WAYS, **options)
    assert output.tolist() == [[11, 23], [13, 22]]
    assert h_n.tolist() == [[13], [23]]


def test_an_activation_of_ones_own_is_applied_to_every_pre_activation() -> None:
    own = Exact(lambda name, a: a + 1)
    output, h_n = rnn(ONE, [[[1.0]]], WEIGHTS_1, arithmetic=own)
    # 2 + 3 - 1/4 + 1, then 4 + 3 * 5.75 - 1/4 + 1
    assert output.ravel().tolist() == [5.75, 22.0]
    assert h_n.ravel().tolist() == [22.0]


def test_arguments_are_never_written_to() -> None:
    x, h_0, lengths = np.ones((2, 3, 1)), np.ones((1, 3, 1)), np.array([2, 1, 0])
    output, h_n = rnn(x, h_0, WEIGHTS_1, lengths=lengths)
    h_n += 1
    output += 1
    assert (x == 1).all()
    assert (h_0 == 1).all()
    assert lengths.tolist() == [2, 1, 0]


def test_an_empty_batch_has_no_lengths_out_of_range() -> None:
    output, h_n = rnn(np.zeros((2, 0, 1)), None, WEIGHTS_1, lengths=np.zeros(0, int))
    assert (output.shape, h_n.shape) == ((2, 0, 1), (1, 0, 1))


def test_parameters_of_cells_with_several_gates_and_a_projection() -> None:
    """As torch.nn.LSTM documents them: 4 H rows, proj_size columns, weight_hr (proj_size, H)."""
    found = expected_parameters(CELLS["projected"], 2, 2, True, 5, 4, 3)
    first = {
        "weight_ih_l0": (16, 5), "weight_hh_l0": (16, 3), "bias_ih_l0": (16,),
        "bias_hh_l0": (16,), "weight_hr_l0": (3, 4),
    }  # fmt: skip
    assert {name: found[name] for name in list(found)[:5]} == first
    assert list(found)[5] == "weight_ih_l0_reverse"
    assert found["weight_ih_l1_reverse"] == (16, 6)
    assert expected_parameters(CELLS["gru"], 1, 1, False, 5, 4) == {
        "weight_ih_l0": (12, 5), "weight_hh_l0": (12, 4)
    }  # fmt: skip


def test_shapes_of_gates_and_projections_that_do_not_fit_are_refused() -> None:
    three = {"weight_ih_l0": np.zeros((4, 1)), "weight_hh_l0": np.zeros((4, 1))}
    with pytest.raises(ValueError, match=r"weight_ih_l0.shape = .4, 1., expected .3 . hidden_size"):
        evaluate(CELLS["gru"], ONE, {}, three, bias=False)
    with pytest.raises(ValueError, match=r"weight_hr_l0.shape = .., expected .proj_size, 1."):
        evaluate(CELLS["projected"], ONE, {}, three, bias=False)
    with pytest.raises(ValueError, match="weights: missing 'weight_ih_l0'"):
        evaluate(CELLS["gru"], ONE, {}, {}, bias=False)
    states = {"h": np.zeros((1, 1, 1)), "c": np.zeros((1, 1, 2))}
    weights = {name: np.zeros(s) for name, s in LSTM_SHAPES.items()}
    with pytest.raises(ValueError, match=r"c_0.shape = .1, 1, 2., expected .1, 1, 1."):
        evaluate(CELLS["lstm"], ONE, states, weights)


LSTM_SHAPES = expected_parameters(CELLS["lstm"], 1, 1, True, 1, 1)


NAMES = ("x", "h_0", "mask", "weight_ih_l0", "weight_hh_l0", "bias_hh_l0")


@pytest.mark.parametrize("name", NAMES)
def test_every_array_is_rounded_to_the_dtype_first(name: str) -> None:
    """1 + 2^-25 is 1 in float32, and 1 - 1 is 0; summed up in float64 it would be 2^-25."""
    layer = int(name == "mask")
    given = {"x": float(name in ("x", "weight_ih_l0", "mask")), "mask": 1.0}
    given |= {"h_0": float(name in ("h_0", "weight_hh_l0")), "bias_hh_l0": 0.0}
    given |= {f"weight_{kind}_l{k}": 1.0 for kind in ("ih", "hh") for k in (0, 1)}
    given |= {"bias_ih_l0": 0.0, "bias_ih_l1": 0.0, "bias_hh_l1": 0.0, f"bias_ih_l{layer}": -1.0}
    given[name] = 1 + 2.0**-25
    x, h_0, mask = [[[given.pop("x")]]], [[[given.pop("h_0")]], [[0.0]]], [[[given.pop("mask")]]]
    weights = {n: [[v]] if n.startswith("weight") else [v] for n, v in given.items()}
    options: dict[str, Any] = {"num_layers": 2, "nonlinearity": "relu", "dtype": np.float32}
    output, _ = rnn(x, h_0, weights, dropout_masks=[mask], **options)
    assert output.item() == 0


def test_a_stale_step_after_padding_is_that_of_the_row_alone() -> None:
    """Backwards the padding comes first: it leaves the state before last at 0.

    relu, W_ih = W_hh = 1, x = 1: 1 + 0, 1 + h_0, 1 + h_1, in rows of length 3 and 2.
    """
    x, h_0 = np.ones((3, 2, 1)), np.full((2, 2, 1), 8.0)
    options = RELU | {"bidirectional": True, "lengths": [3, 2], "stale": True}
    output, h_n = rnn(x, h_0, BOTH_WAYS, **options)
    assert output[:, 0].tolist() == [[1, 2], [9, 9], [2, 1]]
    assert output[:, 1].tolist() == [[1, 9], [9, 1], [0, 0]]
    assert h_n[:, :, 0].tolist() == [[2, 9], [2, 9]]


def test_a_projected_layer_has_units_of_two_sizes() -> None:
    """Weights of 0: each gate is 1/2, c = 4 / 2, and two units of tanh(2) / 2 become one."""
    shapes = expected_parameters(CELLS["projected"], 2, 1, True, 3, 2, 1)
    weights = {name: np.zeros(shape) for name, shape in shapes.items()}
    start = {"h": np.zeros((2, 1, 1)), "c": np.full((2, 1, 2), 4.0)}
    weights["weight_hr_l1"] = np.array([[1.0, 2.0]])
    found = evaluate(CELLS["projected"], np.zeros((1, 1, 3)), start, weights, num_layers=2)
    assert {name: array.shape for name, array in found.items()} == {
        "output": (1, 1, 1), "h_n": (2, 1, 1), "c_n": (2, 1, 2)
    }  # fmt: skip
    assert found["output"].item() == pytest.approx(3 * 0.5 * math.tanh(2), rel=1e-15)
