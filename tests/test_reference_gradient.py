"""The gradient oracle: complex-step differentiation, torch's float64 autograd, known values."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from harness.backends import load_backend
from harness.case import Case, make_case
from harness.config import Config
from harness.draw import draw_configs
from harness.layout import states_to_layout, to_layout
from harness.strategies import configs
from reference.gradient import previous_states, rnn_gradients
from reference.rnn import layer_names


def cotangents(case: Case) -> tuple[np.ndarray, np.ndarray]:
    config = case.config
    rng = np.random.default_rng(config.seed)
    output = rng.uniform(
        -1, 1, (config.steps, config.batch, config.directions * config.hidden_size)
    )
    rows = config.num_layers * config.directions
    return output, rng.uniform(-1, 1, (rows, config.batch, config.hidden_size))


def exact_gradients(case: Case) -> dict[str, np.ndarray]:
    config = case.config
    return rnn_gradients(
        case.x,
        case.h_0,
        case.weights,
        *cotangents(case),
        num_layers=config.num_layers,
        nonlinearity=config.nonlinearity,
        bias=config.bias,
        bidirectional=config.bidirectional,
        lengths=case.lengths,
    )


def forward_in_complex(case: Case, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The equation written once more, row by row, for complex arrays: output and h_n, flat."""
    config = case.config
    relu = config.nonlinearity == "relu"
    output, h_n = cotangents(case)
    total = 0.0
    for row in range(config.batch):
        length = config.steps if case.lengths is None else int(case.lengths[row])
        y = arrays["x"][:length, row]
        for layer in range(config.num_layers):
            sides = []
            for direction in range(config.directions):
                w_ih, w_hh, *b = (
                    arrays[n] for n in layer_names(layer, direction == 1, config.bias)
                )
                at = layer * config.directions + direction
                h, states = arrays["h_0"][at, row], []
                for x in y[::-1] if direction else y:
                    a = w_ih @ x + w_hh @ h + sum(b)
                    h = np.where(a.real > 0, a, 0) if relu else np.tanh(a)
                    states.append(h)
                sides.append(states[::-1] if direction else states)
                total = total + (h * h_n[at, row]).sum()
            y = np.array([np.concatenate(both) for both in zip(*sides, strict=True)])
        if length:
            total = total + (y * output[:length, row]).sum()
    return total


SMALL = configs(max_steps=4, dtypes=("fp64",), scales=(1, 2), aspects=("gradient",))


def assert_agrees_with_complex_steps(config: Config) -> None:
    case = make_case(config)
    if config.layout == "unbatched":
        config = dataclasses.replace(config, layout="timefirst")
    rows = config.num_layers * config.directions
    start = case.h_0 if case.h_0 is not None else np.zeros((rows, config.batch, config.hidden_size))
    valid = case.valid[:, :, None]
    arrays = {"x": np.where(valid, case.x, 0), "h_0": start, **case.weights}
    arrays = {name: array.astype(np.complex128) for name, array in arrays.items()}
    found = exact_gradients(case)
    step = 1e-30
    for name, array in arrays.items():
        for index in np.ndindex(array.shape):
            moved = array.copy()
            moved[index] += 1j * step
            expected = np.imag(forward_in_complex(case, {**arrays, name: moved})) / step
            assert found[name][index] == pytest.approx(expected, rel=1e-12, abs=1e-14), (
                name,
                index,
            )


@settings(max_examples=40)
@given(SMALL)
def test_agrees_with_complex_step_differentiation(config: Config) -> None:
    config = dataclasses.replace(
        config,
        hidden_size=min(config.hidden_size, 3),
        input_size=min(config.input_size, 3),
        batch=min(config.batch, 3),
        data="plain",
        scale=1,
    )
    assert_agrees_with_complex_steps(config)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("lengths", ["ragged", "nolens"])
def test_a_stack_agrees_with_complex_step_differentiation(nonlinearity: str, lengths: str) -> None:
    """Two layers, both directions; biases and h_0 where there are lengths, and neither else."""
    ragged = lengths == "ragged"
    config = Config(
        aspect="gradient", nonlinearity=nonlinearity, num_layers=2, bidirectional=True, batch=3,
        steps=3, input_size=2, hidden_size=3, lengths=lengths, bias=ragged, h_0=ragged,
        dtype="fp64", data="plain", seed=2,
    )  # fmt: skip
    assert_agrees_with_complex_steps(config)


def test_agrees_with_torch_in_float64_on_500_configs() -> None:
    """Relative to the largest entry of each gradient: within 1e-12."""
    torch = load_backend("torch")
    strategy = configs(dtypes=("fp64",), scales=(1,), aspects=("gradient",))
    drawn = [c for c in draw_configs(strategy, 800, seed=0) if c.lengths != "empties"][:520]
    # Where tanh saturates, 1 - h^2 cancels, and 1e-12 would be no bound.
    chosen = [dataclasses.replace(c, data="plain") if c.data == "mixed" else c for c in drawn]
    longer = [dataclasses.replace(c, steps=30, data="plain", scale=1) for c in chosen[:20]]
    compared = 0
    for config in chosen + longer:
        case = make_case(config)
        layer = torch.build(config.options)
        layer.load_weights(case.weights)
        output, h_n = cotangents(case)
        h_0 = None if case.h_0 is None else states_to_layout(case.h_0, config)
        actual = layer.gradients(
            to_layout(case.x, config),
            h_0,
            case.lengths,
            to_layout(output, config),
            states_to_layout(h_n, config),
        )
        expected = exact_gradients(case)
        expected = {**expected, "x": to_layout(expected["x"], config)}
        expected["h_0"] = states_to_layout(expected["h_0"], config)
        for name, gradient in actual.items():
            size = max(np.abs(expected[name]).max(), 1e-300)
            assert np.abs(gradient - expected[name]).max() <= 1e-12 * size, (name, config.id)
        compared += 1
    assert compared >= 500


def test_one_step_by_hand() -> None:
    """h = tanh(2 x + 3 h_0), x = 0.1, h_0 = -0.05: d = 1 - tanh(0.05)^2."""
    weights = {"weight_ih_l0": [[2.0]], "weight_hh_l0": [[3.0]]}
    found = rnn_gradients([[[0.1]]], [[[-0.05]]], weights, [[[1.0]]], [[[10.0]]], bias=False)
    d = 11 * (1 - np.tanh(0.05) ** 2)
    assert found["x"][0, 0, 0] == pytest.approx(2 * d, rel=1e-15)
    assert found["h_0"][0, 0, 0] == pytest.approx(3 * d, rel=1e-15)
    assert found["weight_ih_l0"][0, 0] == pytest.approx(0.1 * d, rel=1e-15)
    assert found["weight_hh_l0"][0, 0] == pytest.approx(-0.05 * d, rel=1e-15)


def test_no_gradient_comes_from_memory_that_was_never_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind the end of a row the reverse direction has no state before; 0 times NaN is NaN."""
    monkeypatch.setattr(np, "empty_like", lambda a, *_: np.full(np.shape(a), np.nan))
    valid = np.arange(4)[:, None] < np.array([2, 4])
    states = np.arange(16.0).reshape(4, 2, 2)
    previous = previous_states(states, np.ones((2, 2)), valid, reverse=True)
    assert np.isfinite(previous).all()
    assert (previous[3, 0] == 0).all()
    assert (previous[1, 0] == 1).all()


def test_float32_arguments_are_evaluated_in_float64() -> None:
    rng = np.random.default_rng(1)
    sizes = {"weight_ih_l0": (3, 2), "weight_hh_l0": (3, 3), "bias_ih_l0": 3, "bias_hh_l0": 3}
    weights = {name: rng.uniform(-1, 1, size).astype("f") for name, size in sizes.items()}
    shapes = ((4, 5, 2), (1, 5, 3), (4, 5, 3), (1, 5, 3))
    x, h_0, output, h_n = (rng.uniform(-1, 1, shape).astype("f") for shape in shapes)
    found = rnn_gradients(x, h_0, weights, output, h_n)
    wide = {name: array.astype(float) for name, array in weights.items()}
    exact = rnn_gradients(*(a.astype(float) for a in (x, h_0)), wide, output * 1.0, h_n * 1.0)
    lists = rnn_gradients(x.tolist(), h_0.tolist(), wide, output.tolist(), h_n.tolist())
    assert set(found) == {"x", "h_0", *weights}
    for name, gradient in found.items():
        assert gradient.dtype == np.float64
        np.testing.assert_array_equal(gradient, exact[name])
        np.testing.assert_array_equal(gradient, lists[name])


def test_relu_by_hand_and_its_slope_of_0_at_0() -> None:
    """h_1 = relu(2 x_1) = 0 at x_1 = 0; h_2 = relu(2 / 4 + 5 h_1) = 1/2, with a slope of 1."""
    weights = {"weight_ih_l0": [[2.0]], "weight_hh_l0": [[5.0]]}
    cotangents = [[[7.0]], [[1.0]]], [[[10.0]]]
    found = rnn_gradients(
        [[[0.0]], [[0.25]]], None, weights, *cotangents, nonlinearity="relu", bias=False
    )
    assert found["x"].ravel().tolist() == [0, 22]
    assert found["h_0"].ravel().tolist() == [0]
    assert found["weight_ih_l0"].ravel().tolist() == [2.75]
    assert found["weight_hh_l0"].ravel().tolist() == [0]
