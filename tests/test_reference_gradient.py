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
from reference.gradient import rnn_gradients
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


def test_agrees_with_torch_in_float64_on_500_configs() -> None:
    """Relative to the largest entry of each gradient: within 1e-12."""
    torch = load_backend("torch")
    strategy = configs(dtypes=("fp64",), scales=(1, 2, 4), aspects=("gradient",))
    chosen = [c for c in draw_configs(strategy, 800, seed=0) if c.lengths != "empties"][:520]
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
